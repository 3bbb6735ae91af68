//! From the places of targets in an event to the places of series in the vantage point's table.

use std::collections::HashSet;

use cloudping_model::{Family, Protocol, TargetId};
use cloudping_schemas::event::{EventError, Head};
use cloudping_schemas::stored::{SeriesKey, SeriesTable};

use crate::bounds::MAX_SERIES;
use crate::reached::Reached;

/// No place has been looked up yet.
const UNKNOWN: u32 = u32::MAX;

/// Remembers where the targets of the last event's dictionary are: a vantage point's events mostly have the same one.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    /// The dictionary's bytes, where they can be compared.
    names: Option<Vec<u8>>,
    targets: Vec<TargetId>,
    /// Targets that were named: made once, and shared.
    known: HashSet<TargetId>,
    /// The places of the targets' TCP series over IPv4.
    tcp_v4: Vec<u32>,
    /// The places of an event's samples.
    of_samples: Vec<u32>,
    /// The addresses of an event; before them, that there is none.
    reached: Vec<Reached>,
}

/// Where an event's samples belong, and where their probes went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<'a> {
    /// Each sample's place in the series table.
    pub(crate) places: &'a [u32],
    /// Each sample's place in `reached`.
    pub(crate) addresses: &'a [u32],
    pub(crate) reached: &'a [Reached],
}

impl Placed<'_> {
    /// Where a sample's probe went.
    pub(crate) fn reached(&self, at: usize) -> Reached {
        self.reached[self.addresses[at] as usize]
    }
}

impl Dictionary {
    /// Gets ready for an event.
    ///
    /// # Errors
    /// [`EventError`] when a target is no identifier.
    pub(crate) fn open(&mut self, head: &Head<'_>) -> Result<(), EventError> {
        if head.names().is_some_and(|names| self.names.as_deref() == Some(names)) {
            return Ok(());
        }
        self.names = None;
        self.targets.clear();
        if self.known.len() > MAX_SERIES {
            self.known.clear();
        }
        for text in head.targets() {
            let text = text?;
            if !self.known.contains(text) {
                self.known.insert(TargetId::new(text)?);
            }
            self.targets.extend(self.known.get(text).cloned());
        }
        self.tcp_v4.clear();
        self.tcp_v4.resize(self.targets.len(), UNKNOWN);
        self.names = head.names().map(<[u8]>::to_vec);
        Ok(())
    }

    /// Each sample's place in the table and its address; series that are new are added to the table. [`Dictionary::open`] must have taken the event.
    pub(crate) fn places<'a>(&'a mut self, head: &Head<'a>, table: &mut SeriesTable) -> Placed<'a> {
        self.reached.clear();
        self.reached.push(Reached::NONE);
        self.reached.extend(head.addresses().map(Reached::read));
        self.find_places(head, table);
        Placed { places: &self.of_samples, addresses: head.address_places(), reached: &self.reached }
    }

    fn find_places(&mut self, head: &Head<'_>, table: &mut SeriesTable) {
        self.of_samples.clear();
        if head.is_tcp_v4() {
            for &target in head.target() {
                let place = match self.tcp_v4[target as usize] {
                    UNKNOWN => self.look_up(target as usize, table),
                    place => place,
                };
                self.of_samples.push(place);
            }
            return;
        }
        for (at, &target) in head.target().iter().enumerate() {
            let target = self.targets[target as usize].clone();
            let key = SeriesKey { target, protocol: head.protocol(at), family: head.family(at) };
            self.of_samples.push(table.place(&key));
        }
    }

    /// How many series an event would add to the table. [`Dictionary::open`] must have taken it.
    pub(crate) fn added(&self, head: &Head<'_>, table: &SeriesTable) -> usize {
        let tcp_v4 = head.is_tcp_v4();
        let mut added = HashSet::new();
        for (at, &target) in head.target().iter().enumerate() {
            let series = (target, head.protocol(at), head.family(at));
            if (tcp_v4 && self.tcp_v4[target as usize] != UNKNOWN) || added.contains(&series) {
                continue;
            }
            let key = SeriesKey { target: self.targets[target as usize].clone(), protocol: series.1, family: series.2 };
            if table.find(&key).is_none() {
                added.insert(series);
            }
        }
        added.len()
    }

    fn look_up(&mut self, target: usize, table: &mut SeriesTable) -> u32 {
        let key =
            SeriesKey { target: self.targets[target].clone(), protocol: Protocol::TcpConnect, family: Family::V4 };
        let place = table.place(&key);
        self.tcp_v4[target] = place;
        place
    }
}
