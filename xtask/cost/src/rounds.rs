//! Rounds as the producers make them.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::event;

use crate::assumptions::{Deployment, ENVIRONMENT_S, LATE_ONE_IN, LATE_S};

/// From one probe of a target to its next in the same round.
const BURST_US: u32 = 10_000;
const SECOND_US: i64 = 1_000_000;
/// Probes of a round are spread over the interval, or this long.
const MOST_SPREAD_US: u32 = 900_000;
/// One probe in so many is lost.
const LOST_ONE_IN: u32 = 1_000;

/// The rounds of one vantage point. Everything follows from a seed.
pub struct Producer {
    vantage: VantageId,
    targets: Vec<(TargetId, u32)>,
    rng: fastrand::Rng,
    epoch: u64,
    number: u64,
    probes: u32,
}

/// A round on its way.
pub struct Sent {
    /// When the log has it.
    pub arrives: UtcMicros,
    /// The record.
    pub record: Bytes,
}

impl Producer {
    /// The vantage point is the first AWS region of the catalogue, the targets are those that follow.
    pub fn new(deployment: &Deployment, catalogue: &Catalogue) -> Result<Self, cloudping_model::IdError> {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut ids =
            catalogue.regions().iter().filter(|region| region.provider == "aws").map(|region| region.id.clone());
        let vantage = VantageId::new(&ids.next().unwrap_or_default())?;
        let targets =
            ids.take(deployment.targets as usize).map(|id| Ok((TargetId::new(&id)?, rng.u32(2_000..250_000))));
        let targets = targets.collect::<Result<_, cloudping_model::IdError>>()?;
        Ok(Self { vantage, targets, rng, epoch: 0, number: 0, probes: deployment.probes })
    }

    /// Who it is.
    pub fn vantage(&self) -> &VantageId {
        &self.vantage
    }

    /// How many targets there are.
    pub fn targets(&self) -> usize {
        self.targets.len()
    }

    /// The round that starts then.
    pub fn round(&mut self, started_at: UtcMicros) -> Sent {
        let environment = started_at.floor(ENVIRONMENT_S * SECOND_US).0.unsigned_abs();
        self.number = if environment == self.epoch { self.number + 1 } else { 0 };
        self.epoch = environment;
        self.rng.shuffle(&mut self.targets);
        let (rng, count) = (&mut self.rng, self.targets.len().max(1) as u32);
        let mut sample = |slot: u32, (target, base): &(TargetId, u32), nth: u32| {
            let answered = rng.u32(..LOST_ONE_IN) > 0;
            let jitter = rng.u32(..base / 20 + 200);
            Sample {
                target: target.clone(),
                offset_us: slot * (MOST_SPREAD_US / count) + rng.u32(..MOST_SPREAD_US / count) + nth * BURST_US,
                protocol: Protocol::TcpConnect,
                outcome: if answered { Outcome::Answered } else { Outcome::Timeout },
                rtt_us: answered.then_some(base + jitter),
                connect_us: answered.then_some(base + jitter + 60),
                retransmits: 0,
                family: Family::V4,
                address: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, (base % 256) as u8))),
            }
        };
        let probes = self.probes;
        let burst = |(slot, target)| (0..probes).map(move |nth| (slot, target, nth));
        let samples =
            (0..).zip(&self.targets).flat_map(burst).map(|(slot, target, nth)| sample(slot, target, nth)).collect();
        let id = RoundId { vantage: self.vantage.clone(), epoch: self.epoch, number: self.number };
        let round = Round { id, started_at, gap: None, samples };
        let late_us = match self.rng.u64(..LATE_ONE_IN) {
            0 => self.rng.i64(..LATE_S * SECOND_US),
            _ => 0,
        };
        Sent { arrives: started_at + SECOND_US + late_us, record: Bytes::from(event::encode(&round)) }
    }
}
