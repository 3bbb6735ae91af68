//! The digest against the plainest model there is: a sorted list of all values.

mod common;

use cloudping_digest::{COMPRESSION, EXACT_LIMIT, LatencyDigest};
use common::Numbers;
use proptest::prelude::*;

const QS: [f64; 13] = [0.0, 0.001, 0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99, 0.999, 1.0];

/// numpy's `linear`, by its own description: `(1 - g) * x[j] + g * x[j + 1]` with `j + g = q * (n - 1)`.
fn model_quantile(sorted: &[u32], q: f64) -> f64 {
    let rank = q * (sorted.len() - 1) as f64;
    let j = rank as usize;
    let g = rank - j as f64;
    let next = sorted[(j + 1).min(sorted.len() - 1)];
    (1.0 - g) * f64::from(sorted[j]) + g * f64::from(next)
}

/// By how much `value` misses the rank `q`, as a share of all values: 0 if some order of equal values puts it there.
fn rank_error(sorted: &[u32], q: f64, value: f64) -> f64 {
    let n = sorted.len() as f64;
    let below = sorted.partition_point(|&v| f64::from(v) < value) as f64 / n;
    let up_to = sorted.partition_point(|&v| f64::from(v) <= value) as f64 / n;
    (below - q).max(q - up_to).max(0.0)
}

/// The share of all values that a centroid at rank `q` may hold, from the scale function of the crate: with `q = 2 (k/d)²` below the
/// median, `dq/dk = sqrt(8 q) / d`.
fn centroid_share(q: f64) -> f64 {
    (8.0 * q.min(1.0 - q)).sqrt() / COMPRESSION as f64
}

/// Fails where a quantile misses its rank by more than 0.6 of a centroid and two values: interpolating, it should stay within half.
fn check_ranks(name: &str, digest: &LatencyDigest, mut values: Vec<u32>) {
    values.sort_unstable();
    assert_eq!(digest.count(), values.len() as u64);
    for q in QS {
        let value = digest.quantile(q).expect("not empty, q in range");
        let error = rank_error(&values, q, value);
        let bound = 0.6 * centroid_share(q) + 2.0 / values.len() as f64;
        println!("{name} q {q}: {value:.1} µs, rank error {error:.6}, bound {bound:.6}");
        assert!(error <= bound, "{name} q {q}: {value} µs, rank error {error}, bound {bound}");
    }
}

fn shapes(n: usize) -> Vec<(&'static str, Vec<u32>)> {
    let mut numbers = Numbers(n as u64);
    let mut draw = |f: &dyn Fn(&mut Numbers, usize) -> u64| -> Vec<u32> {
        (0..n).map(|i| u32::try_from(f(&mut numbers, i)).unwrap_or(u32::MAX)).collect()
    };
    vec![
        ("uniform", draw(&|r, _| r.below(1_000_000))),
        ("bell", draw(&|r, _| r.around_70_ms().into())),
        ("heavy tail", draw(&|r, _| 10_000 * 1_000_000 / (1 + r.below(1_000_000)))),
        ("route change", draw(&|r, i| u64::from(r.around_70_ms()) + if i > n / 3 { 40_000 } else { 0 })),
        ("drift", draw(&|r, i| u64::from(r.around_70_ms()) + i as u64)),
        ("few distinct", draw(&|r, _| 70_000 + r.below(5))),
    ]
}

#[test]
fn quantiles_of_a_sketch_are_near_their_ranks() {
    for n in [EXACT_LIMIT + 1, 3_600, 86_400] {
        for (name, values) in shapes(n) {
            let digest: LatencyDigest = values.iter().copied().collect();
            assert!(!digest.is_exact());
            check_ranks(&format!("{name} {n}"), &digest, values);
        }
    }
}

#[test]
fn merged_hours_are_near_their_ranks() {
    for (name, values) in shapes(86_400) {
        let hours: Vec<LatencyDigest> = values.chunks(3_600).map(|c| c.iter().copied().collect()).collect();
        let at_once = LatencyDigest::merge_many(&hours);
        check_ranks(&format!("{name} at once"), &at_once, values.clone());
        let mut one_by_one = LatencyDigest::new();
        hours.iter().for_each(|hour| one_by_one.merge(hour));
        check_ranks(&format!("{name} one by one"), &one_by_one, values);
    }
}

#[test]
fn merged_exact_minutes_are_as_good_as_one_digest() {
    for (name, values) in shapes(86_400) {
        let minutes: Vec<LatencyDigest> = values.chunks(60).map(|c| c.iter().copied().collect()).collect();
        check_ranks(name, &LatencyDigest::merge_many(&minutes), values);
    }
}

#[test]
fn a_decoded_sketch_goes_on() {
    for (name, values) in shapes(20_000) {
        let mut digest = LatencyDigest::new();
        for chunk in values.chunks(777) {
            digest.extend(chunk.iter().copied());
            digest = LatencyDigest::decode(&digest.encode()).expect("own bytes");
        }
        check_ranks(name, &digest, values);
    }
}

type Exact = (u64, u64, Option<u32>, Option<u32>);

fn exact_parts(digest: &LatencyDigest) -> Exact {
    (digest.count(), digest.sum_us(), digest.min_us(), digest.max_us())
}

proptest! {
    #[test]
    fn an_exact_quantile_is_the_models(
        mut values in prop::collection::vec(any::<u32>(), 1..=EXACT_LIMIT),
        qs in prop::collection::vec(0.0..=1.0f64, 1..20),
    ) {
        let digest: LatencyDigest = values.iter().copied().collect();
        values.sort_unstable();
        prop_assert!(digest.is_exact());
        for (q, got) in qs.iter().zip(digest.quantiles(&qs)) {
            let want = model_quantile(&values, *q);
            let got = got.unwrap();
            prop_assert!((got - want).abs() <= 1e-9 * want.max(1.0), "q {}: {} for {}", q, got, want);
            prop_assert_eq!(digest.quantile(*q), Some(got));
        }
    }

    #[test]
    fn quantiles_rise(values in prop::collection::vec(any::<u32>(), 1..2_000), mut qs in prop::collection::vec(0.0..=1.0f64, 2..20)) {
        let digest: LatencyDigest = values.into_iter().collect();
        qs.sort_by(f64::total_cmp);
        let answers: Vec<f64> = digest.quantiles(&qs).into_iter().map(Option::unwrap).collect();
        // A hair of slack: two interpolations of the same span round differently.
        prop_assert!(answers.windows(2).all(|pair| pair[0] <= pair[1] * (1.0 + 1e-12)), "{:?}", answers);
    }

    #[test]
    fn the_order_of_merging_changes_nothing_exact(
        parts in prop::collection::vec(prop::collection::vec(any::<u32>(), 0..800), 0..6),
        order in any::<prop::sample::Index>(),
    ) {
        let digests: Vec<LatencyDigest> = parts.iter().map(|p| p.iter().copied().collect()).collect();
        let mut values = parts.concat();
        values.sort_unstable();
        let model = (
            values.len() as u64,
            values.iter().map(|&v| u64::from(v)).sum::<u64>(),
            values.first().copied(),
            values.last().copied(),
        );
        let mut turned = digests.clone();
        turned.rotate_left(if digests.is_empty() { 0 } else { order.index(digests.len()) });
        let mut left = LatencyDigest::new();
        turned.iter().for_each(|part| left.merge(part));
        // Right to left: a + (b + (c + ...)).
        let right = turned.iter().rev().fold(LatencyDigest::new(), |tail, part| {
            let mut head = part.clone();
            head.merge(&tail);
            head
        });
        for merged in [&left, &right, &LatencyDigest::merge_many(&turned)] {
            prop_assert_eq!(exact_parts(merged), model);
            let exact = digests.iter().all(LatencyDigest::is_exact) && values.len() <= EXACT_LIMIT;
            prop_assert_eq!(merged.is_exact(), exact);
            if exact && !values.is_empty() {
                let got = merged.quantile(0.37).unwrap();
                prop_assert!((got - model_quantile(&values, 0.37)).abs() < 1e-3);
            }
        }
    }
}
