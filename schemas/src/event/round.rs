//! A round as an event.

use std::collections::HashMap;
use std::net::IpAddr;

use cloudping_model::{Gap, GapReason, Outcome, Round, RoundId, Sample, TargetId};
use prost::Message;

use super::wire::{self, ProbeRound};
use super::{Columns, EventError, Head, MAX_GAP_ROUNDS, SCHEMA_VERSION, protocol_code};

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
    // In order, so that the dictionaries of one vantage point's events are equal whatever order it probed in.
    let mut targets: Vec<&TargetId> = round.samples.iter().map(|sample| &sample.target).collect();
    targets.sort_unstable();
    targets.dedup();
    wire.targets = targets.iter().map(|target| target.as_str().to_owned()).collect();
    let mut addresses: HashMap<IpAddr, u32> = HashMap::new();
    for sample in &round.samples {
        let target = index(targets.partition_point(|target| **target < sample.target));
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

pub(super) fn address_bytes(address: IpAddr) -> Vec<u8> {
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
    wire::Gap { reason, rounds: gap.rounds.min(MAX_GAP_ROUNDS), micros: gap.micros }
}

/// Reads a round of any version that was ever written.
///
/// # Errors
/// [`EventError`], naming the field and what was expected.
pub fn decode(bytes: &[u8]) -> Result<Round, EventError> {
    let mut columns = Columns::default();
    let head = columns.read(bytes)?;
    let targets = head.targets().map(|text| Ok(TargetId::new(text?)?)).collect::<Result<Vec<_>, EventError>>()?;
    let samples = (0..head.len()).map(|at| read_sample(&head, at, &targets));
    Ok(Round {
        id: RoundId { vantage: head.vantage()?, epoch: head.epoch, number: head.number },
        started_at: head.started_at,
        gap: head.gap,
        samples: samples.collect(),
    })
}

fn read_sample(head: &Head<'_>, at: usize, targets: &[TargetId]) -> Sample {
    let rtt_us = head.rtt_us()[at];
    Sample {
        target: targets[head.target()[at] as usize].clone(),
        offset_us: head.offset_us()[at],
        protocol: head.protocol(at),
        outcome: head.outcome(at),
        rtt_us: (rtt_us > 0).then_some(rtt_us),
        connect_us: head.connect_us(at),
        retransmits: head.retransmits(at),
        family: head.family(at),
        address: head.address(at).and_then(read_address),
    }
}

pub(super) fn read_address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
