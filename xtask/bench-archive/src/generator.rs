//! Worlds of regions that measure each other, as an event log that makes its rounds as they are read: of any length, in little memory.
//!
//! When probes leave is decided by the producers' own schedule, and they leave as late as was measured (docs/measuring.md). Round-trip
//! times are log-normal about a base of each pair, 1 % of the probes are lost. Everything follows from a seed.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::event;

use crate::schedule::{self, Rate};
use crate::{Result, usage};

/// 2026-01-01T00:00:00Z.
pub const START: UtcMicros = UtcMicros(1_767_225_600_000_000);
/// Vantage points, and targets of each.
pub const REGIONS: usize = 34;
/// Series.
pub const PAIRS: u64 = (REGIONS * REGIONS) as u64;
/// Standard deviation of the logarithm of a round-trip time about its base.
const SIGMA: f64 = 0.05;
const LOST_SHARE: f64 = 0.01;
/// A longer round is no event: where there is more time between two rounds, they are this long.
const LONGEST_ROUND: Duration = Duration::from_secs(300);
/// How late probes leave, by share, in µs: measured over 60 rounds of 34 probes on a busy virtual machine of two cores.
const PROBE_LATE: [(f64, f64); 14] = [
    (0.0, 14.0),
    (0.01, 45.0),
    (0.10, 61.0),
    (0.25, 72.0),
    (0.50, 89.0),
    (0.75, 107.0),
    (0.90, 133.0),
    (0.95, 147.0),
    (0.97, 172.0),
    (0.98, 304.0),
    (0.99, 1_224.0),
    (0.995, 2_448.0),
    (0.999, 3_593.0),
    (1.0, 3_878.0),
];
/// How late rounds start, by share, in µs: of the same run.
const ROUND_LATE: [(f64, f64); 6] =
    [(0.0, 128.0), (0.10, 141.0), (0.25, 160.0), (0.50, 210.0), (0.90, 300.0), (1.0, 337.0)];

/// Regions that measure each other and themselves.
pub struct World {
    names: Vec<(VantageId, TargetId)>,
    /// By vantage point and target, µs.
    bases: Vec<f64>,
    /// From one round to the next.
    interval: Duration,
}

impl World {
    /// Regions of the catalogue, with a round every `interval`.
    ///
    /// # Errors
    /// When the catalogue has too few regions.
    pub fn new(interval: Duration) -> Result<Self> {
        let catalogue = Catalogue::built_in()?;
        let ids = catalogue.regions().iter().take(REGIONS).map(|region| &region.id);
        let names = ids.map(|id| Ok((VantageId::new(id)?, TargetId::new(id)?))).collect::<Result<Vec<_>>>()?;
        if names.len() < REGIONS {
            return Err(format!("the catalogue has {} regions, expected at least {REGIONS}", names.len()).into());
        }
        let mut rng = fastrand::Rng::with_seed(0x0C10_0D91);
        let bases = (0..PAIRS).map(|_| 1_000.0 * 300_f64.powf(rng.f64())).collect();
        Ok(Self { names, bases, interval })
    }

    /// The ids of vantage points and targets.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(vantage, _)| vantage.as_str())
    }

    /// Rounds of each vantage point in a stretch of time.
    #[must_use]
    pub fn rounds_in(&self, time: Duration) -> u64 {
        u64::try_from(time.as_micros() / self.interval.as_micros()).unwrap_or(u64::MAX)
    }

    /// One round of a vantage point.
    #[must_use]
    pub fn round(&self, vantage: usize, number: u64) -> Round {
        let mut rng = fastrand::Rng::with_seed(((vantage as u64) << 40) ^ number);
        let phase = schedule::phase(vantage as u64, 0.0);
        let start = schedule::round_start(number, self.interval, phase).as_micros() as i64;
        let departures = schedule::departures(&[Rate::EveryRound; REGIONS], number, self.interval.min(LONGEST_ROUND));
        let round_late = quantile(&ROUND_LATE, rng.f64());
        let started_at = START + (start + round_late as i64);
        let mut samples = Vec::with_capacity(REGIONS);
        for departure in departures {
            // A probe leaves at its own time, however late its round started, unless that is over already.
            let due_us = (departure.offset.as_micros() as u32).saturating_sub(round_late as u32);
            let offset_us = due_us + quantile(&PROBE_LATE, rng.f64()) as u32;
            samples.push(self.sample(vantage, departure.target, offset_us, &mut rng));
        }
        samples.sort_by_key(|sample| sample.offset_us);
        let id = RoundId { vantage: self.names[vantage].0.clone(), epoch: START.0.unsigned_abs(), number };
        Round { id, started_at, gap: None, samples }
    }

    fn sample(&self, vantage: usize, target: usize, offset_us: u32, rng: &mut fastrand::Rng) -> Sample {
        let base = self.bases[vantage * REGIONS + target];
        let rtt_us = (rng.f64() >= LOST_SHARE).then(|| (base * (SIGMA * normal(rng)).exp()) as u32);
        Sample {
            target: self.names[target].1.clone(),
            offset_us,
            protocol: Protocol::TcpConnect,
            outcome: if rtt_us.is_some() { Outcome::Answered } else { Outcome::Timeout },
            rtt_us,
            connect_us: rtt_us.map(|rtt| rtt + rng.u32(20..120)),
            retransmits: 0,
            family: Family::V4,
            address: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, target as u8))),
        }
    }
}

/// The value below which `share` of the measured ones lie.
fn quantile(measured: &[(f64, f64)], share: f64) -> f64 {
    let above = measured.partition_point(|(at, _)| *at <= share).clamp(1, measured.len() - 1);
    let ((from, low), (to, high)) = (measured[above - 1], measured[above]);
    low + (high - low) * (share - from) / (to - from)
}

/// A standard normal deviate (Box and Muller 1958).
fn normal(rng: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

/// The world's rounds as a log of one shard, in the order of their numbers.
pub struct GeneratedLog {
    world: World,
    /// Rounds of each vantage point that the log has.
    rounds: AtomicU64,
    spent_ns: AtomicU64,
}

impl GeneratedLog {
    /// A log without rounds yet.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self { world, rounds: AtomicU64::new(0), spent_ns: AtomicU64::new(0) }
    }

    /// The world.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Lets time go on until so much after the start.
    pub fn until(&self, time: Duration) {
        self.rounds.store(self.world.rounds_in(time), Ordering::Relaxed);
    }

    /// CPU time that went into making rounds: it is not the reader's.
    #[must_use]
    pub fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl EventLog for GeneratedLog {
    async fn append(&self, _: &str, _: Bytes) -> std::result::Result<(), LogError> {
        Err(LogError::Refused("a generated log takes no records".into()))
    }

    async fn shards(&self) -> std::result::Result<Vec<Shard>, LogError> {
        Ok(vec![Shard::open(ShardId("generated".to_owned()))])
    }

    async fn read(
        &self,
        _: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> std::result::Result<Vec<Record>, LogError> {
        let before = usage::thread();
        // The record's place is its number, from 1 on.
        let first = match after {
            Some(place) => place.as_str().parse::<u64>().map_err(|error| LogError::Backend(error.into()))?,
            None => 0,
        };
        let end = (self.rounds.load(Ordering::Relaxed) * REGIONS as u64).min(first + limit as u64);
        let record = |index: u64| {
            let round = self.world.round(index as usize % REGIONS, index / REGIONS as u64);
            Record { sequence: SequenceNumber::from(index + 1), data: Bytes::from(event::encode(&round)) }
        };
        let records = (first..end).map(record).collect();
        let spent = usage::thread().saturating_sub(before);
        self.spent_ns.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_on_the_measured_points_and_between_them() {
        let measured = [(0.0, 10.0), (0.5, 20.0), (1.0, 100.0)];
        let found = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| quantile(&measured, share));
        assert_eq!(found, [10.0, 15.0, 20.0, 60.0, 100.0]);
    }

    #[tokio::test]
    async fn a_log_gives_each_round_once_whatever_is_read_at_a_time() {
        let log = GeneratedLog::new(World::new(Duration::from_secs(1)).unwrap());
        let shard = log.shards().await.unwrap().remove(0).id;
        assert!(log.read(&shard, None, 10).await.unwrap().is_empty());
        log.until(Duration::from_secs(3));
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let records = log.read(&shard, after.as_ref(), 7).await.unwrap();
            let Some(last) = records.last() else { break };
            after = Some(last.sequence.clone());
            seen.extend(records.iter().map(|record| event::decode(&record.data).unwrap().id));
        }
        let expected = (0..3).flat_map(|number| (0..REGIONS).map(move |vantage| (vantage, number)));
        let expected: Vec<RoundId> = expected.map(|(vantage, number)| log.world().round(vantage, number).id).collect();
        assert_eq!(seen, expected);
    }
}
