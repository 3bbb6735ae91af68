//! How often the change-point test cries wolf, and what it misses, on generated minute medians of one series.
//!
//! False alarms are counted per series and 30 days, on series whose level never steps. Power is of a step after 1,000 minutes,
//! up and down alike: the share that was found within 30 minutes, the minutes of the new level it took (the one that said so
//! included), and how far off minute and size were.
//!
//! Probes have a lognormal jitter (shape 0.5) above 72 ms unless the name says otherwise; "4 a minute" means that each minute
//! is the median of so many. The median of 60 is drawn at once: it is the jitter's value at a normal deviate of 0.161, the
//! standard deviation of the median of 60 normal deviates. Seeds are fixed: two runs give the same figures but for the cost.

use std::f64::consts::TAU;
use std::hint::black_box;
use std::time::Instant;

use cloudping_stream_processor::{Detector, Step};
use cloudping_testkit::bench_report::{Bar, BenchReport};

const MONTH: i64 = 30 * 24 * 60;
const BASE_MS: f64 = 72.0;
/// Series of a month each: for the sets that are judged, and for the others.
const JUDGED_SERIES: u64 = 1_000;
const OTHER_SERIES: u64 = 200;
/// Steps of each size and direction.
const STEPS: u64 = 300;
const STEP_AT: i64 = 1_000;
const STEP_FOUND_WITHIN: i64 = 30;

/// Adds the figures of the change-point test. Takes about a minute on two cores.
pub fn run(report: &mut BenchReport) {
    let (cost, bytes, mean_bytes) = cost_and_size();
    report.judged("changes: cost of a minute", cost, "ns", Bar::AtMost(30.0));
    report.judged("changes: state, encoded (median)", bytes, "bytes", Bar::AtMost(16.0));
    report.plain("changes: state, encoded (mean)", mean_bytes, "bytes");
    false_alarms(report);
    for (name, set) in [
        ("jitter 0.3 ms, 4 a minute", Set { jitter: Jitter::lognormal(0.3), ..Set::default() }),
        ("jitter 1 ms, 4 a minute", Set { jitter: Jitter::lognormal(1.0), ..Set::default() }),
        ("jitter 3 ms, 60 a minute", Set { jitter: Jitter::lognormal(3.0), probes: 60, ..Set::default() }),
        ("jitter 0.3 ms, 1 a minute", Set { jitter: Jitter::lognormal(0.3), probes: 1, ..Set::default() }),
    ] {
        power(report, name, set);
    }
}

/// The distribution of one probe's jitter, in ms.
#[derive(Clone, Copy)]
enum Jitter {
    /// Standard deviation, and shape: the standard deviation of the logarithm.
    Lognormal { deviation: f64, shape: f64 },
    /// Least value and exponent.
    Pareto { least: f64, exponent: f64 },
    /// Standard deviation.
    Normal { deviation: f64 },
}

impl Jitter {
    fn lognormal(deviation: f64) -> Self {
        Self::Lognormal { deviation, shape: 0.5 }
    }

    /// The jitter at a standard normal deviate: at its rank, so that medians are medians.
    fn at(self, normal: f64) -> f64 {
        match self {
            Self::Lognormal { deviation, shape } => {
                let square = (shape * shape).exp();
                deviation / ((square - 1.0) * square).sqrt() * (shape * normal).exp()
            }
            Self::Pareto { least, exponent } => least * above(normal).powf(-1.0 / exponent),
            Self::Normal { deviation } => deviation * normal,
        }
    }
}

/// The share of the normal distribution above a deviate (Abramowitz & Stegun 26.2.17, error below 1e-7).
fn above(normal: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * normal.abs());
    let terms = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530];
    let tail = (-normal * normal / 2.0).exp() / TAU.sqrt() * terms.iter().fold(0.0, |sum, term| (sum + term) * t);
    let tail = tail.max(f64::MIN_POSITIVE);
    if normal > 0.0 { tail } else { 1.0 - tail }
}

/// How the medians of a series come about.
#[derive(Clone, Copy)]
struct Set {
    jitter: Jitter,
    /// Probes a minute: 1, 4 or 60.
    probes: u32,
    /// A first-order autoregression that is added: correlation and standard deviation in ms.
    wander: (f64, f64),
    /// Half of the daily cycle from trough to crest, in ms.
    daily: f64,
    /// Times of more jitter: minutes between, minutes long, and what the jitter is multiplied by.
    congestion: Option<(f64, i64, f64)>,
    /// Share of minutes without a median.
    missing: f64,
}

impl Default for Set {
    fn default() -> Self {
        let jitter = Jitter::lognormal(1.0);
        Self { jitter, probes: 4, wander: (0.0, 0.0), daily: 0.0, congestion: None, missing: 0.0 }
    }
}

/// The minutes of one series, without end.
struct Series {
    set: Set,
    random: fastrand::Rng,
    spare: Option<f64>,
    minute: i64,
    wander: f64,
    congested_until: i64,
    step_ms: f64,
}

impl Series {
    fn new(set: Set, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed * 7_919 + 3);
        let mut series = Self { set, random, spare: None, minute: -1, wander: 0.0, congested_until: 0, step_ms: 0.0 };
        series.wander = series.normal();
        series
    }

    /// Box and Muller's transform.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.random.f64()).ln()).sqrt();
        let (sine, cosine) = (TAU * self.random.f64()).sin_cos();
        self.spare = Some(radius * sine);
        radius * cosine
    }

    /// The next minute's median in µs, or `None` where the minute has none.
    fn next(&mut self) -> Option<u32> {
        self.minute += 1;
        let set = self.set;
        let middle = match set.probes {
            60 => 0.161 * self.normal(),
            4 => {
                let mut four = [0.0; 4].map(|_: f64| self.normal());
                four.sort_by(f64::total_cmp);
                f64::midpoint(four[1], four[2])
            }
            _ => self.normal(),
        };
        let mut jitter = set.jitter.at(middle);
        if let Some((between, long, times)) = set.congestion {
            if self.minute >= self.congested_until && self.random.f64() < 1.0 / between {
                self.congested_until = self.minute + long;
            }
            if self.minute < self.congested_until {
                jitter *= times;
            }
        }
        let (correlation, deviation) = set.wander;
        if deviation > 0.0 {
            self.wander = correlation * self.wander + (1.0 - correlation * correlation).sqrt() * self.normal();
        }
        let daily = set.daily * (self.minute as f64 * TAU / 1_440.0).sin();
        let missing = set.missing > 0.0 && self.random.f64() < set.missing;
        let rtt_ms = BASE_MS + self.step_ms + jitter + deviation * self.wander + daily;
        (!missing).then_some((rtt_ms.max(0.001) * 1e3).round() as u32)
    }
}

/// Nanoseconds that a minute takes (the best of many months), and the median and mean bytes of the state after each.
fn cost_and_size() -> (f64, f64, f64) {
    let mut series = Series::new(Set::default(), 1);
    let medians: Vec<u32> = (0..MONTH).filter_map(|_| series.next()).collect();
    let best = (0..200).map(|_| {
        let (mut detector, start) = (Detector::default(), Instant::now());
        let found = medians.iter().zip(0..).filter(|(median, minute)| detector.observe(*minute, **median).is_some());
        black_box(found.count());
        start.elapsed().as_secs_f64() * 1e9 / medians.len() as f64
    });
    let best = best.fold(f64::INFINITY, f64::min);
    let (mut detector, mut bytes, mut sizes) = (Detector::default(), Vec::new(), Vec::new());
    for (median, minute) in medians.iter().zip(29_000_000..) {
        detector.observe(minute, *median);
        bytes.clear();
        detector.put(minute, &mut bytes);
        sizes.push(bytes.len());
    }
    sizes.sort_unstable();
    let mean = sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
    (best, sizes[sizes.len() / 2] as f64, mean)
}

/// Steps reported of a series of a month.
fn alarms(set: Set, seed: u64) -> u64 {
    let (mut series, mut detector) = (Series::new(set, seed), Detector::default());
    let found =
        (0..MONTH).filter(|minute| series.next().and_then(|median| detector.observe(*minute, median)).is_some());
    found.count() as u64
}

/// `work` for each seed, on all processors; the results in the order of the seeds.
fn for_seeds<T: Send>(seeds: u64, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    std::thread::scope(|scope| {
        let part = |index| (seeds * index / threads)..(seeds * (index + 1) / threads);
        let work = &work;
        let spawn = |index| scope.spawn(move || part(index).map(work).collect::<Vec<_>>());
        let running: Vec<_> = (0..threads).map(spawn).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("no panic in a series")).collect()
    })
}

/// Alarms per series and 30 days.
fn rate(set: Set, series: u64) -> f64 {
    for_seeds(series, |seed| alarms(set, seed)).iter().sum::<u64>() as f64 / series as f64
}

fn false_alarms(report: &mut BenchReport) {
    let mut worst: f64 = 0.0;
    for deviation in [0.05, 0.5, 3.0] {
        for probes in [1, 4, 60] {
            let set = Set { jitter: Jitter::lognormal(deviation), probes, ..Set::default() };
            worst = worst.max(rate(set, JUDGED_SERIES));
        }
    }
    let name = "changes: false alarms a month, independent, jitter 0.05 to 3 ms, 1 to 60 a minute (worst)";
    report.judged(name, worst, "", Bar::AtMost(0.01));
    for correlation in [0.3, 0.6, 0.9] {
        let jitter = Jitter::Normal { deviation: 0.0 };
        let set = Set { jitter, probes: 1, wander: (correlation, 2.0), ..Set::default() };
        let name = format!("changes: false alarms a month, AR(1) of {correlation}, 2 ms");
        report.judged(name, rate(set, JUDGED_SERIES), "", Bar::AtMost(0.01));
    }
    for (name, set) in others() {
        for probes in [1, 60] {
            let name = format!("changes: false alarms a month, {name}, {probes} a minute");
            report.plain(name, rate(Set { probes, ..set }, OTHER_SERIES), "");
        }
    }
    report.note(
        "changes: congestion moves the median of one-sided jitter too, so most of its alarms with 60 a minute are of real, short rises",
    );
}

/// The sets that nothing is asked of.
fn others() -> [(&'static str, Set); 8] {
    let plain = Set::default();
    let lognormal = |deviation, shape| Jitter::Lognormal { deviation, shape };
    let pareto = |exponent| Jitter::Pareto { least: 0.5, exponent };
    let normal = Jitter::Normal { deviation: 1.0 };
    [
        ("20 % of minutes missing", Set { missing: 0.2, ..plain }),
        ("long tails (lognormal of shape 1)", Set { jitter: lognormal(1.0, 1.0), ..plain }),
        ("heavy tails (Pareto of 2.5)", Set { jitter: pareto(2.5), ..plain }),
        ("heavy tails (Pareto of 1.5)", Set { jitter: pareto(1.5), ..plain }),
        ("daily cycle of 2 ms", Set { daily: 1.0, ..plain }),
        ("daily cycle of 4 ms", Set { daily: 2.0, ..plain }),
        ("10 min of 1.2 times the jitter, 6 a day", Set { congestion: Some((230.0, 10, 1.2)), ..plain }),
        (
            "2 h of 3 times a normal jitter, daily",
            Set { jitter: normal, congestion: Some((1_320.0, 120, 3.0)), ..plain },
        ),
    ]
}

/// The first step in the right direction after the level rose by `step_ms`, with the minutes of data that it took.
fn first_step(set: Set, step_ms: f64, seed: u64) -> Option<(Step, i64)> {
    let (mut series, mut detector) = (Series::new(set, seed), Detector::default());
    for minute in 0..STEP_AT {
        series.next().and_then(|median| detector.observe(minute, median));
    }
    series.step_ms = step_ms;
    (STEP_AT..STEP_AT + STEP_FOUND_WITHIN).find_map(|minute| {
        let step = detector.observe(minute, series.next()?)?;
        ((step.after_us > step.before_us) == (step_ms > 0.0)).then_some((step, minute - STEP_AT + 1))
    })
}

/// A step that was found: how many minutes it took, how many its date is off, and by how many ms its size.
struct Found {
    delay: f64,
    minute: f64,
    size: f64,
}

fn find(set: Set, step_ms: f64, seed: u64) -> Option<Found> {
    let step_ms = if seed.is_multiple_of(2) { step_ms } else { -step_ms };
    let (step, delay) = first_step(set, step_ms, seed)?;
    let size_ms = (f64::from(step.after_us) - f64::from(step.before_us)) / 1e3;
    let minute = (step.minute - STEP_AT).abs() as f64;
    Some(Found { delay: delay as f64, minute, size: (size_ms - step_ms).abs() })
}

fn power(report: &mut BenchReport, name: &str, set: Set) {
    for step_ms in [0.5, 1.0, 2.0, 5.0, 12.0] {
        let found: Vec<_> = for_seeds(2 * STEPS, |seed| find(set, step_ms, seed)).into_iter().flatten().collect();
        let share = found.len() as f64 / (2 * STEPS) as f64;
        let mean = |of: fn(&Found) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
        let title = format!("changes: {step_ms} ms found, {name}");
        let delay = format!("changes: {step_ms} ms found after, {name}");
        if step_ms < 5.0 {
            report.plain(title, share, "");
            // The mean of a few lucky ones says nothing.
            if share >= 0.5 {
                report.plain(delay, mean(|found| found.delay), "min");
            }
            continue;
        }
        report.judged(title, share, "", Bar::AtLeast(0.99));
        report.judged(delay, mean(|found| found.delay), "min", Bar::AtMost(5.0));
        report.plain(format!("changes: {step_ms} ms, date off by, {name}"), mean(|found| found.minute), "min");
        report.plain(format!("changes: {step_ms} ms, size off by, {name}"), mean(|found| found.size), "ms");
    }
}
