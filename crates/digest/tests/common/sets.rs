//! Days of latencies, and how far a digest's answers may be from the exact ones. Uses the public API only, so that a bench can include it.

#![allow(dead_code, reason = "each user needs some of it")]

use cloudping_digest::{Counts, LatencyDigest, SeriesSummary, linear_quantile};

/// A stream of 64-bit numbers (splitmix64; Steele, Lea and Flood, 2014), the same in every run and on every machine.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..below`.
    pub fn below(&mut self, below: u64) -> u64 {
        self.draw() % below
    }

    /// Uniform, above 0 and at most 1.
    fn unit(&mut self) -> f64 {
        ((self.draw() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller, 1958).
    fn normal(&mut self) -> f64 {
        let (radius, angle) = ((-2.0 * self.unit().ln()).sqrt(), std::f64::consts::TAU * self.unit());
        radius * angle.cos()
    }

    /// `base_us` and log-normal jitter of this median.
    fn jittery(&mut self, base_us: u32, median_us: f64, sigma: f64) -> u32 {
        base_us + (median_us * (sigma * self.normal()).exp()) as u32
    }

    /// A clean path of 72 ms: half of the values within 0.4 ms, 99 % within 2.6 ms above it.
    fn clean(&mut self, base_us: u32) -> u32 {
        self.jittery(base_us, 400.0, 0.8)
    }

    /// Pareto from `least_us`, cut at the widest value.
    fn pareto(&mut self, least_us: f64, shape: f64) -> u32 {
        (least_us / self.unit().powf(1.0 / shape)).min(f64::from(u32::MAX)) as u32
    }

    pub fn shuffle(&mut self, values: &mut [u32]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// One value a second for a day.
pub const DAY: usize = 86_400;

/// A day of latencies, in the order of their measurement.
pub struct Set {
    pub name: &'static str,
    /// In µs.
    pub values: Vec<u32>,
    /// Whether the median lies at or near the edge between two levels.
    pub is_step: bool,
}

/// Latency-like and adversarial days.
pub fn sets(seed: u64) -> Vec<Set> {
    let mut all = plain_sets(seed);
    all.extend(step_sets(seed));
    all.extend(rough_sets(seed));
    all
}

fn day(seed: u64, mut value: impl FnMut(&mut Numbers, usize) -> u32) -> Vec<u32> {
    let mut numbers = Numbers(seed);
    (0..DAY).map(|second| value(&mut numbers, second)).collect()
}

fn plain_sets(seed: u64) -> Vec<Set> {
    let set = |name, values| Set { name, values, is_step: false };
    let clean = day(seed, |r, _| r.clean(72_000));
    let mut rising = clean.clone();
    rising.sort_unstable();
    let falling = rising.iter().rev().copied().collect();
    let wave = |second: usize| (5_000.0 * (second as f64 / DAY as f64 * std::f64::consts::TAU).sin()) as i32;
    vec![
        set("clean", clean),
        set("clean, rising", rising),
        set("clean, falling", falling),
        set("in-region", day(seed, |r, _| r.jittery(60, 12.0, 0.7))),
        set("in-region, rough", day(seed, |r, _| r.jittery(200, 150.0, 0.9))),
        set("day and night", day(seed, |r, s| r.clean(72_000).saturating_add_signed(wave(s)))),
        set("drift", day(seed, |r, s| r.clean(72_000) + s as u32 / 4)),
        set("uniform", day(seed, |r, _| r.below(1_000_000) as u32)),
        set("constant", day(seed, |_, _| 72_000)),
        set("clock of 1 ms", day(seed, |r, _| r.clean(72_000) / 1_000 * 1_000)),
        set("clock of 100 us", day(seed, |r, _| r.clean(72_000) / 100 * 100)),
    ]
}

/// A route that steps up by `step_us` after `at` values; `strays` values lie in the gap.
fn step(seed: u64, at: usize, step_us: u32, jitter: (f64, f64), strays: usize) -> Vec<u32> {
    let mut values = day(seed, |r, s| r.jittery(if s < at { 72_000 } else { 72_000 + step_us }, jitter.0, jitter.1));
    let mut numbers = Numbers(!seed);
    for stray in 0..strays {
        // Where they stand in time is arbitrary; the values are spread over the gap.
        let at = numbers.below(DAY as u64) as usize;
        values[at] = 72_000 + step_us / 10 * 4 + step_us / 2 * stray as u32 / strays as u32;
    }
    values
}

fn step_sets(seed: u64) -> Vec<Set> {
    let set = |name, values| Set { name, values, is_step: true };
    let clean = (400.0, 0.8);
    let half = DAY / 2;
    let mut turns = step(seed, half, 12_000, clean, 0);
    Numbers(seed ^ 1).shuffle(&mut turns);
    let third = |r: &mut Numbers, s: usize| r.clean(72_000 + [0, 12_000, 30_000][s * 3 / DAY]);
    let halves = |r: &mut Numbers, s: usize| r.clean(72_000 + [0, 0, 12_000, 30_000][s * 4 / DAY]);
    vec![
        set("step", step(seed, half, 12_000, clean, 0)),
        set("step, two paths in turn", turns),
        set("step of 1 ms", step(seed, half, 1_000, (50.0, 0.5), 0)),
        set("step, rough", step(seed, half, 40_000, (400.0, 1.2), 0)),
        set("step, strays", step(seed, half, 12_000, clean, 3)),
        set("step, more strays", step(seed, half, 40_000, clean, 40)),
        set("step, 1 after", step(seed, half + 1, 12_000, clean, 0)),
        set("step, 5 before", step(seed, half - 5, 12_000, clean, 0)),
        set("step, 5 after", step(seed, half + 5, 12_000, clean, 0)),
        set("step, 20 after", step(seed, half + 20, 12_000, clean, 0)),
        set("step, 100 after", step(seed, half + 100, 12_000, clean, 0)),
        set("step, 30/70", step(seed, DAY * 3 / 10, 12_000, clean, 0)),
        set("step, 70/30, strays", step(seed, DAY * 7 / 10, 12_000, clean, 5)),
        set("step down", step(seed, half, 12_000, clean, 0).into_iter().rev().collect()),
        set("three levels", day(seed, third)),
        set("three levels, half on the first", day(seed, halves)),
    ]
}

fn rough_sets(seed: u64) -> Vec<Set> {
    let set = |name, values| Set { name, values, is_step: false };
    let late = |r: &mut Numbers, one_in: u64| match r.below(one_in) {
        0 => 1_000_000 * (1 + 2 * r.below(2) as u32),
        _ => 0,
    };
    let exactly =
        |r: &mut Numbers, s: usize| if s.is_multiple_of(100) { 1_000_000 * (1 + 2 * r.below(2) as u32) } else { 0 };
    vec![
        set("retransmits, 1 %", day(seed, |r, _| late(r, 100) + r.clean(72_000))),
        set("retransmits, each 100th", day(seed, |r, s| exactly(r, s) + r.clean(72_000))),
        set("retransmits, 0.1 %", day(seed, |r, _| late(r, 1_000) + r.clean(72_000))),
        set(
            "step and retransmits",
            day(seed, |r, s| late(r, 100) + r.clean(72_000 + if s < DAY / 3 { 0 } else { 12_000 })),
        ),
        set("pareto 1", day(seed, |r, _| r.pareto(10_000.0, 1.0))),
        set("pareto 1.5", day(seed, |r, _| r.pareto(72_000.0, 1.5))),
        set("pareto 0.5", day(seed, |r, _| r.pareto(1_000.0, 0.5))),
        set("two values", day(seed, |r, _| 72_000 + 9_000 * r.below(2) as u32)),
    ]
}

/// The digest of a day as it comes about in service: minutes are merged to hours, hours to the day.
pub fn by_hours(values: &[u32]) -> LatencyDigest {
    let hours: Vec<SeriesSummary> = minutes(values).chunks(60).map(SeriesSummary::merge_many).collect();
    SeriesSummary::merge_many(&hours).digest().clone()
}

/// The digest of a day whose minutes are merged in one go.
pub fn at_once(values: &[u32]) -> LatencyDigest {
    SeriesSummary::merge_many(&minutes(values)).digest().clone()
}

/// Summaries of 60 values each.
pub fn minutes(values: &[u32]) -> Vec<SeriesSummary> {
    let minute = |values: &[u32]| {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        SeriesSummary::from_sorted(&sorted, Counts::default())
    };
    values.chunks(60).map(minute).collect()
}

/// By how much an answer misses the rank `q`, as a share of all values: how far `q` lies outside of the shares of values below and up
/// to the answer. An answer in the gap between two values has the rank of that gap.
pub fn rank_error(sorted: &[u32], q: f64, answer: f64) -> f64 {
    let n = sorted.len() as f64;
    let below = sorted.partition_point(|&v| f64::from(v) < answer) as f64 / n;
    let up_to = sorted.partition_point(|&v| f64::from(v) <= answer) as f64 / n;
    (below - q).max(q - up_to).max(0.0)
}

/// By how many µs an answer misses the exact quantile.
pub fn value_error(sorted: &[u32], q: f64, answer: f64) -> f64 {
    (answer - linear_quantile(sorted, q).expect("a set has values")).abs()
}

/// A figure's name, its value, its unit, and the most that is accepted.
pub type Figure = (String, f64, &'static str, f64);

/// The accuracy and size of digests of whole days, the worst over all sets.
pub fn figures() -> Vec<Figure> {
    let mut worst = Worst::default();
    for set in sets(7) {
        let mut sorted = set.values.clone();
        sorted.sort_unstable();
        for digest in [by_hours(&set.values), at_once(&set.values)] {
            worst.see(&set, &sorted, &digest);
        }
    }
    let minute = minutes(&day(7, |r, _| r.clean(72_000))).iter().map(|m| m.digest().encode().len()).max();
    vec![
        ("rank error at p50, worst set".into(), worst.rank[0], "share", 0.001),
        ("rank error at p99, worst set".into(), worst.rank[1], "share", 0.0002),
        ("rank error at p99.9, worst set".into(), worst.rank[2], "share", 0.0002),
        ("p99 of a clean day, error".into(), worst.clean_p99_us / 1e3, "ms", 0.01),
        ("p99.9 of a clean day, error".into(), worst.clean_p999_us / 1e3, "ms", 0.3),
        ("p50 across a route step, error".into(), worst.step_us / 1e3, "ms", 0.1),
        ("a digest of 60 values".into(), minute.unwrap_or(0) as f64, "bytes", 120.0),
        ("a day's digest, largest set".into(), worst.bytes as f64, "bytes", 1_024.0),
    ]
}

/// The quantiles whose rank errors have bounds.
pub const QS: [f64; 3] = [0.5, 0.99, 0.999];

#[derive(Default)]
struct Worst {
    rank: [f64; 3],
    clean_p99_us: f64,
    clean_p999_us: f64,
    step_us: f64,
    bytes: usize,
}

impl Worst {
    fn see(&mut self, set: &Set, sorted: &[u32], digest: &LatencyDigest) {
        let answers = QS.map(|q| digest.quantile(q).expect("a set has values"));
        for ((worst, q), answer) in self.rank.iter_mut().zip(QS).zip(answers) {
            *worst = worst.max(rank_error(sorted, q, answer));
        }
        if set.name.starts_with("clean") {
            self.clean_p99_us = self.clean_p99_us.max(value_error(sorted, QS[1], answers[1]));
            self.clean_p999_us = self.clean_p999_us.max(value_error(sorted, QS[2], answers[2]));
        }
        if set.is_step {
            self.step_us = self.step_us.max(value_error(sorted, QS[0], answers[0]));
        }
        self.bytes = self.bytes.max(digest.encode().len());
    }
}
