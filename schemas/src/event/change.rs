//! A route change as a record of the log.

use std::net::IpAddr;

use cloudping_model::{Addresses, Level, RouteChange, TargetId, UtcMicros, VantageId};
use prost::Message;

use super::round::{address_bytes, read_address};
use super::wire::{self, RouteChange as Wire};
use super::{EventError, STARTS, family_of, protocol_code, protocol_of, wrong_value};

const VERSION: u32 = 1;
/// How a route change starts: the tag of its field 100, a varint. A round starts with its field 1.
const TAG: [u8; 2] = [0xa0, 0x06];

/// Whether a record of the log is a route change; else it is a round.
#[must_use]
pub fn is_change(bytes: &[u8]) -> bool {
    bytes.starts_with(&TAG)
}

/// The route change's bytes in the newest version.
#[must_use]
pub fn encode_change(change: &RouteChange) -> Vec<u8> {
    let [p10_us, p50_us, p90_us, p99_us] = change.ended.percentiles_us.unwrap_or_default();
    let ended =
        wire::Level { since_us: change.ended.since.0, count: change.ended.count, p10_us, p50_us, p90_us, p99_us };
    let address =
        |side: fn(Addresses) -> IpAddr| change.addresses.map(|both| address_bytes(side(both))).unwrap_or_default();
    Wire {
        schema_version: VERSION,
        vantage_id: change.vantage.as_str().to_owned(),
        target: change.target.as_str().to_owned(),
        protocol: protocol_code(change.protocol),
        family: u32::from(change.family.number()),
        minute_us: change.minute.0,
        found_at_us: change.found_at.0,
        before_us: change.before_us,
        after_us: change.after_us,
        score: change.score,
        ended: Some(ended),
        before_address: address(|addresses| addresses.before),
        after_address: address(|addresses| addresses.after),
    }
    .encode_to_vec()
}

/// Reads a route change of any version that was ever written.
///
/// # Errors
/// [`EventError`], naming the field and what was expected.
pub fn decode_change(bytes: &[u8]) -> Result<RouteChange, EventError> {
    let wire = Wire::decode(bytes).map_err(|_| EventError::Protobuf("a route change is malformed"))?;
    if wire.schema_version != VERSION {
        return Err(EventError::Version(wire.schema_version));
    }
    let ended = wire.ended.unwrap_or_default();
    let percentiles = [ended.p10_us, ended.p50_us, ended.p90_us, ended.p99_us];
    let wrong = |field, found: u32, expected| wrong_value(field, 0, found, expected);
    check_bounds(&wire, &ended)?;
    Ok(RouteChange {
        vantage: VantageId::new(&wire.vantage_id)?,
        target: TargetId::new(&wire.target)?,
        protocol: protocol_of(wire.protocol).ok_or_else(|| wrong("protocol", wire.protocol, "0 to 4"))?,
        family: family_of(wire.family).ok_or_else(|| wrong("family", wire.family, "4 or 6"))?,
        minute: UtcMicros(wire.minute_us),
        found_at: UtcMicros(wire.found_at_us),
        before_us: wire.before_us,
        after_us: wire.after_us,
        score: wire.score,
        ended: Level {
            since: UtcMicros(ended.since_us),
            count: ended.count,
            percentiles_us: (ended.count > 0).then_some(percentiles),
        },
        addresses: read_addresses(&wire.before_address, &wire.after_address)?,
    })
}

/// Both addresses, or none.
fn read_addresses(before: &[u8], after: &[u8]) -> Result<Option<Addresses>, EventError> {
    if before.is_empty() && after.is_empty() {
        return Ok(None);
    }
    let read = |field, bytes: &[u8]| {
        let found = || format!("{} bytes", bytes.len());
        read_address(bytes).ok_or_else(|| wrong_value(field, 0, found(), "4 or 16 bytes, or both addresses left out"))
    };
    Ok(Some(Addresses { before: read("before_address", before)?, after: read("after_address", after)? }))
}

/// Refuses what no table could hold.
fn check_bounds(wire: &Wire, ended: &wire::Level) -> Result<(), EventError> {
    for (field, at) in [("minute_us", wire.minute_us), ("found_at_us", wire.found_at_us), ("since_us", ended.since_us)]
    {
        if !STARTS.contains(&at) {
            return Err(wrong_value(field, 0, at, "a time of the years 1970 to 9998"));
        }
    }
    for (field, median) in [("before_us", wire.before_us), ("after_us", wire.after_us)] {
        i32::try_from(median).map_err(|_| wrong_value(field, 0, median, "at most 2^31 - 1"))?;
    }
    i64::try_from(ended.count).map_err(|_| wrong_value("count", 0, ended.count, "at most 2^63 - 1"))?;
    Ok(())
}
