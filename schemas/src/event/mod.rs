//! The events: a [`Round`](cloudping_model::Round) or a [`RouteChange`](cloudping_model::RouteChange) as protobuf bytes.

mod change;
mod columns;
mod round;
mod wire_reader;

pub use change::{decode_change, encode_change, is_change};
pub use columns::{Columns, Head};
pub use round::{decode, encode};

use cloudping_model::{Family, IdError, Protocol};

#[allow(missing_docs, reason = "generated from proto/event.proto, which documents each field")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/cloudping.event.v1.rs"));
}

/// The version that [`encode`] writes.
pub const SCHEMA_VERSION: u32 = 2;

/// The longest that a round may take, in µs: ten minutes.
pub const MAX_OFFSET_US: u32 = 600_000_000;

/// The most rounds that a gap may report missing: at one a second, those of 136 years.
pub const MAX_GAP_ROUNDS: u64 = 1 << 32;

/// The starts that a round may have, in µs: 1970 to 9998, so that each of its samples has a date of four digits.
const STARTS: std::ops::Range<i64> = 0..253_370_764_800_000_000;

/// Why bytes are no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The bytes are no protobuf message of this type.
    #[error("event: not a ProbeRound: {0}")]
    Protobuf(&'static str),
    /// An unknown version.
    #[error("event: schema_version {0}, expected 1 or {SCHEMA_VERSION}")]
    Version(u32),
    /// An identifier is malformed.
    #[error("event: {0}")]
    Id(#[from] IdError),
    /// A field holds what it must not.
    #[error("event: {field}[{index}] is {found}, expected {expected}")]
    Field {
        /// The field's name in proto/event.proto.
        field: &'static str,
        /// Which element.
        index: usize,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A column has another length than `target`.
    #[error("event: {field} has {found} values, expected {expected} as in target")]
    Length {
        /// The field's name in proto/event.proto.
        field: &'static str,
        /// How many it has.
        found: usize,
        /// How many samples there are.
        expected: usize,
    },
}

/// The code of a protocol in events and stored items.
#[must_use]
pub fn protocol_code(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::TcpConnect => 0,
        Protocol::TlsHandshake => 1,
        Protocol::HttpsTtfb => 2,
        Protocol::IcmpEcho => 3,
        Protocol::UdpStamp => 4,
    }
}

/// The protocol of a code; `None` if there is none.
#[must_use]
pub fn protocol_of(code: u32) -> Option<Protocol> {
    Protocol::ALL.get(usize::try_from(code).ok()?).copied()
}

/// The address family of the number 4 or 6; `None` for others.
#[must_use]
pub fn family_of(number: u32) -> Option<Family> {
    match number {
        4 => Some(Family::V4),
        6 => Some(Family::V6),
        _ => None,
    }
}

fn wrong_value(field: &'static str, index: usize, found: impl ToString, expected: &'static str) -> EventError {
    EventError::Field { field, index, found: found.to_string(), expected }
}

#[cfg(test)]
mod tests;
