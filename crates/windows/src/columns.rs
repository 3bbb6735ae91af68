//! The summaries of many series, side by side.

use cloudping_digest::{Counts, EXACT_LIMIT, STORED_EXACT_LIMIT, SeriesSummary};
use cloudping_model::UtcMicros;
use cloudping_schemas::stored::{PaneReader, PaneWriter, StoredError};

/// The summaries of many series, by their places ([`Places`](crate::Places)). Round-trip times that are known one by one lie in one
/// list: in a big matrix a window of a minute holds one or two of each series, and as many small lists would take more time and room.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns {
    /// Series whose round-trip times are known one by one, ascending.
    places: Vec<u32>,
    /// When each one's newest probe started; [`NEVER`] where none did.
    last_at_us: Vec<i64>,
    /// What is counted beside the times, for those of which anything is: their index, ascending.
    counts: Vec<(u32, Counts)>,
    /// Where each one's round-trip times end in `rtts_us`.
    ends: Vec<u32>,
    rtts_us: Vec<u32>,
    /// All other series, ascending.
    sketches: Vec<(u32, SeriesSummary)>,
}

/// Stands for no time.
const NEVER: i64 = i64::MIN;

/// One series of some columns.
enum Entry<'a> {
    Sorted(&'a [u32], Counts),
    Sketch(&'a SeriesSummary),
}

impl Entry<'_> {
    fn summary(&self) -> SeriesSummary {
        match self {
            Self::Sorted(rtts_us, counts) => SeriesSummary::from_sorted(rtts_us, *counts),
            Self::Sketch(summary) => (*summary).clone(),
        }
    }
}

/// How far the columns were read.
struct Cursor<'a> {
    columns: &'a Columns,
    sorted: usize,
    counts: usize,
    sketch: usize,
}

impl<'a> Cursor<'a> {
    fn new(columns: &'a Columns) -> Self {
        Self { columns, sorted: 0, counts: 0, sketch: 0 }
    }

    /// The next series' place; past the last `u32::MAX`, which is no place.
    #[inline]
    fn place(&self) -> u32 {
        let sorted = self.columns.places.get(self.sorted).copied().unwrap_or(u32::MAX);
        let sketch = self.columns.sketches.get(self.sketch).map_or(u32::MAX, |(place, _)| *place);
        sorted.min(sketch)
    }

    /// The next series, if it is at that place.
    #[inline]
    fn take(&mut self, place: u32) -> Option<Entry<'a>> {
        if self.columns.places.get(self.sorted) == Some(&place) {
            let (at, counted) = (self.sorted, self.columns.counts.get(self.counts));
            let counted = counted.filter(|(index, _)| *index as usize == at);
            self.counts += usize::from(counted.is_some());
            self.sorted += 1;
            return Some(self.columns.sorted(at, counted.map(|(_, counts)| *counts)));
        }
        let (_, summary) = self.columns.sketches.get(self.sketch).filter(|(at, _)| *at == place)?;
        self.sketch += 1;
        Some(Entry::Sketch(summary))
    }
}

impl Columns {
    /// Adds a series whose round-trip times are known one by one: ascending, µs, at most [`STORED_EXACT_LIMIT`]. Places must
    /// ascend.
    pub fn push_sorted(&mut self, place: u32, rtts_us: &[u32], counts: &Counts) {
        debug_assert!(rtts_us.len() <= STORED_EXACT_LIMIT && rtts_us.is_sorted());
        self.rtts_us.extend_from_slice(rtts_us);
        self.close(place, *counts);
    }

    /// Adds a series. Places must ascend.
    pub fn push(&mut self, place: u32, summary: SeriesSummary) {
        if !summary.digest().is_exact() {
            return self.push_sketch(place, summary);
        }
        // The digest gives its values only as stored bytes.
        let mut bytes = Vec::new();
        summary.put(0, &mut bytes);
        let parts = SeriesSummary::take_parts(&mut bytes.as_slice(), 0, &mut self.rtts_us);
        self.close(place, parts.expect("just written").counts);
    }

    fn push_sketch(&mut self, place: u32, summary: SeriesSummary) {
        debug_assert!(self.sketches.last().is_none_or(|(last, _)| *last < place), "places must ascend");
        self.sketches.push((place, summary));
    }

    /// Makes what is at the end of the list of round-trip times a series' own.
    fn close(&mut self, place: u32, counts: Counts) {
        debug_assert!(self.places.last().is_none_or(|last| *last < place), "places must ascend");
        if counts.lost > 0 || counts.unknown > 0 {
            self.counts.push((index(self.places.len()), counts));
        }
        self.places.push(place);
        self.last_at_us.push(counts.last_at_us.unwrap_or(NEVER));
        self.ends.push(index(self.rtts_us.len()));
    }

    fn sorted(&self, at: usize, counts: Option<Counts>) -> Entry<'_> {
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let last_at_us = Some(self.last_at_us[at]).filter(|at| *at != NEVER);
        let counts = counts.unwrap_or(Counts { last_at_us, ..Counts::default() });
        Entry::Sorted(&self.rtts_us[from as usize..self.ends[at] as usize], counts)
    }

    /// How many series there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() + self.sketches.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The series at a place.
    #[must_use]
    pub fn get(&self, place: u32) -> Option<SeriesSummary> {
        if let Ok(at) = self.places.binary_search(&place) {
            let counted = self.counts.binary_search_by_key(&at, |(index, _)| *index as usize);
            return Some(self.sorted(at, counted.ok().map(|found| self.counts[found].1)).summary());
        }
        let at = self.sketches.binary_search_by_key(&place, |(at, _)| *at).ok()?;
        Some(self.sketches[at].1.clone())
    }

    /// Whether there is a series at a place.
    #[must_use]
    pub fn contains(&self, place: u32) -> bool {
        self.places.binary_search(&place).is_ok() || self.sketches.binary_search_by_key(&place, |(at, _)| *at).is_ok()
    }

    /// The places that have a series, in no order.
    pub fn places(&self) -> impl Iterator<Item = u32> {
        self.places.iter().copied().chain(self.sketches.iter().map(|(place, _)| *place))
    }

    /// The series, ascending by place.
    pub fn summaries(&self) -> impl Iterator<Item = (u32, SeriesSummary)> {
        let mut cursor = Cursor::new(self);
        std::iter::from_fn(move || {
            let place = cursor.place();
            cursor.take(place).map(|entry| (place, entry.summary()))
        })
    }

    /// All parts together, each series' digests compressed at most once.
    ///
    /// Where all round-trip times of a series are known one by one and they are at most [`EXACT_LIMIT`], they stay so.
    #[must_use]
    pub fn merge(parts: &[&Self]) -> Self {
        if let [one] = parts {
            return (*one).clone();
        }
        let mut merged = Self::default();
        merged.reserve(parts);
        let mut cursors: Vec<Cursor<'_>> = parts.iter().map(|part| Cursor::new(part)).collect();
        let mut sketches: Vec<&SeriesSummary> = Vec::new();
        loop {
            let place = cursors.iter().map(Cursor::place).min().unwrap_or(u32::MAX);
            if place == u32::MAX {
                return merged;
            }
            let (mut counts, mut sorted) = (Counts::default(), 0);
            let from = merged.rtts_us.len();
            for entry in cursors.iter_mut().filter_map(|cursor| cursor.take(place)) {
                match entry {
                    Entry::Sketch(summary) => sketches.push(summary),
                    Entry::Sorted(rtts_us, its) => {
                        merged.rtts_us.extend_from_slice(rtts_us);
                        counts.merge(&its);
                        sorted += 1;
                    }
                }
            }
            if sorted > 1 {
                // Stable, though that is of no use: it is the sort that finds the ascending runs.
                merged.rtts_us[from..].sort();
            }
            let rtts_us = &merged.rtts_us[from..];
            if sketches.is_empty() && rtts_us.len() <= EXACT_LIMIT {
                merged.close(place, counts);
                continue;
            }
            let single = SeriesSummary::from_sorted(rtts_us, counts);
            merged.rtts_us.truncate(from);
            let summary = match (sorted, sketches.as_slice()) {
                (_, []) => single,
                (0, [one]) => (*one).clone(),
                (0, many) => SeriesSummary::merge_many(many.iter().copied()),
                (_, many) => SeriesSummary::merge_many(many.iter().copied().chain([&single])),
            };
            sketches.clear();
            merged.push_sketch(place, summary);
        }
    }

    /// Room for the case that the parts hold the same series.
    fn reserve(&mut self, parts: &[&Self]) {
        let most = |of: fn(&Self) -> usize| parts.iter().map(|part| of(part)).max().unwrap_or(0);
        let series = most(|part| part.places.len());
        self.places.reserve(series);
        self.last_at_us.reserve(series);
        self.ends.reserve(series);
        self.rtts_us.reserve(parts.iter().map(|part| part.rtts_us.len()).sum());
        self.sketches.reserve(most(|part| part.sketches.len()));
    }

    /// As a pane's stored bytes that count through the places here, several times smaller. Times are kept relative to `start`.
    #[must_use]
    pub fn pack(&self, start: UtcMicros) -> Vec<u8> {
        let mut writer = PaneWriter::new(start);
        let mut cursor = Cursor::new(self);
        loop {
            let place = cursor.place();
            match cursor.take(place) {
                Some(Entry::Sorted(rtts_us, counts)) => writer.push_sorted(place, rtts_us, &counts),
                Some(Entry::Sketch(summary)) => writer.push(place, summary),
                None => return writer.finish(),
            }
        }
    }

    /// What [`Columns::pack`] packed.
    ///
    /// # Errors
    /// [`StoredError`] for bytes that it did not.
    pub fn unpack(bytes: &[u8]) -> Result<Self, StoredError> {
        Self::read(&PaneReader::open(bytes)?, Some).map(Option::unwrap_or_default)
    }

    /// The series of a stored pane that counts through the series table, at the places that `place_of` gives them; `None` where it
    /// gives none for one of them. They must ascend.
    pub(crate) fn read(pane: &PaneReader, place_of: impl Fn(u32) -> Option<u32>) -> Result<Option<Self>, StoredError> {
        let mut columns = Self::default();
        let mut summaries = pane.summaries();
        while let Some(stored) = summaries.next_place()? {
            let Some(place) = place_of(stored) else {
                return Ok(None);
            };
            let parts = summaries.parts(&mut columns.rtts_us)?;
            match parts.sketch {
                None => columns.close(place, parts.counts),
                Some(digest) => columns.push_sketch(place, SeriesSummary::from_digest(digest, parts.counts)),
            }
        }
        Ok(Some(columns))
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("at most 512 round-trip times of each of at most 8 million series")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn columns_of(series: &BTreeMap<u32, Vec<u32>>) -> Columns {
        let mut columns = Columns::default();
        for (place, rtts_us) in series {
            columns.push(*place, rtts_us.iter().fold(SeriesSummary::new(), with));
        }
        columns
    }

    fn with(mut summary: SeriesSummary, rtt_us: &u32) -> SeriesSummary {
        match rtt_us % 7 {
            0 => summary.record_loss(i64::from(*rtt_us), rtt_us.is_multiple_of(2)),
            _ => summary.record_rtt(i64::from(*rtt_us), *rtt_us),
        }
        summary
    }

    fn numbers(summary: &SeriesSummary) -> impl PartialEq + std::fmt::Debug + use<> {
        let counts = (summary.sent(), summary.lost(), summary.retransmitted(), summary.last_at_us());
        (counts, summary.sum_us(), summary.sum_sq_us(), summary.min_us(), summary.max_us(), summary.digest().is_exact())
    }

    fn series() -> impl Strategy<Value = BTreeMap<u32, Vec<u32>>> {
        let rtts_us = prop_oneof![
            6 => prop::collection::vec(0u32..3_000_000, 0..9),
            1 => prop::collection::vec(0u32..3_000_000, 200..700),
        ];
        prop::collection::btree_map(0u32..12, rtts_us, 0..8)
    }

    proptest! {
        #[test]
        fn a_merge_holds_what_its_parts_hold(parts in prop::collection::vec(series(), 0..5)) {
            let columns: Vec<Columns> = parts.iter().map(columns_of).collect();
            let merged = Columns::merge(&columns.iter().collect::<Vec<_>>());
            let mut model: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for (place, rtts_us) in parts.into_iter().flatten() {
                model.entry(place).or_default().extend(rtts_us);
            }
            prop_assert_eq!(merged.len(), model.len());
            prop_assert!(merged.summaries().map(|(place, _)| place).eq(model.keys().copied()));
            for (place, rtts_us) in &model {
                let summary = merged.get(*place).unwrap();
                let expected = rtts_us.iter().fold(SeriesSummary::new(), with);
                prop_assert_eq!(numbers(&summary), numbers(&expected));
                if expected.digest().is_exact() {
                    prop_assert_eq!(&summary, &expected);
                }
                prop_assert!(merged.contains(*place));
            }
            let packed = merged.pack(UtcMicros(1_000_000));
            prop_assert_eq!(Columns::unpack(&packed).unwrap(), merged);
        }
    }
}
