//! The events: rounds of every vantage point over event time, as a log would deliver them.
//!
//! 10 million samples an hour, whatever the number of pairs; a smaller or greater number of samples is a shorter or longer
//! time. Round-trip times are log-normal about a base of each pair. 1 % of the rounds come up to 90 s late, 0.5 % come
//! twice, 1 % of the probes are lost. Rounds are like those of the producers: probes leave in random order, spread over
//! 0.9 of the interval, and are recorded in the order in which they left. Everything follows from a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_ports::{Record, SequenceNumber};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::event;

/// Event time of the first round: a full hour, 2026-01-05T00:00:00Z.
pub const START_US: i64 = 1_767_571_200_000_000;
/// Samples in an hour of event time.
pub const SAMPLES_PER_HOUR: u64 = 10_000_000;
/// One minute in µs.
pub const MINUTE_US: i64 = 60_000_000;

/// One hour in µs.
pub const HOUR_US: i64 = 60 * MINUTE_US;
/// Which part of the interval the probes of a round are spread over, as the producers have it.
const SPREAD: f64 = 0.9;
/// Standard deviation of the logarithm of a round-trip time about its base.
const SIGMA: f64 = 0.05;
/// From the last probe of a round to its place in the log.
const TO_THE_LOG_US: i64 = 400_000;
const LATE_SHARE: f64 = 0.01;
const LATE_US: i64 = 90_000_000;
const TWICE_SHARE: f64 = 0.005;
/// A second delivery follows the first by up to this.
const AGAIN_US: i64 = 30_000_000;
const LOST_SHARE: f64 = 0.01;

/// How many vantage points measure how many targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Vantage points.
    pub vantages: usize,
    /// Targets; every vantage point measures each.
    pub targets: usize,
    /// Samples of all series in an hour, about.
    pub per_hour: u64,
}

/// Regions of one provider.
pub const SMALL: Shape = Shape { vantages: 34, targets: 34, per_hour: SAMPLES_PER_HOUR };
/// 160,000 series.
pub const LARGE: Shape = Shape { vantages: 400, targets: 400, per_hour: SAMPLES_PER_HOUR };

impl Shape {
    /// The same series, measured more often or less.
    pub fn at(self, per_hour: u64) -> Self {
        Self { per_hour, ..self }
    }

    /// Such as `34x34`, or `34x34@1000000` where an hour has another number of samples than usual.
    pub fn name(self) -> String {
        let Self { vantages, targets, per_hour } = self;
        match per_hour {
            SAMPLES_PER_HOUR => format!("{vantages}x{targets}"),
            _ => format!("{vantages}x{targets}@{per_hour}"),
        }
    }

    /// The shape of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        let (size, per_hour) = name.split_once('@').unwrap_or((name, ""));
        let shape = [SMALL, LARGE].into_iter().find(|shape| shape.name() == size)?;
        Some(per_hour.parse().map_or(shape, |per_hour| shape.at(per_hour)))
    }

    /// Series.
    pub fn pairs(self) -> usize {
        self.vantages * self.targets
    }

    /// Samples of a series in a minute.
    pub fn samples_a_minute(self) -> f64 {
        self.per_hour as f64 / 60.0 / self.pairs() as f64
    }

    fn interval_us(self) -> i64 {
        i64::try_from(self.pairs() as u64 * HOUR_US as u64 / self.per_hour).expect("an interval is less than an hour")
    }
}

/// One delivery of a round.
#[derive(Debug)]
pub struct Delivery {
    /// The round.
    pub round: Round,
    /// When the log has it.
    pub arrives_us: i64,
    /// Whether it was delivered before.
    pub again: bool,
}

/// What was generated, for comparison with what was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Truth {
    /// Samples delivered, those of second deliveries included.
    pub delivered: u64,
    /// Distinct rounds.
    pub rounds: u64,
    /// Rounds delivered again.
    pub again: u64,
    /// Distinct samples that were answered.
    pub answered: u64,
    /// Distinct samples that were lost.
    pub lost: u64,
    /// Sum of the distinct samples' round-trip times, µs.
    pub sum_us: u64,
}

impl Truth {
    /// Takes a delivery into account.
    pub fn count(&mut self, delivery: &Delivery) {
        let samples = &delivery.round.samples;
        self.delivered += samples.len() as u64;
        if delivery.again {
            self.again += 1;
            return;
        }
        self.rounds += 1;
        for sample in samples {
            match sample.rtt_us {
                Some(rtt) => {
                    self.answered += 1;
                    self.sum_us += u64::from(rtt);
                }
                None => self.lost += 1,
            }
        }
    }
}

/// When a delivery is due: arrival, vantage point, round, whether it was delivered before.
type Due = Reverse<(i64, usize, u64, bool)>;

/// All deliveries, in the order of their arrival.
pub struct Deliveries {
    shape: Shape,
    /// Rounds of each vantage point.
    rounds: u64,
    vantages: Vec<VantageId>,
    targets: Vec<TargetId>,
    /// By vantage point and target, µs.
    bases: Vec<f64>,
    /// The next round of each vantage point, by its arrival were it on time.
    regular: BinaryHeap<Due>,
    /// Late rounds and second deliveries on their way.
    delayed: BinaryHeap<Due>,
    order: Vec<usize>,
}

impl Deliveries {
    /// About `samples` distinct samples: whole rounds, the same number of each vantage point.
    pub fn new(shape: Shape, samples: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(0x0C10_0D91);
        let base = |_| 1_000.0 * 300_f64.powf(rng.f64());
        let bases = (0..shape.pairs()).map(base).collect();
        let rounds = (samples / shape.pairs() as u64).max(1);
        let names = names(shape.vantages.max(shape.targets));
        let vantage = |name: &String| VantageId::new(name).expect("names are valid ids");
        let target = |name: &String| TargetId::new(name).expect("names are valid ids");
        let mut made = Self {
            shape,
            rounds,
            vantages: names[..shape.vantages].iter().map(vantage).collect(),
            targets: names[..shape.targets].iter().map(target).collect(),
            bases,
            regular: BinaryHeap::new(),
            delayed: BinaryHeap::new(),
            order: (0..shape.targets).collect(),
        };
        let first = |vantage| Reverse((made.on_time(vantage, 0), vantage, 0, false));
        made.regular = (0..shape.vantages).map(first).collect();
        made
    }

    fn started_at(&self, vantage: usize, number: u64) -> i64 {
        let interval = self.shape.interval_us();
        let phase = interval * vantage as i64 / self.shape.vantages as i64;
        START_US + phase + interval * number as i64
    }

    fn on_time(&self, vantage: usize, number: u64) -> i64 {
        self.started_at(vantage, number) + self.shape.interval_us() + TO_THE_LOG_US
    }

    /// The next delivery's key.
    fn next_due(&mut self) -> Option<(i64, usize, u64, bool)> {
        loop {
            let regular = self.regular.peek().map_or(i64::MAX, |due| due.0.0);
            let delayed = self.delayed.peek().map_or(i64::MAX, |due| due.0.0);
            if delayed < regular {
                return self.delayed.pop().map(|due| due.0);
            }
            let Reverse((mut arrives, vantage, number, _)) = self.regular.pop()?;
            if number + 1 < self.rounds {
                self.regular.push(Reverse((self.on_time(vantage, number + 1), vantage, number + 1, false)));
            }
            let mut fate = seeded(1, vantage, number);
            let late = fate.f64() < LATE_SHARE;
            if late {
                arrives += fate.i64(1..=LATE_US);
            }
            if fate.f64() < TWICE_SHARE {
                self.delayed.push(Reverse((arrives + fate.i64(1..=AGAIN_US), vantage, number, true)));
            }
            if !late {
                return Some((arrives, vantage, number, false));
            }
            self.delayed.push(Reverse((arrives, vantage, number, false)));
        }
    }

    fn round(&mut self, vantage: usize, number: u64) -> Round {
        let mut rng = seeded(2, vantage, number);
        // The order must follow from the seed alone.
        self.order.sort_unstable();
        rng.shuffle(&mut self.order);
        let slot_us = self.shape.interval_us() as f64 * SPREAD / self.order.len() as f64;
        let sample = |(slot, target): (usize, &usize)| {
            let rtt_us = (rng.f64() >= LOST_SHARE).then(|| {
                let base = self.bases[vantage * self.shape.targets + target];
                (base * (SIGMA * normal(&mut rng)).exp()) as u32
            });
            let [_, _, high, low] = (*target as u32).to_be_bytes();
            Sample {
                target: self.targets[*target].clone(),
                offset_us: ((slot as f64 + rng.f64()) * slot_us) as u32,
                protocol: Protocol::TcpConnect,
                outcome: if rtt_us.is_some() { Outcome::Answered } else { Outcome::Timeout },
                rtt_us,
                connect_us: rtt_us.map(|rtt| rtt + rng.u32(20..120)),
                retransmits: 0,
                family: Family::V4,
                address: Some(IpAddr::V4(Ipv4Addr::new(203, 0, high, low))),
            }
        };
        let samples = self.order.iter().enumerate().map(sample).collect();
        let id = RoundId { vantage: self.vantages[vantage].clone(), epoch: START_US as u64, number };
        Round { id, started_at: UtcMicros(self.started_at(vantage, number)), gap: None, samples }
    }

    /// Where a vantage point stands in the columns for the peers.
    pub fn vantage_index(&self) -> std::collections::HashMap<VantageId, u16> {
        (self.vantages.iter().cloned()).zip(0..).collect()
    }

    /// Where a target stands in the columns for the peers.
    pub fn target_index(&self) -> std::collections::HashMap<TargetId, u16> {
        (self.targets.iter().cloned()).zip(0..).collect()
    }
}

impl Iterator for Deliveries {
    type Item = Delivery;

    fn next(&mut self) -> Option<Delivery> {
        let (arrives_us, vantage, number, again) = self.next_due()?;
        Some(Delivery { round: self.round(vantage, number), arrives_us, again })
    }
}

/// The record of a delivery.
pub fn record(delivery: &Delivery, sequence: u64) -> Record {
    Record { sequence: SequenceNumber::from(sequence), data: Bytes::from(event::encode(&delivery.round)) }
}

/// Regions of the catalogue, then places beside them.
fn names(count: usize) -> Vec<String> {
    let catalogue = Catalogue::built_in().expect("the built-in catalogue is tested");
    let regions = catalogue.regions().iter().map(|region| region.id.clone());
    let others = (0..).map(|number| format!("edge-{number:03}.example"));
    regions.chain(others).take(count).collect()
}

fn seeded(purpose: u64, vantage: usize, number: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed((purpose << 56) ^ ((vantage as u64) << 40) ^ number)
}

/// A standard normal deviate (Box and Muller 1958).
fn normal(rng: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}
