//! Trino's t-digest bytes, against bytes put together by hand from the format's description.

use cloudping_digest::trino::{from_trino_bytes, to_trino_bytes};
use cloudping_digest::{EXACT_LIMIT, LatencyDigest};
use proptest::prelude::*;

/// The header's four numbers and the centroids, laid out as the format says.
fn lay_out(format: u8, head: [f64; 4], count: i32, means: &[f64], weights: &[f64]) -> Vec<u8> {
    let numbers = |list: &[f64]| list.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    [&[format][..], &numbers(&head), &count.to_le_bytes(), &numbers(means), &numbers(weights)].concat()
}

#[test]
fn equal_values_are_one_centroid() {
    let digest: LatencyDigest = [300, 100, 300, 200, 300].into_iter().collect();
    let bytes = to_trino_bytes(&digest);
    assert_eq!(bytes, lay_out(0, [100.0, 300.0, 200.0, 5.0], 3, &[100.0, 200.0, 300.0], &[1.0, 1.0, 3.0]));
    assert_eq!(bytes.len(), 37 + 3 * 16);
    assert_eq!(from_trino_bytes(&bytes), Ok(digest));
}

#[test]
fn an_empty_digest_has_no_extremes() {
    let bytes = to_trino_bytes(&LatencyDigest::new());
    assert_eq!(bytes, lay_out(0, [f64::INFINITY, f64::NEG_INFINITY, 200.0, 0.0], 0, &[], &[]));
    assert_eq!(from_trino_bytes(&bytes), Ok(LatencyDigest::new()));
}

#[test]
fn an_engines_merge_is_read() {
    // Compression 100 is Trino's default, and so short a list of centroids of fractional means is a merge's.
    let bytes = lay_out(0, [100.0, 900.0, 100.0, 7.0], 3, &[100.0, 250.25, 900.0], &[1.0, 4.0, 2.0]);
    let digest = from_trino_bytes(&bytes).unwrap();
    assert!(!digest.is_exact());
    assert_eq!((digest.count(), digest.sum_us()), (7, 2901));
    assert_eq!((digest.min_us(), digest.max_us()), (Some(100), Some(900)));
    assert_eq!(LatencyDigest::decode(&digest.encode()).unwrap().count(), 7);
}

#[test]
fn whole_means_away_from_the_extremes_are_a_merges() {
    let bytes = lay_out(0, [100.0, 300.0, 100.0, 2.0], 1, &[200.0], &[2.0]);
    let digest = from_trino_bytes(&bytes).unwrap();
    assert!(!digest.is_exact());
    assert_eq!((digest.min_us(), digest.max_us()), (Some(100), Some(300)));
}

#[test]
fn rounding_of_a_merge_is_forgiven() {
    let bytes = lay_out(0, [100.0, 900.0, 100.0, 3.0], 2, &[100.0 - 1e-12, 900.0 + 1e-12], &[2.0, 1.0]);
    let digest = from_trino_bytes(&bytes).unwrap();
    assert_eq!(digest.quantiles(&[0.0, 1.0]), [Some(100.0), Some(900.0)]);
}

#[test]
fn no_number_is_nan_or_infinite() {
    let (head, means, weights) = ([1.0, 9.0, 200.0, 2.0], [1.0, 9.0], [1.0, 1.0]);
    let lay_out = |numbers: [f64; 8]| lay_out(0, numbers[..4].try_into().unwrap(), 2, &numbers[4..6], &numbers[6..]);
    let valid: [f64; 8] = [&head[..], &means, &weights].concat().try_into().unwrap();
    assert!(from_trino_bytes(&lay_out(valid)).is_ok());
    for at in 0..valid.len() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut numbers = valid;
            numbers[at] = odd;
            assert!(from_trino_bytes(&lay_out(numbers)).is_err(), "{odd} as number {at}");
        }
    }
}

#[test]
fn a_refusal_names_the_field_and_what_was_expected() {
    let head = [1.0, 9.0, 200.0, 2.0];
    let (means, weights) = ([1.0, 9.0], [1.0, 1.0]);
    for (bytes, want) in [
        (vec![], "format: expected 1 more bytes, found 0 before the end"),
        (lay_out(1, head, 2, &means, &weights), "format: expected 0, found 1"),
        (
            lay_out(0, [1.5, 9.0, 200.0, 2.0], 2, &means, &weights),
            "min: expected a whole number, 0 to 4294967295, found 1.5",
        ),
        (
            lay_out(0, [f64::NAN, 9.0, 200.0, 2.0], 2, &means, &weights),
            "min: expected a whole number, 0 to 4294967295, found NaN",
        ),
        (
            lay_out(0, [1.0, 0.0, 200.0, 2.0], 2, &means, &weights),
            "max: expected a whole number, 1 to 4294967295, found 0",
        ),
        (
            lay_out(0, [2.0, 3.0, 200.0, 1.0], 1, &[2.5], &[1.0]),
            "max: expected the minimum, 2, of a single value, found 3",
        ),
        (lay_out(0, [1.0, 9.0, 9.0, 2.0], 2, &means, &weights), "compression: expected at least 10, found 9"),
        (
            lay_out(0, [1.0, 9.0, 200.0, 2.5], 2, &means, &weights),
            "total weight: expected a whole number, 1 to 9007199254740992, found 2.5",
        ),
        (
            lay_out(0, head, -1, &means, &weights),
            "centroid count: expected one for each 16 of the 32 bytes that follow, found -1",
        ),
        (
            lay_out(0, head, i32::MAX, &means, &weights),
            "centroid count: expected one for each 16 of the 32 bytes that follow, found 2147483647",
        ),
        (lay_out(0, head, 0, &[], &[]), "weights: expected a sum of the total weight, 2, found 0"),
        (lay_out(0, head, 2, &[9.0, 1.0], &weights), "means: expected an ascending value, here 9 to 9, found 1"),
        (
            lay_out(0, head, 2, &[1.0, f64::INFINITY], &weights),
            "means: expected an ascending value, here 1 to 9, found inf",
        ),
        (lay_out(0, head, 2, &means, &[1.0, 0.0]), "weights: expected a whole number, 1 to 9007199254740992, found 0"),
        (lay_out(0, head, 2, &means, &[1.0, 2.0]), "weights: expected a sum of the total weight, 2, found more"),
    ] {
        assert_eq!(from_trino_bytes(&bytes).unwrap_err().to_string(), want);
    }
}

proptest! {
    #[test]
    fn a_digest_comes_back(values in prop_oneof![
        prop::collection::vec(any::<u32>(), 0..=EXACT_LIMIT),
        prop::collection::vec(60_000u32..90_000, 0..3_000),
    ]) {
        let digest: LatencyDigest = values.into_iter().collect();
        let bytes = to_trino_bytes(&digest);
        let back = from_trino_bytes(&bytes).unwrap();
        prop_assert_eq!(to_trino_bytes(&back), bytes);
        prop_assert_eq!((back.count(), back.min_us(), back.max_us(), back.is_exact()), (digest.count(), digest.min_us(), digest.max_us(), digest.is_exact()));
        // The format has no sum: a mean of differing values is out by up to a quarter of a µs.
        prop_assert!(back.sum_us().abs_diff(digest.sum_us()) <= 1 + digest.count() / 4);
        prop_assert_eq!(back.quantiles(&[0.01, 0.3, 0.5, 0.99]), digest.quantiles(&[0.01, 0.3, 0.5, 0.99]));
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = from_trino_bytes(&bytes);
    }

    /// Well-formed lengths with odd numbers in them: what is accepted can be stored.
    #[test]
    fn what_is_accepted_can_be_encoded(
        centroids in prop::collection::vec((prop_oneof![0.0f64..9.0, 0.0f64..4e9, (0u32..9).prop_map(f64::from), any::<f64>()], prop_oneof![1u64..9, 1u64..1 << 53]), 0..9),
        total in prop::option::of(0u64..20),
        ends in prop::option::of((any::<u32>(), any::<u32>())),
    ) {
        let mut centroids = centroids;
        centroids.sort_by(|a, b| a.0.total_cmp(&b.0));
        let means: Vec<f64> = centroids.iter().map(|c| c.0).collect();
        let weights: Vec<f64> = centroids.iter().map(|c| c.1 as f64).collect();
        let whole = total.map_or(weights.iter().sum(), |t| t as f64);
        let outside = (means.first().map_or(0.0, |m| m.floor()), means.last().map_or(0.0, |m| m.ceil()));
        let (min, max) = ends.map_or(outside, |(a, b)| (a.into(), b.into()));
        let bytes = lay_out(0, [min, max, 100.0, whole], centroids.len() as i32, &means, &weights);
        if let Ok(digest) = from_trino_bytes(&bytes) {
            let stored = digest.encode();
            let back = LatencyDigest::decode(&stored);
            prop_assert!(back.is_ok(), "{:?}", back);
            prop_assert_eq!(back.unwrap().encode(), stored);
        }
    }
}
