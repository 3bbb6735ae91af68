//! A minute pane that is being filled: round-trip times as they come, put in order only when the pane is written or read.

use std::collections::BTreeMap;

use cloudping_digest::{Counts, LatencyDigest, STORED_EXACT_LIMIT, SeriesSummary};
use cloudping_model::{Outcome, UtcMicros};
use cloudping_ports::Expect;
use cloudping_schemas::stored::{PaneReader, PaneWriter, SeriesTable, StoredError};

use crate::dictionary::Placed;
use crate::ordering::{self, pack, unpack};
use crate::reached::{Reached, wrong};

/// One minute of all series of a vantage point. Series go by their place in the series table.
#[derive(Debug)]
pub(crate) struct MinutePane {
    start: UtcMicros,
    /// What the store has of it.
    pub(crate) stored: Expect,
    /// Whether the store has less.
    pub(crate) changed: bool,
    /// What was counted of each series beside its round-trip times; a series is in the pane if it has a `last_at_us`.
    counts: Vec<Counts>,
    /// Which address each series' round-trip times came from; as long as `counts`.
    reached: Vec<Reached>,
    /// Round-trip times that are in order: those of each series together, ascending.
    sorted: Vec<u32>,
    /// Where each series' times end in `sorted`; shorter than `counts` if the rest have none.
    ends: Vec<u32>,
    /// Round-trip times that came since, packed with the series' places.
    fresh: Vec<u64>,
    /// Series of more than [`STORED_EXACT_LIMIT`] times: all of these but those in `sorted` and `fresh`.
    large: BTreeMap<u32, LatencyDigest>,
}

impl MinutePane {
    /// A pane that is neither in the store nor has anything.
    pub(crate) fn new(start: UtcMicros) -> Self {
        Self {
            start,
            stored: Expect::Absent,
            changed: false,
            counts: Vec::new(),
            reached: Vec::new(),
            sorted: Vec::new(),
            ends: Vec::new(),
            fresh: Vec::new(),
            large: BTreeMap::new(),
        }
    }

    /// A pane as it is stored. Series that version 1 spelt out get their places.
    pub(crate) fn read(bytes: &[u8], stored: Expect, table: &mut SeriesTable) -> Result<Self, StoredError> {
        let reader = PaneReader::open(bytes)?;
        let mut pane = Self { stored, ..Self::new(reader.start) };
        for (key, summary) in &reader.spelt_out {
            let place = table.place(key);
            pane.count(place, &summary.counts());
            pane.large.insert(place, summary.digest().clone());
        }
        let mut summaries = reader.summaries();
        while let Some(place) = summaries.next_place()? {
            // A table that is older than the pane is another processor's doing: this one must read anew.
            table.get(place).ok_or_else(|| unknown_place(place))?;
            pane.ends.resize(place as usize, pane.sorted.len() as u32);
            let parts = summaries.parts(&mut pane.sorted)?;
            pane.ends.push(pane.sorted.len() as u32);
            pane.count(place, &parts.counts);
            if let Some(digest) = parts.sketch {
                pane.large.insert(place, digest);
            }
        }
        pane.read_addresses(&reader.addresses)?;
        Ok(pane)
    }

    fn read_addresses(&mut self, mut rest: &[u8]) -> Result<(), StoredError> {
        let in_pane = self.counts.iter().map(|counts| counts.last_at_us.is_some());
        for (reached, _) in self.reached.iter_mut().zip(in_pane).filter(|(_, in_pane)| *in_pane) {
            if rest.is_empty() {
                return Ok(());
            }
            *reached = Reached::take(&mut rest)?;
        }
        if rest.is_empty() { Ok(()) } else { Err(wrong("more than the pane has series")) }
    }

    /// Start of the minute.
    pub(crate) fn start(&self) -> UtcMicros {
        self.start
    }

    /// Makes room for the series up to a place.
    pub(crate) fn make_room(&mut self, series: usize) {
        if self.counts.len() < series {
            self.counts.resize(series, Counts::default());
            self.reached.resize(series, Reached::NONE);
        }
    }

    /// Counts an answer. There must be room for the series.
    #[inline]
    pub(crate) fn record_rtt(&mut self, place: u32, at: UtcMicros, rtt_us: u32, reached: Reached) {
        self.fresh.push(pack(place, rtt_us));
        self.reached[place as usize].add(reached);
        see(&mut self.counts[place as usize], at);
    }

    /// Counts answers that all have a round-trip time, at these offsets from `start`. There must be room for the series.
    pub(crate) fn record_rtts(&mut self, start: UtcMicros, placed: Placed<'_>, offsets_us: &[u32], rtts_us: &[u32]) {
        self.fresh.extend(placed.places.iter().zip(rtts_us).map(|(place, rtt_us)| pack(*place, *rtt_us)));
        for (place, offset_us) in placed.places.iter().zip(offsets_us) {
            see(&mut self.counts[*place as usize], start + i64::from(*offset_us));
        }
        for (place, address) in placed.places.iter().zip(placed.addresses) {
            self.reached[*place as usize].add(placed.reached[*address as usize]);
        }
    }

    /// Counts a probe that was sent and has no round-trip time. There must be room for the series.
    pub(crate) fn record_other(&mut self, place: u32, at: UtcMicros, outcome: Outcome) {
        let counts = &mut self.counts[place as usize];
        see(counts, at);
        if outcome.is_loss() {
            counts.lost += 1;
            counts.retransmitted += u64::from(outcome == Outcome::Retransmitted);
        } else {
            counts.unknown += 1;
        }
    }

    fn count(&mut self, place: u32, counts: &Counts) {
        self.make_room(place as usize + 1);
        self.counts[place as usize].merge(counts);
    }

    /// Which address a series' round-trip times came from.
    pub(crate) fn reached(&self, place: u32) -> Reached {
        self.reached.get(place as usize).copied().unwrap_or_default()
    }

    /// Whether the series is in the pane.
    pub(crate) fn has(&self, place: u32) -> bool {
        self.counts.get(place as usize).is_some_and(|counts| counts.last_at_us.is_some())
    }

    /// The series in the pane and what was counted of them beside their round-trip times.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (u32, &Counts)> {
        (0..).zip(&self.counts).filter(|(_, counts)| counts.last_at_us.is_some())
    }

    /// The times of a series, ascending, and the digest of those that are not among them. The pane must be in order.
    pub(crate) fn rtts(&self, place: u32) -> (&[u32], Option<&LatencyDigest>) {
        debug_assert!(self.fresh.is_empty(), "the pane is in order");
        let place_at = place as usize;
        let start = place_at.checked_sub(1).map_or(0, |before| self.end_of(before));
        (&self.sorted[start..self.end_of(place_at)], self.large.get(&place))
    }

    /// Whether a series has any round-trip time. The pane must be in order.
    pub(crate) fn has_rtts(&self, place: u32) -> bool {
        !matches!(self.rtts(place), ([], None))
    }

    /// A series' median in µs, if it has any round-trip time. The pane must be in order.
    pub(crate) fn median(&self, place: u32) -> Option<u32> {
        match self.rtts(place) {
            ([], None) => None,
            (rtts, None) => {
                let (low, high) = (rtts[(rtts.len() - 1) / 2], rtts[rtts.len() / 2]);
                Some(low + (high - low) / 2)
            }
            (rtts, Some(large)) => {
                let rest = LatencyDigest::from_sorted(rtts);
                let median = LatencyDigest::merge_many([large, &rest]).quantile(0.5);
                median.map(|us| us.round() as u32)
            }
        }
    }

    fn end_of(&self, place: usize) -> usize {
        self.ends.get(place).map_or(self.sorted.len(), |end| *end as usize)
    }

    /// Puts the times that came since into their places.
    pub(crate) fn put_in_order(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        ordering::sort(&mut self.fresh);
        let mut merged = Vec::with_capacity(self.sorted.len() + self.fresh.len());
        let mut ends = Vec::with_capacity(self.counts.len());
        let (mut fresh, mut start, mut overfull) = (self.fresh.as_slice(), 0, false);
        for place in 0..self.counts.len() {
            let end = self.end_of(place);
            let (of_place, rest) = fresh.split_at(fresh.partition_point(|packed| unpack(*packed).0 as usize <= place));
            let before = merged.len();
            merge(&self.sorted[start..end], of_place, &mut merged);
            overfull |= merged.len() - before > STORED_EXACT_LIMIT;
            ends.push(merged.len() as u32);
            (fresh, start) = (rest, end);
        }
        self.fresh.clear();
        (self.sorted, self.ends) = (merged, ends);
        if overfull {
            self.summarise();
        }
    }

    /// Has a summary take the place of each series' times that are too many.
    fn summarise(&mut self) {
        let mut kept = Vec::with_capacity(self.sorted.len());
        let mut start = 0;
        for (place, end) in (0..).zip(&mut self.ends) {
            let run = &self.sorted[start..*end as usize];
            start = *end as usize;
            if run.len() > STORED_EXACT_LIMIT {
                self.large.entry(place).or_default().merge(&LatencyDigest::from_sorted(run));
            } else {
                kept.extend_from_slice(run);
            }
            *end = kept.len() as u32;
        }
        self.sorted = kept;
    }

    /// The item's bytes. Puts the pane in order.
    pub(crate) fn encode(&mut self) -> Vec<u8> {
        self.put_in_order();
        let mut writer = PaneWriter::new(self.start);
        writer.reserve(self.counts.len() * 10 + self.sorted.len() * 2);
        for (place, counts) in self.counts() {
            match self.rtts(place) {
                (rtts, None) => writer.push_sorted(place, rtts, counts),
                (rtts, Some(large)) => {
                    let digest = LatencyDigest::merge_many([large, &LatencyDigest::from_sorted(rtts)]);
                    writer.push(place, &SeriesSummary::from_digest(digest, *counts));
                }
            }
        }
        writer.set_addresses(self.addresses());
        writer.finish()
    }

    fn addresses(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.reached.iter().any(|reached| *reached != Reached::NONE) {
            out.reserve(self.counts.len() * 5);
            self.counts().for_each(|(place, _)| self.reached(place).put(&mut out));
        }
        out
    }
}

/// Appends the times of two ascending runs, ascending.
fn merge(run: &[u32], fresh: &[u64], merged: &mut Vec<u32>) {
    if run.is_empty() {
        merged.extend(fresh.iter().map(|packed| unpack(*packed).1));
        return;
    }
    let (mut run, mut fresh) = (run, fresh);
    while let ([of_run, more_run @ ..], [packed, more_fresh @ ..]) = (run, fresh) {
        let rtt_us = unpack(*packed).1;
        if *of_run <= rtt_us {
            merged.push(*of_run);
            run = more_run;
        } else {
            merged.push(rtt_us);
            fresh = more_fresh;
        }
    }
    merged.extend_from_slice(run);
    merged.extend(fresh.iter().map(|packed| unpack(*packed).1));
}

/// A pane names a series that its vantage point's table has not.
pub(crate) fn unknown_place(place: u32) -> StoredError {
    StoredError::Field {
        item: "pane",
        field: "summaries",
        found: format!("series {place}"),
        expected: "a place in the series table",
    }
}

#[inline]
fn see(counts: &mut Counts, at: UtcMicros) {
    counts.last_at_us = counts.last_at_us.max(Some(at.0));
}

#[cfg(test)]
#[path = "minute_tests.rs"]
mod tests;
