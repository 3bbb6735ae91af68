//! The items of the live store: heads, panes, dead letters; and the keys they are stored under.

use cloudping_digest::SeriesSummary;
use cloudping_model::{Family, GapReason, IdError, Pane, Protocol, TargetId, UtcMicros};
use prost::Message;

use crate::event::{family_of, protocol_code, protocol_of};

#[allow(missing_docs, reason = "generated from proto/stored.proto, which documents each field")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/cloudping.stored.v1.rs"));
}

/// The version that is written.
pub const SCHEMA_VERSION: u32 = 1;

/// Why bytes are no stored item.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The bytes are no protobuf message of this type.
    #[error("stored {item}: {source}")]
    Protobuf {
        /// Which item.
        item: &'static str,
        /// What protobuf says.
        source: prost::DecodeError,
    },
    /// A field holds what it must not.
    #[error("stored {item}: {field} is {found}, expected {expected}")]
    Field {
        /// Which item.
        item: &'static str,
        /// The field's name in proto/stored.proto.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// An identifier is malformed.
    #[error("stored pane: {0}")]
    Id(#[from] IdError),
    /// A summary cannot be read.
    #[error("stored pane: summary of {target}: {source}")]
    Summary {
        /// Which target's.
        target: TargetId,
        /// What is wrong with it.
        source: cloudping_digest::DecodeError,
    },
}

/// The rounds of one epoch that have been counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenEpoch {
    /// The producer's epoch.
    pub epoch: u64,
    /// Inclusive ranges of round numbers, ascending, neither touching nor overlapping.
    pub ranges: Vec<(u64, u64)>,
}

/// What was received of a vantage point in one hour, by the start of the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerHour {
    /// Start of the hour.
    pub start: UtcMicros,
    /// Distinct rounds.
    pub rounds: u64,
    /// Probes sent.
    pub sent: u64,
    /// Probes answered at once.
    pub received: u64,
    /// Probes lost.
    pub lost: u64,
    /// Probes that never left: no socket, or no address for the name.
    pub not_sent: u64,
    /// Deliveries of rounds that had been counted before.
    pub duplicates: u64,
    /// Rounds that came after their minute had been folded into its hour.
    pub late: u64,
    /// Rounds that the gaps of counted rounds report missing.
    pub dropped: u64,
    /// Gaps reported, in the order of [`GapReason::ALL`].
    pub gaps: [u64; GapReason::ALL.len()],
}

/// What is known of a vantage point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VantageHead {
    /// The rounds that have been counted, one entry an epoch, ascending.
    pub seen: Vec<SeenEpoch>,
    /// One entry an hour, ascending.
    pub ledger: Vec<LedgerHour>,
    /// The newest start of a round.
    pub watermark: UtcMicros,
    /// Minutes before this one are folded into their hours.
    pub folded_until: UtcMicros,
}

/// What tells one series of a vantage point from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The target.
    pub target: TargetId,
    /// The protocol.
    pub protocol: Protocol,
    /// The address family.
    pub family: Family,
}

/// One tumbling window of all series of a vantage point.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PaneItem {
    /// Start of the window.
    pub start: UtcMicros,
    /// The series, ordered by key.
    pub series: std::collections::BTreeMap<SeriesKey, SeriesSummary>,
}

/// A record of the log that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The shard that it came from.
    pub shard: String,
    /// Its sequence number.
    pub sequence: String,
    /// Why it could not be read.
    pub reason: String,
    /// The record as it came.
    pub data: Vec<u8>,
}

impl VantageHead {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let seen = self.seen.iter().map(|seen| wire::SeenEpoch {
            epoch: seen.epoch,
            ranges: (seen.ranges.iter()).flat_map(|(first, last)| [*first, *last]).collect(),
        });
        let ledger = self.ledger.iter().map(|hour| wire::LedgerHour {
            start_us: hour.start.0,
            rounds: hour.rounds,
            sent: hour.sent,
            received: hour.received,
            lost: hour.lost,
            not_sent: hour.not_sent,
            duplicates: hour.duplicates,
            late: hour.late,
            dropped: hour.dropped,
            gaps: if hour.gaps.iter().all(|count| *count == 0) { Vec::new() } else { hour.gaps.to_vec() },
        });
        wire::VantageHead {
            schema_version: SCHEMA_VERSION,
            seen: seen.collect(),
            ledger: ledger.collect(),
            watermark_us: self.watermark.0,
            folded_until_us: self.folded_until.0,
        }
        .encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        const ITEM: &str = "head";
        let item: wire::VantageHead = message(ITEM, bytes)?;
        check_version(ITEM, item.schema_version)?;
        let seen =
            item.seen.into_iter().map(|seen| Ok(SeenEpoch { epoch: seen.epoch, ranges: read_ranges(&seen.ranges)? }));
        let ledger = item.ledger.into_iter().map(|hour| LedgerHour {
            start: UtcMicros(hour.start_us),
            rounds: hour.rounds,
            sent: hour.sent,
            received: hour.received,
            lost: hour.lost,
            not_sent: hour.not_sent,
            duplicates: hour.duplicates,
            late: hour.late,
            dropped: hour.dropped,
            gaps: std::array::from_fn(|at| hour.gaps.get(at).copied().unwrap_or(0)),
        });
        Ok(Self {
            seen: seen.collect::<Result<_, StoredError>>()?,
            ledger: ledger.collect(),
            watermark: UtcMicros(item.watermark_us),
            folded_until: UtcMicros(item.folded_until_us),
        })
    }
}

fn read_ranges(flat: &[u64]) -> Result<Vec<(u64, u64)>, StoredError> {
    let rising = flat.windows(2).enumerate().all(|(at, pair)| {
        let inside_a_range = at % 2 == 0;
        pair[0] < pair[1] || (inside_a_range && pair[0] == pair[1])
    });
    if !flat.len().is_multiple_of(2) || !rising {
        return Err(StoredError::Field {
            item: "head",
            field: "ranges",
            found: format!("{flat:?}"),
            expected: "pairs of first and last, ascending",
        });
    }
    Ok(flat.chunks(2).map(|pair| (pair[0], pair[1])).collect())
}

impl PaneItem {
    /// An empty pane.
    #[must_use]
    pub fn starting(start: UtcMicros) -> Self {
        Self { start, ..Self::default() }
    }

    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let series = self.series.iter().map(|(key, summary)| wire::SeriesPane {
            target: key.target.as_str().to_owned(),
            protocol: protocol_code(key.protocol),
            family: u32::from(key.family.number()),
            summary: summary.encode(),
        });
        wire::Pane { schema_version: SCHEMA_VERSION, start_us: self.start.0, series: series.collect() }.encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        const ITEM: &str = "pane";
        let item: wire::Pane = message(ITEM, bytes)?;
        check_version(ITEM, item.schema_version)?;
        let series = item.series.into_iter().map(read_series);
        Ok(Self { start: UtcMicros(item.start_us), series: series.collect::<Result<_, _>>()? })
    }
}

fn read_series(item: wire::SeriesPane) -> Result<(SeriesKey, SeriesSummary), StoredError> {
    let wrong =
        |field, found: u32, expected| StoredError::Field { item: "pane", field, found: found.to_string(), expected };
    let target = TargetId::new(&item.target)?;
    let protocol = protocol_of(item.protocol).ok_or_else(|| wrong("protocol", item.protocol, "0 to 4"))?;
    let family = family_of(item.family).ok_or_else(|| wrong("family", item.family, "4 or 6"))?;
    let summary = SeriesSummary::decode(&item.summary)
        .map_err(|source| StoredError::Summary { target: target.clone(), source })?;
    let key = SeriesKey { target, protocol, family };
    Ok((key, summary))
}

impl DeadLetter {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::DeadLetter {
            schema_version: SCHEMA_VERSION,
            shard: self.shard.clone(),
            sequence: self.sequence.clone(),
            reason: self.reason.clone(),
            data: self.data.clone(),
        }
        .encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        const ITEM: &str = "dead letter";
        let item: wire::DeadLetter = message(ITEM, bytes)?;
        check_version(ITEM, item.schema_version)?;
        Ok(Self { shard: item.shard, sequence: item.sequence, reason: item.reason, data: item.data })
    }
}

fn message<M: Message + Default>(item: &'static str, bytes: &[u8]) -> Result<M, StoredError> {
    M::decode(bytes).map_err(|source| StoredError::Protobuf { item, source })
}

fn check_version(item: &'static str, found: u32) -> Result<(), StoredError> {
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    Err(StoredError::Field { item, field: "schema_version", found: found.to_string(), expected: "1" })
}

/// Where each item lives in the live store.
pub mod keys {
    use super::Pane;
    use cloudping_model::{UtcMicros, VantageId};

    /// The partition that lists the vantage points: one head each, under the vantage point's id.
    pub const HEADS: &str = "heads";
    /// The partition of the processor's checkpoints: one item a shard.
    pub const CHECKPOINTS: &str = "checkpoints";
    /// The partition of the dead letters.
    pub const DEAD_LETTERS: &str = "dead-letters";

    /// The partition of a vantage point's panes of one size.
    #[must_use]
    pub fn panes(vantage: &VantageId, pane: Pane) -> String {
        format!("panes/{}/{vantage}", pane.name())
    }

    /// The sort key of the pane that starts then; sort keys order as times do.
    ///
    /// Events before 1970 have no panes: their start is clamped to 0.
    #[must_use]
    pub fn pane_start(start: UtcMicros) -> String {
        format!("{:019}", start.0.max(0))
    }

    /// The sort key of a dead letter.
    #[must_use]
    pub fn dead_letter(shard: &str, sequence: &str) -> String {
        format!("{shard}/{sequence:0>64}")
    }
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
