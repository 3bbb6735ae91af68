//! The forms inside of a pane: all ways to write and to read one agree.

mod common;

use cloudping_digest::{Counts, EXACT_LIMIT, LatencyDigest, SeriesSummary};
use common::Numbers;
use proptest::prelude::*;

fn counts() -> impl Strategy<Value = Counts> {
    let count = || prop_oneof![3 => Just(0u64), 2 => 0u64..300, 1 => 0u64..1 << 60];
    (count(), count(), count(), prop::option::of(any::<i64>()))
        .prop_map(|(lost, retransmitted, unknown, last_at_us)| Counts { lost, retransmitted, unknown, last_at_us })
}

fn few() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        prop::collection::vec(any::<u32>(), 0..=EXACT_LIMIT),
        prop::collection::vec(70_000u32..75_000, 0..200),
        prop::collection::vec(any::<u32>(), 0..3),
    ]
    .prop_map(sorted)
}

fn any_number() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![few(), prop::collection::vec(70_000u32..75_000, EXACT_LIMIT + 1..2_000).prop_map(sorted)]
}

fn sorted(mut values: Vec<u32>) -> Vec<u32> {
    values.sort_unstable();
    values
}

fn put(summary: &SeriesSummary, base_us: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    summary.put(base_us, &mut bytes);
    bytes
}

#[test]
fn counts_are_settled() {
    let summary = SeriesSummary::from_sorted(&[], Counts { last_at_us: Some(5), ..Counts::default() });
    assert_eq!(summary, SeriesSummary::new(), "nothing was sent at any time");
    let summary = SeriesSummary::from_sorted(&[3, 4], Counts { lost: 1, retransmitted: 2, ..Counts::default() });
    assert_eq!((summary.retransmitted(), summary.last_at_us()), (1, Some(0)));
}

#[test]
fn jitter_is_the_mean_above_the_minimum() {
    let counts = Counts { last_at_us: Some(1), ..Counts::default() };
    assert_eq!(SeriesSummary::from_sorted(&[10, 10, 13, 15], counts).jitter_us(), Some(2.0));
    assert_eq!(SeriesSummary::from_sorted(&[7; 600], counts).jitter_us(), Some(0.0));
    assert_eq!(SeriesSummary::new().jitter_us(), None);
    let values = Numbers(5).many_around_70_ms(5_000);
    let whole: SeriesSummary = SeriesSummary::from_sorted(&sorted(values.clone()), counts);
    let parts: Vec<SeriesSummary> =
        values.chunks(100).map(|part| SeriesSummary::from_sorted(&sorted(part.to_vec()), counts)).collect();
    assert_eq!(SeriesSummary::merge_many(&parts).jitter_us(), whole.jitter_us());
}

#[test]
fn a_failed_read_changes_nothing() {
    let mut bytes = put(&SeriesSummary::from_sorted(&[1, 2, 3], Counts::default()), 0);
    bytes.pop();
    let (mut rest, mut values) = (&bytes[..], vec![9]);
    assert!(SeriesSummary::take_parts(&mut rest, 0, &mut values).is_err());
    assert_eq!((rest, values), (&bytes[..], vec![9]));
}

#[test]
fn a_digest_of_sorted_values_is_that_of_shuffled_ones() {
    let mut values = Numbers(1).many_around_70_ms(40_000);
    let shuffled: Vec<LatencyDigest> = values.chunks(400).map(|part| part.iter().copied().collect()).collect();
    values.sort_unstable();
    assert_eq!(LatencyDigest::from_sorted(&values), LatencyDigest::merge_many(&shuffled));
}

proptest! {
    #[test]
    fn both_ways_to_write_agree(values in few(), counts in counts(), base_us in any::<i64>()) {
        let mut bytes = vec![1, 2, 3];
        SeriesSummary::put_sorted(&values, &counts, base_us, &mut bytes);
        prop_assert_eq!(&bytes[..3], &[1, 2, 3]);
        prop_assert_eq!(&bytes[3..], &put(&SeriesSummary::from_sorted(&values, counts), base_us));
        let mut one_by_one = SeriesSummary::from_digest(values.iter().rev().copied().collect(), counts);
        prop_assert_eq!(&bytes[3..], &put(&one_by_one, base_us));
        one_by_one.merge(&SeriesSummary::new());
        prop_assert_eq!(&bytes[3..], &put(&one_by_one, base_us));
    }

    #[test]
    fn a_row_of_summaries_comes_back(
        summaries in prop::collection::vec((any_number(), counts()), 0..6),
        base_us in any::<i64>(),
    ) {
        let summaries: Vec<SeriesSummary> =
            summaries.iter().map(|(values, counts)| SeriesSummary::from_sorted(values, *counts)).collect();
        let mut bytes = Vec::new();
        summaries.iter().for_each(|summary| summary.put(base_us, &mut bytes));
        let (mut whole, mut parts) = (&bytes[..], &bytes[..]);
        let mut values = Vec::new();
        for summary in &summaries {
            prop_assert_eq!(SeriesSummary::take(&mut whole, base_us), Ok(summary.clone()));
            let before = values.len();
            let taken = SeriesSummary::take_parts(&mut parts, base_us, &mut values).unwrap();
            prop_assert_eq!(whole.len(), parts.len());
            prop_assert_eq!(taken.counts, summary.counts());
            let rebuilt = match taken.sketch {
                Some(sketch) => SeriesSummary::from_digest(sketch, taken.counts),
                None => SeriesSummary::from_sorted(&values[before..], taken.counts),
            };
            prop_assert_eq!(&rebuilt, summary);
            prop_assert_eq!(rebuilt.sum_sq_us(), summary.sum_sq_us());
        }
        prop_assert!(whole.is_empty() && parts.is_empty());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80), base_us in any::<i64>()) {
        let (mut whole, mut parts) = (&bytes[..], &bytes[..]);
        let mut values = Vec::new();
        let taken = SeriesSummary::take(&mut whole, base_us);
        let in_parts = SeriesSummary::take_parts(&mut parts, base_us, &mut values);
        prop_assert_eq!(whole.len(), parts.len());
        prop_assert_eq!(taken.is_ok(), in_parts.is_ok());
        if let Ok(summary) = taken {
            let used = bytes.len() - whole.len();
            prop_assert_eq!(put(&summary, base_us), &bytes[..used]);
        } else {
            prop_assert_eq!((whole, values), (&bytes[..], vec![]));
        }
    }

    #[test]
    fn the_order_of_merging_changes_no_count(a in counts(), b in counts(), c in counts()) {
        let merged = |order: [Counts; 3]| {
            order.iter().fold(Counts::default(), |mut sum, part| { sum.merge(part); sum })
        };
        prop_assert_eq!(merged([a, b, c]), merged([c, a, b]));
        prop_assert_eq!(merged([a, b, c]).lost, a.lost + b.lost + c.lost);
    }

    #[test]
    fn quantiles_of_a_sketch_rise_within_its_extremes(
        values in any_number(),
        stretch in 0u32..60,
        mut qs in prop::collection::vec(0.0..=1.0f64, 2..30),
    ) {
        prop_assume!(!values.is_empty());
        // Levels, single values and equal ones, far apart.
        let values: Vec<u32> = values.iter().map(|&v| v.saturating_add((v % 97) / 50 * stretch * 10_000)).collect();
        let digest = LatencyDigest::from_sorted(&sorted(values.clone()));
        let digest = LatencyDigest::merge_many([&digest, &values[..values.len() / 3].iter().copied().collect()]);
        qs.sort_by(f64::total_cmp);
        let answers: Vec<f64> = digest.quantiles(&qs).into_iter().map(Option::unwrap).collect();
        prop_assert!(answers.windows(2).all(|pair| pair[0] <= pair[1] * (1.0 + 1e-12)), "{:?}", answers);
        let (min, max) = (f64::from(digest.min_us().unwrap()), f64::from(digest.max_us().unwrap()));
        prop_assert!(answers.iter().all(|answer| (min..=max).contains(answer)));
        prop_assert_eq!((digest.quantile(0.0), digest.quantile(1.0)), (Some(min), Some(max)));
    }
}
