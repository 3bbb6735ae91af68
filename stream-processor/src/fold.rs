//! Folding: the panes that a closed pane is made of become one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use cloudping_digest::{Counts, LatencyDigest, SeriesSummary};
use cloudping_model::UtcMicros;
use cloudping_ports::Expect;
use cloudping_schemas::stored::{PaneReader, PaneWriter, SeriesTable, StoredError};

use crate::minute::{MinutePane, unknown_place};

/// An hour or a day. Series go by their place in the series table.
#[derive(Debug)]
pub(crate) struct ParentPane {
    pub(crate) start: UtcMicros,
    /// What the store has of it.
    pub(crate) stored: Expect,
    /// Whether the store has less.
    pub(crate) changed: bool,
    pub(crate) series: BTreeMap<u32, SeriesSummary>,
}

impl ParentPane {
    /// A pane that is neither in the store nor has anything.
    pub(crate) fn new(start: UtcMicros) -> Self {
        Self { start, stored: Expect::Absent, changed: false, series: BTreeMap::new() }
    }

    /// A pane as it is stored. Series that version 1 spelt out get their places.
    pub(crate) fn read(bytes: &[u8], stored: Expect, table: &mut SeriesTable) -> Result<Self, StoredError> {
        let reader = PaneReader::open(bytes)?;
        let spelt_out = reader.spelt_out.iter().map(|(key, summary)| (table.place(key), summary.clone()));
        let mut series: BTreeMap<u32, SeriesSummary> = spelt_out.collect();
        let mut summaries = reader.summaries();
        while let Some(place) = summaries.next_place()? {
            table.get(place).ok_or_else(|| unknown_place(place))?;
            series.insert(place, summaries.summary()?);
        }
        Ok(Self { start: reader.start, stored, changed: false, series })
    }

    /// The item's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = PaneWriter::new(self.start);
        self.series.iter().for_each(|(place, summary)| writer.push(*place, summary));
        writer.finish()
    }

    /// Adds what was gathered.
    pub(crate) fn add(&mut self, gathered: BTreeMap<u32, SeriesSummary>) {
        self.changed |= !gathered.is_empty();
        for (place, summary) in gathered {
            match self.series.entry(place) {
                Entry::Occupied(mut into) => into.get_mut().merge(&summary),
                Entry::Vacant(empty) => {
                    empty.insert(summary);
                }
            }
        }
    }
}

/// Minutes taken together, series by series: all values are sorted and compressed once.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    series: Vec<GatheredSeries>,
}

#[derive(Debug, Default, Clone)]
struct GatheredSeries {
    counts: Counts,
    rtts_us: Vec<u32>,
    large: Vec<LatencyDigest>,
}

impl Gathering {
    /// With room for all of these minutes, which must be in order.
    pub(crate) fn with_room_for<'a>(minutes: impl Iterator<Item = &'a MinutePane>) -> Self {
        let mut sizes = Vec::new();
        for minute in minutes {
            for (place, _) in minute.counts() {
                if sizes.len() <= place as usize {
                    sizes.resize(place as usize + 1, 0);
                }
                sizes[place as usize] += minute.rtts(place).0.len();
            }
        }
        let series = |size| GatheredSeries { rtts_us: Vec::with_capacity(size), ..GatheredSeries::default() };
        Self { series: sizes.into_iter().map(series).collect() }
    }

    /// Adds a minute, which must be in order: of every series that `wanted` says.
    pub(crate) fn add(&mut self, minute: &MinutePane, wanted: impl Fn(u32) -> bool) {
        for (place, counts) in minute.counts() {
            if !wanted(place) {
                continue;
            }
            if self.series.len() <= place as usize {
                self.series.resize(place as usize + 1, GatheredSeries::default());
            }
            let into = &mut self.series[place as usize];
            let (rtts_us, large) = minute.rtts(place);
            into.counts.merge(counts);
            into.rtts_us.extend_from_slice(rtts_us);
            into.large.extend(large.cloned());
        }
    }

    /// The summary of each series that has anything.
    pub(crate) fn finish(self) -> BTreeMap<u32, SeriesSummary> {
        let present = (0..).zip(self.series).filter(|(_, series)| series.counts.last_at_us.is_some());
        present.map(|(place, series)| (place, series.summary())).collect()
    }
}

impl GatheredSeries {
    fn summary(mut self) -> SeriesSummary {
        let mut digest = LatencyDigest::from_unsorted(self.rtts_us);
        if !self.large.is_empty() {
            self.large.push(digest);
            digest = LatencyDigest::merge_many(&self.large);
        }
        SeriesSummary::from_digest(digest, self.counts)
    }
}

/// Hours taken together, each series' digests compressed once.
pub(crate) fn merge_panes<'a>(panes: impl Iterator<Item = &'a ParentPane>) -> BTreeMap<u32, SeriesSummary> {
    let mut parts: BTreeMap<u32, Vec<&SeriesSummary>> = BTreeMap::new();
    for (place, summary) in panes.flat_map(|pane| &pane.series) {
        parts.entry(*place).or_default().push(summary);
    }
    parts.into_iter().map(|(place, parts)| (place, SeriesSummary::merge_many(parts))).collect()
}
