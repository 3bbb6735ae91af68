//! How near a sketch's answers are to the exact ones, and how small it is.

mod common;

use cloudping_digest::LatencyDigest;
use common::sets::{self, DAY, QS};

#[test]
fn days_hold_their_bounds() {
    for (name, value, unit, most) in sets::figures() {
        println!("{name}: {value} {unit}, at most {most}");
        assert!(value <= most, "{name}: {value} {unit}, at most {most} expected");
    }
}

/// The edge between two levels is kept value by value, on both sides and in between.
#[test]
fn a_median_at_an_edge_is_near_the_exact_one() {
    for seed in 0..4 {
        for set in sets::sets(seed).into_iter().filter(|set| set.is_step) {
            let mut sorted = set.values.clone();
            sorted.sort_unstable();
            let answer = sets::by_hours(&set.values).quantile(0.5).unwrap();
            let error = sets::value_error(&sorted, 0.5, answer);
            assert!(error <= 100.0, "{}, seed {seed}: {error} µs", set.name);
        }
    }
}

#[test]
fn few_distinct_values_are_exact_whatever_their_count() {
    let clock = |set: &sets::Set| set.name.starts_with("clock") || set.name == "two values" || set.name == "constant";
    for set in sets::sets(3).into_iter().filter(clock) {
        let mut sorted = set.values.clone();
        sorted.sort_unstable();
        let digest = sets::by_hours(&set.values);
        assert!(!digest.is_exact());
        for q in (0..=1_000).map(|q| f64::from(q) / 1_000.0) {
            assert!(sets::value_error(&sorted, q, digest.quantile(q).unwrap()) < 1e-6, "{} {q}", set.name);
        }
    }
}

/// A month is merged from days that are sketches themselves.
#[test]
fn a_month_of_days_keeps_its_ranks() {
    let days: Vec<Vec<u32>> = (0..30).map(|seed| sets::sets(seed).swap_remove(0).values).collect();
    let mut sorted = days.concat();
    sorted.sort_unstable();
    let digests: Vec<LatencyDigest> = days.iter().map(|day| sets::at_once(day)).collect();
    let month = LatencyDigest::merge_many(&digests);
    assert_eq!(month.count(), 30 * DAY as u64);
    assert!(month.encode().len() <= 1_024);
    for (q, most) in QS.into_iter().zip([0.001, 0.0002, 0.0002]) {
        let error = sets::rank_error(&sorted, q, month.quantile(q).unwrap());
        println!("{q}: {error}");
        assert!(error <= most, "{q}: {error}");
    }
}

/// Nine levels of equal weight, doubled until the counts are far beyond anything measured.
#[test]
fn no_count_is_too_great() {
    let level = |level: usize| (0..200u32).map(move |i| 10_000 * (1 + level as u32 * level as u32) + i * i / 8);
    let mut digest: LatencyDigest = (0..9).flat_map(level).collect();
    for _ in 0..30 {
        digest = LatencyDigest::merge_many([&digest, &digest]);
        digest.extend([15_000, 15_001, 900_000]);
        let bytes = digest.encode();
        assert!(bytes.len() <= 1_024, "{} values: {} bytes", digest.count(), bytes.len());
        assert_eq!(LatencyDigest::decode(&bytes).as_ref(), Ok(&digest));
        let median = digest.quantile(0.5).unwrap();
        assert!((170_000.0..175_100.0).contains(&median), "{} values: {median} µs", digest.count());
    }
    assert!(digest.count() > 1 << 40);
}
