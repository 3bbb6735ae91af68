//! One tumbling window of all series of a vantage point.

use std::collections::BTreeMap;

use cloudping_digest::{Counts, Parts, SeriesSummary};
use cloudping_model::UtcMicros;
use prost::Message;

use super::{SeriesKey, SeriesTable, StoredError, message, wire, wrong};

const VERSION: u32 = 2;
const ITEM: &str = "pane";

/// One tumbling window of all series of a vantage point.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PaneItem {
    /// Start of the window.
    pub start: UtcMicros,
    /// The series, ordered by key.
    pub series: BTreeMap<SeriesKey, SeriesSummary>,
}

impl PaneItem {
    /// An empty pane.
    #[must_use]
    pub fn starting(start: UtcMicros) -> Self {
        Self { start, ..Self::default() }
    }

    /// The item's bytes; series that the table does not have are added to it.
    #[must_use]
    pub fn encode(&self, table: &mut SeriesTable) -> Vec<u8> {
        let mut placed: Vec<(u32, &SeriesSummary)> =
            self.series.iter().map(|(key, summary)| (table.place(key), summary)).collect();
        placed.sort_unstable_by_key(|(place, _)| *place);
        let mut writer = PaneWriter::new(self.start);
        placed.into_iter().for_each(|(place, summary)| writer.push(place, summary));
        writer.finish()
    }

    /// Reads an item of any version that was ever written, with a table at least as new.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8], table: &SeriesTable) -> Result<Self, StoredError> {
        let pane = PaneReader::open(bytes)?;
        let mut item = Self::starting(pane.start);
        for entry in &pane.spelt_out {
            item.series.insert(entry.0.clone(), entry.1.clone());
        }
        let mut summaries = pane.summaries();
        while let Some(place) = summaries.next_place()? {
            let known = || wrong(ITEM, "summaries", format_args!("series {place}"), "a place in the series table");
            let key = table.get(place).ok_or_else(known)?;
            item.series.insert(key.clone(), summaries.summary()?);
        }
        Ok(item)
    }
}

/// Writes a pane series by series, without building it first.
#[derive(Debug)]
pub struct PaneWriter {
    start: UtcMicros,
    next: u32,
    summaries: Vec<u8>,
    addresses: Vec<u8>,
}

impl PaneWriter {
    /// A pane without series.
    #[must_use]
    pub fn new(start: UtcMicros) -> Self {
        Self { start, next: 0, summaries: Vec::new(), addresses: Vec::new() }
    }

    /// Makes room for so many bytes more.
    pub fn reserve(&mut self, bytes: usize) {
        self.summaries.reserve(bytes);
    }

    /// Adds a series. Places must ascend.
    pub fn push(&mut self, place: u32, summary: &SeriesSummary) {
        self.pass_to(place);
        summary.put(self.start.0, &mut self.summaries);
    }

    /// Adds a series of few round-trip times, ascending. Places must ascend.
    pub fn push_sorted(&mut self, place: u32, rtts_us: &[u32], counts: &Counts) {
        self.pass_to(place);
        SeriesSummary::put_sorted(rtts_us, counts, self.start.0, &mut self.summaries);
    }

    /// Says which addresses the series were measured at, as `Pane.addresses` of proto/stored.proto has it.
    pub fn set_addresses(&mut self, addresses: Vec<u8>) {
        self.addresses = addresses;
    }

    fn pass_to(&mut self, place: u32) {
        debug_assert!(place >= self.next, "places must ascend");
        put_varint(&mut self.summaries, u64::from(place - self.next));
        self.next = place + 1;
    }

    /// The item's bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let Self { start, summaries, addresses, .. } = self;
        wire::Pane { schema_version: VERSION, start_us: start.0, series: Vec::new(), summaries, addresses }
            .encode_to_vec()
    }
}

/// A stored pane, to be read series by series.
#[derive(Debug)]
pub struct PaneReader {
    /// Start of the window.
    pub start: UtcMicros,
    /// The series of a pane of version 1, which spelt them out; empty since.
    pub spelt_out: Vec<(SeriesKey, SeriesSummary)>,
    /// Which addresses the series were measured at, as it is stored; may end early.
    pub addresses: Vec<u8>,
    summaries: Vec<u8>,
}

impl PaneReader {
    /// Takes an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn open(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::Pane = message(ITEM, bytes)?;
        if !(1..=VERSION).contains(&item.schema_version) {
            return Err(wrong(ITEM, "schema_version", item.schema_version, "1 or 2"));
        }
        let spelt_out = item.series.iter().map(read_series).collect::<Result<_, _>>()?;
        let wire::Pane { start_us, summaries, addresses, .. } = item;
        Ok(Self { start: UtcMicros(start_us), spelt_out, addresses, summaries })
    }

    /// Its series, by their places in the series table, ascending.
    #[must_use]
    pub fn summaries(&self) -> Summaries<'_> {
        Summaries { rest: &self.summaries, base_us: self.start.0, next: 0 }
    }
}

/// A cursor over the series of a pane: a place, then its summary by one of two ways, and so on.
#[derive(Debug)]
pub struct Summaries<'a> {
    rest: &'a [u8],
    base_us: i64,
    next: u32,
}

impl Summaries<'_> {
    /// The next series' place; `None` at the end.
    ///
    /// # Errors
    /// [`StoredError`] when the bytes are no place.
    pub fn next_place(&mut self) -> Result<Option<u32>, StoredError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let passed = take_varint(&mut self.rest);
        let place = passed.and_then(|passed| u32::try_from(u64::from(self.next) + u64::from(passed)).ok());
        let place = place.filter(|place| *place < u32::MAX);
        let place = place.ok_or_else(|| wrong(ITEM, "summaries", "another number", "a varint of at most 32 bits"))?;
        self.next = place + 1;
        Ok(Some(place))
    }

    /// The summary at the place that was read last.
    ///
    /// # Errors
    /// [`StoredError`] when the bytes are no summary.
    pub fn summary(&mut self) -> Result<SeriesSummary, StoredError> {
        SeriesSummary::take(&mut self.rest, self.base_us).map_err(|source| self.fault(source))
    }

    /// The summary at the place that was read last, taken apart: round-trip times that are known one by one are appended to `rtts_us`,
    /// ascending.
    ///
    /// # Errors
    /// [`StoredError`] when the bytes are no summary.
    pub fn parts(&mut self, rtts_us: &mut Vec<u32>) -> Result<Parts, StoredError> {
        SeriesSummary::take_parts(&mut self.rest, self.base_us, rtts_us).map_err(|source| self.fault(source))
    }

    fn fault(&self, source: cloudping_digest::DecodeError) -> StoredError {
        StoredError::Summary { of: format!("series {}", self.next - 1), source }
    }
}

fn read_series(item: &wire::SeriesPane) -> Result<(SeriesKey, SeriesSummary), StoredError> {
    let key = SeriesKey::read(ITEM, (&item.target, item.protocol, item.family))?;
    let summary = SeriesSummary::decode(&item.summary)
        .map_err(|source| StoredError::Summary { of: key.target.to_string(), source })?;
    Ok((key, summary))
}

/// Appends an LEB128 varint.
pub fn put_varint(out: &mut Vec<u8>, value: u64) {
    prost::encoding::encode_varint(value, out);
}

/// Takes an LEB128 varint of at most 32 bits from the front.
pub fn take_varint(bytes: &mut &[u8]) -> Option<u32> {
    prost::encoding::decode_varint(bytes).ok().and_then(|value| u32::try_from(value).ok())
}
