//! The detector on series whose steps are known; the rates over many more of them are measured by `benches/stream/changes.rs`.

use std::f64::consts::TAU;

use proptest::prelude::*;

use super::{ChangeStateError, Detector, Step};

const MONTH: i64 = 30 * 24 * 60;

/// A seeded series of medians: noise of a normal distribution, in µs, about what the test asks for.
struct Noise {
    random: fastrand::Rng,
    deviation_us: f64,
}

impl Noise {
    fn new(seed: u64, deviation_us: f64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), deviation_us }
    }

    /// Box and Muller's transform.
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.random.f64()).ln()).sqrt() * (TAU * self.random.f64()).cos()
    }

    fn about(&mut self, level_us: f64) -> u32 {
        (level_us + self.deviation_us * self.normal()).round() as u32
    }
}

/// The steps that a fresh detector finds, each with the minute at which it said so.
fn steps(minutes: impl IntoIterator<Item = (i64, u32)>) -> Vec<(i64, Step)> {
    let mut detector = Detector::default();
    minutes.into_iter().filter_map(|(minute, median)| Some((minute, detector.observe(minute, median)?))).collect()
}

/// A series of normal noise about a level that is a function of the minute.
fn series(minutes: i64, noise: Noise, mut level: impl FnMut(i64) -> f64) -> impl Iterator<Item = (i64, u32)> {
    let mut noise = noise;
    (0..minutes).map(move |minute| (minute, noise.about(level(minute))))
}

#[test]
fn a_step_is_found_after_four_minutes_and_dated_to_its_first() {
    for (change, seed) in [(12_000.0, 1), (-12_000.0, 2), (1_000.0, 3), (-1_000.0, 4)] {
        let found = steps(series(600, Noise::new(seed, 60.0), |m| if m < 300 { 72_000.0 } else { 72_000.0 + change }));
        let [(said, step)] = found[..] else { panic!("one step of {change}, found {found:?}") };
        assert_eq!((said, step.minute), (303, 300), "{change}");
        assert!((f64::from(step.before_us) - 72_000.0).abs() < 60.0, "{step:?}");
        assert!((f64::from(step.after_us) - 72_000.0 - change).abs() < 120.0, "{step:?}");
        assert!(step.score > 1.0 && (step.score > 20.0) == (change.abs() > 2_000.0), "{step:?}");
    }
}

#[test]
fn the_new_level_is_tested_at_once() {
    let found = steps(series(400, Noise::new(5, 60.0), |m| if (200..210).contains(&m) { 80_000.0 } else { 72_000.0 }));
    let dates: Vec<_> = found.iter().map(|(_, step)| (step.minute, step.after_us > step.before_us)).collect();
    assert_eq!(dates, [(200, true), (210, false)]);
}

#[test]
fn a_step_across_a_gap_is_dated_to_the_first_minute_after_it() {
    for gap in [1, 9, 600, 100_000] {
        let level = |m| if m < 300 { 72_000.0 } else { 75_000.0 };
        let late = |m: i64| if m < 300 { m } else { m + gap };
        // The last minute before the gap is wild too: no reason to date the step to the time before a long gap.
        let wild = |(m, median): (i64, u32)| (late(m), if m == 299 && gap > 10 { 75_000 } else { median });
        let found = steps(series(600, Noise::new(6, 60.0), level).map(wild));
        let [(said, step)] = found[..] else { panic!("one step across {gap} minutes, found {found:?}") };
        assert_eq!((said, step.minute), (303 + gap, 300 + gap));
    }
}

#[test]
fn missing_minutes_delay_but_do_not_hide() {
    let level = |m| if m < 300 { 72_000.0 } else { 74_000.0 };
    let found = steps(series(600, Noise::new(7, 60.0), level).filter(|(m, _)| m % 3 != 0));
    assert_eq!(found.iter().map(|(said, step)| (*said, step.minute)).collect::<Vec<_>>(), [(305, 301)]);
}

#[test]
fn a_spike_of_up_to_three_minutes_is_never_a_step() {
    for (long, seed) in [(1, 8), (2, 9), (3, 10)] {
        for high in [75_000.0, 250_000.0, 1_000.0] {
            let spikes = |m: i64| if m > 60 && m % 20 < long { high } else { 72_000.0 };
            let found = steps(series(10_000, Noise::new(seed, 60.0), spikes));
            assert_eq!(found, [], "spikes of {long} minutes to {high}");
        }
    }
}

#[test]
fn a_slow_drift_is_followed() {
    // 4 ms up and down again within a day, quiet and noisy; then 3 ms up within three hours.
    for deviation in [20.0, 200.0] {
        let day = |m: i64| 72_000.0 + 2_000.0 * (m as f64 * TAU / 1_440.0).sin();
        assert_eq!(steps(series(20 * 1_440, Noise::new(11, deviation), day)), []);
    }
    let ramp = |m: i64| 72_000.0 + 3_000.0 * ((m - 300) as f64 / 180.0).clamp(0.0, 1.0);
    assert_eq!(steps(series(900, Noise::new(12, 50.0), ramp)), []);
}

#[test]
fn a_month_of_noise_is_quiet() {
    for seed in 0..10 {
        for deviation in [5.0, 500.0, 3_000.0] {
            assert_eq!(steps(series(MONTH, Noise::new(seed, deviation), |_| 72_000.0)), [], "seed {seed}");
        }
    }
}

#[test]
fn a_month_of_correlated_noise_is_quiet() {
    for seed in 0..10 {
        for correlation in [0.3_f64, 0.6, 0.9] {
            let (mut noise, mut state) = (Noise::new(seed, 0.0), 0.0);
            let mut wander = |_| {
                state = correlation * state + (1.0 - correlation * correlation).sqrt() * noise.normal();
                72_000.0 + 1_000.0 * state
            };
            let medians: Vec<_> = (0..MONTH).map(|m| (m, wander(m) as u32)).collect();
            assert_eq!(steps(medians), [], "seed {seed}, correlation {correlation}");
        }
    }
}

#[test]
fn skewed_noise_is_quiet() {
    for seed in 0..10 {
        let mut noise = Noise::new(seed, 0.0);
        let medians: Vec<_> = (0..MONTH).map(|m| (m, 72_000 + (500.0 * noise.normal().exp()) as u32)).collect();
        assert_eq!(steps(medians), [], "seed {seed}");
    }
}

#[test]
fn repeated_and_earlier_minutes_are_ignored() {
    let mut detector = Detector::default();
    assert_eq!(detector.observe(-5, 72_000), None);
    for minute in -4..100 {
        detector.observe(minute, 72_000);
    }
    let before = detector.clone();
    for minute in [99, 98, -5, i64::MIN, i64::MAX] {
        assert_eq!(detector.observe(minute, 1), None);
        assert_eq!(detector, before);
    }
}

/// A detector in a run: 60 minutes of a level, then two of another.
fn in_a_run() -> Detector {
    let mut detector = Detector::default();
    (0..60).for_each(|minute| assert_eq!(detector.observe(minute, 72_000 + minute as u32 % 3 * 50), None));
    (60..62).for_each(|minute| assert_eq!(detector.observe(minute, 80_000), None));
    detector
}

fn stored(detector: &Detector, base_minute: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    detector.put(base_minute, &mut bytes);
    bytes
}

#[test]
fn the_state_is_small() {
    assert!(size_of::<Detector>() <= 48);
    let (mut detector, mut noise, mut total) = (Detector::default(), Noise::new(13, 300.0), 0);
    for minute in 0..1_000 {
        detector.observe(29_000_000 + minute, noise.about(72_000.0));
        let bytes = stored(&detector, 29_000_000 + minute).len();
        assert!(bytes <= 60);
        total += bytes;
    }
    assert!(total <= 18_000, "{} bytes on average", total as f64 / 1_000.0);
}

#[test]
fn the_published_bytes() {
    assert_eq!(stored(&Detector::default(), 7), [0, 0]);
    let mut first = Detector::default();
    first.observe(9, 300);
    assert_eq!(stored(&first, 10), [0, 0xac, 0x02, 0, 2]);
    let expected: &[u8] =
        &[0x60, 2, 180, 177, 70, 143, 9, 157, 7, 28, 90, 156, 1, 102, 62, 154, 17, 1, 48, 2, 234, 123, 234, 123];
    assert_eq!(stored(&in_a_run(), 62), expected);
    assert_eq!(Detector::take(&mut &*expected, 62), Ok(in_a_run()));
}

#[test]
fn every_cut_is_refused_by_name() {
    let bytes = stored(&in_a_run(), 0);
    for end in 0..bytes.len() {
        assert!(Detector::take(&mut &bytes[..end], 0).is_err(), "{end} bytes");
    }
    let error = Detector::take(&mut &[33][..], 0).unwrap_err();
    assert_eq!(error, ChangeStateError { field: "head", expected: "at most 32 minutes in the level" });
    assert_eq!(error.to_string(), "change state: head: expected at most 32 minutes in the level");
    assert!(Detector::take(&mut &[0, 1, 1, 1, 1, 1, 0, 0][..], 0).is_err(), "five medians make a level");
    assert!(Detector::take(&mut &[0, 0x80, 0x00, 0][..], 0).is_err(), "a padded varint");
    assert!(Detector::take(&mut &[0, 1, 0, 1][..], i64::MIN).is_err(), "a minute out of range");
}

#[test]
fn what_follows_is_left_alone() {
    let mut bytes = stored(&in_a_run(), 3);
    bytes.push(99);
    let mut rest = &bytes[..];
    assert_eq!(Detector::take(&mut rest, 3), Ok(in_a_run()));
    assert_eq!(rest, [99]);
}

/// Minutes with gaps and medians of any size, mostly about a few levels.
fn any_minutes() -> impl Strategy<Value = Vec<(i64, u32)>> {
    let gap = prop_oneof![20 => 1..2_i64, 2 => 2..15_i64, 1 => 0..1_000_000_i64];
    let level = prop_oneof![4 => Just(72_000_u32), 4 => Just(90_000), 1 => any::<u32>()];
    let stretch = (level, prop::collection::vec((gap, 0..2_000_u32), 1..60));
    prop::collection::vec(stretch, 1..8).prop_map(|stretches| {
        let mut minute = 29_000_000;
        let mut minutes = Vec::new();
        for (level, rest) in stretches {
            for (gap, above) in rest {
                minute += gap;
                minutes.push((minute, level.saturating_add(above)));
            }
        }
        minutes
    })
}

proptest! {
    #[test]
    fn stored_and_read_back_at_any_moment_decides_the_same(minutes in any_minutes(), base in 28_999_000..29_001_000_i64) {
        let (mut stays, mut travels) = (Detector::default(), Detector::default());
        for (minute, median) in minutes {
            prop_assert_eq!(stays.observe(minute, median), travels.observe(minute, median));
            let bytes = stored(&travels, base);
            prop_assert!(bytes.len() <= 60);
            let mut rest = &bytes[..];
            travels = Detector::take(&mut rest, base).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(&travels, &stays);
        }
    }

    #[test]
    fn a_step_says_what_happened(minutes in any_minutes()) {
        let mut detector = Detector::default();
        for (index, (minute, median)) in minutes.iter().enumerate() {
            let Some(step) = detector.observe(*minute, *median) else { continue };
            prop_assert!(minutes[..index].iter().any(|(seen, _)| *seen == step.minute));
            prop_assert!(step.before_us.abs_diff(step.after_us) >= 500);
            prop_assert!(step.score >= 1.0 && step.score.is_finite());
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), base in any::<i64>(), minutes in any_minutes()) {
        let mut rest = &bytes[..];
        let Ok(mut detector) = Detector::take(&mut rest, base) else { return Ok(()) };
        let again = stored(&detector, base);
        prop_assert_eq!(&again[..], &bytes[..bytes.len() - rest.len()]);
        for (minute, median) in minutes {
            detector.observe(minute, median);
            let bytes = stored(&detector, base);
            prop_assert_eq!(Detector::take(&mut &bytes[..], base), Ok(detector.clone()));
        }
    }

    #[test]
    fn no_damage_panics(at in 0..40_usize, byte in any::<u8>(), minutes in any_minutes()) {
        let mut bytes = stored(&in_a_run(), 29_000_000);
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(mut detector) = Detector::take(&mut &bytes[..], 29_000_000) {
            for (minute, median) in minutes {
                detector.observe(minute, median);
            }
        }
    }
}
