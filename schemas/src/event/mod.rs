//! The event: one [`Round`] as protobuf bytes.

use std::collections::HashMap;
use std::net::IpAddr;

use cloudping_model::{
    Family, Gap, GapReason, IdError, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId,
};
use prost::Message;

#[allow(missing_docs, reason = "generated from proto/event.proto, which documents each field")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/cloudping.event.v1.rs"));
}

use wire::ProbeRound;

/// The version that [`encode`] writes.
pub const SCHEMA_VERSION: u32 = 2;

/// The longest that a round may take, in µs: ten minutes.
pub const MAX_OFFSET_US: u32 = 600_000_000;

/// The starts that a round may have, in µs: 1970 to 9998, so that each of its samples has a date of four digits.
const STARTS: std::ops::Range<i64> = 0..253_370_764_800_000_000;

/// Why bytes are no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The bytes are no protobuf message of this type.
    #[error("event: not a ProbeRound: {0}")]
    Protobuf(#[from] prost::DecodeError),
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

/// The event's bytes in the newest version.
#[must_use]
pub fn encode(round: &Round) -> Vec<u8> {
    let mut wire = ProbeRound {
        schema_version: SCHEMA_VERSION,
        vantage_id: round.id.vantage.as_str().to_owned(),
        epoch: round.id.epoch,
        number: round.id.number,
        started_at_us: round.started_at.0,
        gap: round.gap.map(write_gap),
        ..ProbeRound::default()
    };
    let mut targets: HashMap<&TargetId, u32> = HashMap::new();
    let mut addresses: HashMap<IpAddr, u32> = HashMap::new();
    for sample in &round.samples {
        let target = *targets.entry(&sample.target).or_insert_with(|| {
            wire.targets.push(sample.target.as_str().to_owned());
            index(wire.targets.len() - 1)
        });
        let address = sample.address.map_or(0, |address| {
            *addresses.entry(address).or_insert_with(|| {
                wire.addresses.push(address_bytes(address));
                index(wire.addresses.len())
            })
        });
        push_sample(&mut wire, sample, target, address);
    }
    leave_out_defaults(&mut wire);
    wire.encode_to_vec()
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("a round has far fewer than 2^32 targets")
}

fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn push_sample(wire: &mut ProbeRound, sample: &Sample, target: u32, address: u32) {
    let rtt = sample.rtt_us.unwrap_or(0);
    let excess = sample.connect_us.map_or(0, |connect| i64::from(connect) - i64::from(rtt));
    wire.target.push(target);
    wire.offset_us.push(sample.offset_us);
    wire.outcome.push(outcome_code(sample.outcome));
    wire.rtt_us.push(rtt);
    wire.connect_excess_us.push(i32::try_from(excess).unwrap_or(i32::MAX));
    wire.connected.push(u32::from(sample.connect_us.is_some()));
    wire.retransmits.push(sample.retransmits);
    wire.family.push(u32::from(sample.family.number()));
    wire.address.push(address);
    wire.protocol.push(protocol_code(sample.protocol));
}

/// Clears each column that holds nothing but its default.
fn leave_out_defaults(wire: &mut ProbeRound) {
    for (column, default) in [
        (&mut wire.outcome, 0),
        (&mut wire.connected, 1),
        (&mut wire.retransmits, 0),
        (&mut wire.family, 4),
        (&mut wire.protocol, 0),
    ] {
        if column.iter().all(|value| *value == default) {
            column.clear();
        }
    }
}

fn outcome_code(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Answered => 0,
        Outcome::Retransmitted => 1,
        Outcome::Timeout => 2,
        Outcome::Refused => 3,
        Outcome::Unreachable => 4,
        Outcome::Reset => 5,
        Outcome::DnsFailure => 6,
        Outcome::NotSent => 7,
    }
}

fn write_gap(gap: Gap) -> wire::Gap {
    let reason = match gap.reason {
        GapReason::ClockStep => 1,
        GapReason::Suspended => 2,
        GapReason::Overload => 3,
        GapReason::SpoolFull => 4,
    };
    wire::Gap { reason, rounds: gap.rounds, micros: gap.micros }
}

fn read_gap(gap: &wire::Gap) -> Result<Gap, EventError> {
    let at = (gap.reason as usize).wrapping_sub(1);
    let reason = GapReason::ALL.get(at).copied();
    let wrong = || wrong_value("gap.reason", 0, gap.reason, "1 to 4");
    Ok(Gap { reason: reason.ok_or_else(wrong)?, rounds: gap.rounds, micros: gap.micros })
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

/// Reads an event of any version that was ever written.
///
/// # Errors
/// [`EventError`], naming the field and what was expected.
pub fn decode(bytes: &[u8]) -> Result<Round, EventError> {
    let wire = ProbeRound::decode(bytes)?;
    if !(1..=SCHEMA_VERSION).contains(&wire.schema_version) {
        return Err(EventError::Version(wire.schema_version));
    }
    check_lengths(&wire)?;
    let targets = wire.targets.iter().map(|id| TargetId::new(id)).collect::<Result<Vec<_>, _>>()?;
    let addresses = (wire.addresses.iter().enumerate())
        .map(|(at, bytes)| read_address(at, bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let samples =
        (0..wire.target.len()).map(|at| read_sample(&wire, at, &targets, &addresses)).collect::<Result<Vec<_>, _>>()?;
    let round = Round {
        id: RoundId { vantage: VantageId::new(&wire.vantage_id)?, epoch: wire.epoch, number: wire.number },
        started_at: UtcMicros(wire.started_at_us),
        gap: wire.gap.as_ref().map(read_gap).transpose()?,
        samples,
    };
    check_values(&round)?;
    Ok(round)
}

/// Refuses what has no place in a table or a window, so that all readers of the log agree on what an event is.
fn check_values(round: &Round) -> Result<(), EventError> {
    let id = &round.id;
    for (field, value) in [("epoch", id.epoch), ("number", id.number)] {
        i64::try_from(value).map_err(|_| wrong_value(field, 0, value, "at most 2^63 - 1"))?;
    }
    if !STARTS.contains(&round.started_at.0) {
        return Err(wrong_value("started_at_us", 0, round.started_at.0, "a time of the years 1970 to 9998"));
    }
    for (at, sample) in round.samples.iter().enumerate() {
        let (rtt, connect) = (sample.rtt_us.unwrap_or(0), sample.connect_us.unwrap_or(0));
        for (field, value) in [("rtt_us", rtt), ("connect", connect), ("retransmits", sample.retransmits)] {
            i32::try_from(value).map_err(|_| wrong_value(field, at, value, "at most 2^31 - 1"))?;
        }
    }
    Ok(())
}

fn check_lengths(wire: &ProbeRound) -> Result<(), EventError> {
    let expected = wire.target.len();
    let columns = [
        ("offset_us", wire.offset_us.len(), false),
        ("rtt_us", wire.rtt_us.len(), false),
        ("connect_excess_us", wire.connect_excess_us.len(), false),
        ("address", wire.address.len(), false),
        ("outcome", wire.outcome.len(), true),
        ("connected", wire.connected.len(), true),
        ("retransmits", wire.retransmits.len(), true),
        ("family", wire.family.len(), true),
        ("protocol", wire.protocol.len(), true),
    ];
    for (field, found, may_be_left_out) in columns {
        if found != expected && !(may_be_left_out && found == 0) {
            return Err(EventError::Length { field, found, expected });
        }
    }
    Ok(())
}

fn read_address(at: usize, bytes: &[u8]) -> Result<IpAddr, EventError> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    let wrong = || wrong_value("addresses", at, format!("{} bytes", bytes.len()), "4 or 16 bytes");
    v4.or(v6).map_err(|_| wrong())
}

fn wrong_value(field: &'static str, index: usize, found: impl ToString, expected: &'static str) -> EventError {
    EventError::Field { field, index, found: found.to_string(), expected }
}

fn read_sample(wire: &ProbeRound, at: usize, targets: &[TargetId], addresses: &[IpAddr]) -> Result<Sample, EventError> {
    let or = |column: &[u32], default: u32| column.get(at).copied().unwrap_or(default);
    let target = usize::try_from(wire.target[at])
        .ok()
        .and_then(|index| targets.get(index))
        .ok_or_else(|| wrong_value("target", at, wire.target[at], "an index into targets"))?;
    let offset_us = wire.offset_us[at];
    if offset_us > MAX_OFFSET_US {
        return Err(wrong_value("offset_us", at, offset_us, "at most 600000000 (ten minutes)"));
    }
    let code = or(&wire.outcome, 0);
    let outcome =
        (Outcome::ALL.get(code as usize).copied()).ok_or_else(|| wrong_value("outcome", at, code, "0 to 7"))?;
    let rtt_us = (wire.rtt_us[at] > 0).then_some(wire.rtt_us[at]);
    if rtt_us.is_some() && outcome != Outcome::Answered {
        let found = wire.rtt_us[at];
        return Err(wrong_value("rtt_us", at, found, "0 for a probe that was not answered"));
    }
    let family = or(&wire.family, 4);
    let protocol = or(&wire.protocol, 0);
    Ok(Sample {
        target: target.clone(),
        offset_us,
        protocol: protocol_of(protocol).ok_or_else(|| wrong_value("protocol", at, protocol, "0 to 4"))?,
        outcome,
        rtt_us,
        connect_us: read_connect(wire, at, or(&wire.connected, 1))?,
        retransmits: or(&wire.retransmits, 0),
        family: family_of(family).ok_or_else(|| wrong_value("family", at, family, "4 or 6"))?,
        address: match wire.address[at] {
            0 => None,
            number => Some(
                *addresses
                    .get(number as usize - 1)
                    .ok_or_else(|| wrong_value("address", at, number, "1 + an index into addresses"))?,
            ),
        },
    })
}

fn read_connect(wire: &ProbeRound, at: usize, connected: u32) -> Result<Option<u32>, EventError> {
    let excess = wire.connect_excess_us[at];
    match connected {
        0 => Ok(None),
        1 => u32::try_from(i64::from(wire.rtt_us[at]) + i64::from(excess))
            .map(Some)
            .map_err(|_| wrong_value("connect_excess_us", at, excess, "a connect time of 0 or more")),
        other => Err(wrong_value("connected", at, other, "0 or 1")),
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
