//! The items of the live store, and the keys they are stored under.

mod account;
mod alert;
mod api_key;
mod audit;
mod dead_letter;
mod head;
mod ingest;
pub mod keys;
mod lease;
mod mark;
mod pane;
mod series;
mod watch;

pub use account::{AccountRegion, AccountRegions};
pub use alert::{AlertEpisode, AlertPhase, AlertState, NoticeItem};
pub use api_key::{ApiKey, ApiKeyUsage, ApiRate};
pub use audit::{AuditItem, AuditQuantile};
pub use dead_letter::DeadLetter;
pub use head::{EpochRounds, LedgerHour, SeenEpoch, VantageHead, missing_rounds};
pub use ingest::{IngestKey, IngestKeys, IngestSeen};
pub use lease::{LeaseItem, WorkerItem};
pub use mark::{NetworkMark, PLANET, WORLD};
pub use pane::{PaneItem, PaneReader, PaneWriter, Summaries, put_varint, take_varint};
pub use series::{SeriesKey, SeriesTable};
pub use watch::{ChangesItem, Regime, RegimesItem, WatchItem};

use cloudping_model::IdError;
use prost::Message;

use crate::event::EventError;

#[allow(missing_docs, reason = "generated from proto/stored.proto, which documents each field")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/cloudping.stored.v1.rs"));
}

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
    #[error("stored series: {0}")]
    Id(#[from] IdError),
    /// A route change cannot be read.
    #[error("stored changes: {0}")]
    Change(#[from] EventError),
    /// A summary cannot be read.
    #[error("stored summary of {of}: {source}")]
    Summary {
        /// Which series.
        of: String,
        /// What is wrong with it.
        source: cloudping_digest::DecodeError,
    },
}

fn message<M: Message + Default>(item: &'static str, bytes: &[u8]) -> Result<M, StoredError> {
    M::decode(bytes).map_err(|source| StoredError::Protobuf { item, source })
}

fn wrong(item: &'static str, field: &'static str, found: impl ToString, expected: &'static str) -> StoredError {
    StoredError::Field { item, field, found: found.to_string(), expected }
}

/// For items that have had one version so far.
fn check_version(item: &'static str, found: u32, version: u32) -> Result<(), StoredError> {
    if found == version {
        return Ok(());
    }
    Err(wrong(item, "schema_version", found, "1"))
}

#[cfg(test)]
mod tests;
