//! Sizes, errors and robustness of the encodings. The bytes themselves are pinned in `golden.rs`.

mod common;

use cloudping_digest::{DecodeError, LatencyDigest, SeriesSummary};
use common::Numbers;
use proptest::prelude::*;

fn digest_of(n: usize) -> LatencyDigest {
    Numbers(n as u64).many_around_70_ms(n).into_iter().collect()
}

fn refusal(bytes: &[u8]) -> String {
    LatencyDigest::decode(bytes).unwrap_err().to_string()
}

#[test]
fn sizes_stay_within_their_bounds() {
    for (n, bound) in [(0, 3), (60, 90), (512, 600), (3_600, 1_024), (86_400, 1_024), (1_000_000, 1_024)] {
        let size = digest_of(n).encode().len();
        println!("{n} values: {size} bytes");
        assert!(size <= bound, "{n} values: {size} bytes, at most {bound} expected");
    }
}

#[test]
fn a_million_heavy_tailed_values_fit_a_kilobyte() {
    let mut numbers = Numbers(7);
    // Pareto, shape 1, from 10 ms, cut at the widest value.
    let digest: LatencyDigest = (0..1_000_000)
        .map(|_| u32::try_from(10_000 * 1_000_000 / (1 + numbers.below(1_000_000))).unwrap_or(u32::MAX))
        .collect();
    let size = digest.encode().len();
    println!("{size} bytes");
    assert!(size <= 1_024, "{size} bytes");
}

#[test]
fn what_waits_to_be_folded_is_encoded() {
    let mut digest = digest_of(5_000);
    digest.insert(4_000_000);
    let back = LatencyDigest::decode(&digest.encode()).unwrap();
    assert_eq!((back.count(), back.sum_us()), (5_001, digest.sum_us()));
    assert_eq!(back.max_us(), Some(4_000_000));
    assert_eq!(back.quantile(1.0), Some(4_000_000.0));
}

#[test]
fn a_sketch_comes_back_as_it_is() {
    let digest = digest_of(100_000);
    let back = LatencyDigest::decode(&digest.encode()).unwrap();
    assert_eq!(back, digest);
}

#[test]
fn a_refusal_of_version_1_names_the_field_and_what_was_expected() {
    for (bytes, want) in [
        (&[][..], "version: expected 1 more bytes, found 0 before the end"),
        (&[0, 0], "version: expected 1 or 2, found 0"),
        (&[3, 0, 0], "version: expected 1 or 2, found 3"),
        (&[1, 7], "kind: expected 0 (exact) or 1 (t-digest), found 7"),
        (&[1, 0, 0, 9], "end: expected no further bytes, found 1 more"),
        (&[1, 0, 3, 1], "n: expected at most 512, a byte each, found 3"),
        (&[1, 0, 1, 0x80, 0x80, 0x80, 0x80, 0x10], "values: expected values of at most 32 bits, found 4294967296"),
        (&[1, 1, 0], "n: expected 1 to 2^53, found 0"),
        (&[1, 1, 2, 9, 5, 1], "sum: expected n * min to n * max, 10 to 12, found 9"),
        (&[1, 1, 2, 10, 5, 1, 0], "centroids: expected 1 to 200, two bytes each, found 0"),
        (&[1, 1, 2, 10, 5, 1, 2, 0, 0], "centroids: expected 1 to 200, two bytes each, found 2"),
        (&[1, 1, 2, 10, 5, 1, 1, 9, 2], "means: expected at most max, 6 µs, found 6.125 µs"),
        (&[1, 1, 2, 10, 5, 1, 1, 0, 3], "weights: expected a sum of n, 2, found 3"),
        (&[1, 1, 2, 10, 5, 1, 2, 0, 8, 2, 0], "weights: expected at least 1, found 0"),
        (&[1, 1, 3, 15, 5, 1, 2, 0, 0, 2, 1], "weights: expected at least 2, found 1"),
    ] {
        assert_eq!(refusal(bytes), want, "{bytes:?}");
    }
}

#[test]
fn a_refusal_names_the_field_and_what_was_expected() {
    for (bytes, want) in [
        (&[2][..], "header: expected 1 more bytes, found 0 before the end"),
        (&[2, 1, 0], "header: expected no counts in a digest, found counts"),
        (&[2, 12, 1], "n: expected at most 512, a byte each, found 3"),
        (&[2, 4, 0x80, 0x80, 0x80, 0x80, 0x10], "values: expected values of at most 32 bits, found 4294967296"),
        (&[2, 4, 9, 9], "end: expected no further bytes, found 1 more"),
        (&[2, 2], "n: expected 1 to 2^53, found 0"),
        (&[2, 10, 9, 5, 1, 61], "sum: expected n * min to n * max, 10 to 12, found 9"),
        (&[2, 10, 11, 5, 1, 60], "sum_sq: expected sum² / n to sum * max, 61 to 66, found 60"),
        (&[2, 10, 11, 5, 1, 61, 0], "centroids: expected 1 to 512, two bytes each, found 0"),
        (&[2, 10, 11, 5, 1, 61, 1, 2, 4], "means: expected an ascending value, here 5 to 6, found 7"),
        (&[2, 10, 11, 5, 1, 61, 2, 0, 0, 0, 0], "means: expected an ascending value, here 5.25 to 6, found 5"),
        (&[2, 10, 11, 5, 1, 61, 1, 0, 2], "weights: expected one value to be whole, found 5.5"),
        (&[2, 10, 11, 5, 1, 61, 1, 0, 8], "weights: expected a sum of n, 2, found more"),
        (&[2, 10, 11, 5, 1, 61, 1, 0, 0], "weights: expected a sum of n, 2, found 1"),
    ] {
        assert_eq!(refusal(bytes), want, "{bytes:?}");
    }
}

#[test]
fn a_summary_refuses_what_cannot_be() {
    let field = |bytes: &[u8]| SeriesSummary::decode(bytes).unwrap_err().field;
    assert_eq!(field(&[2, 1, 0, 1, 2, 0]), "retransmitted");
    assert_eq!(field(&[2, 1, 0, 0, 0, 0]), "unknown");
    assert_eq!(field(&[2, 1]), "last_at");
    assert_eq!(field(&[2, 0, 0]), "end");
}

#[test]
fn a_summary_of_version_1_refuses_what_cannot_be() {
    let field = |bytes: &[u8]| SeriesSummary::decode(bytes).unwrap_err().field;
    assert_eq!(field(&[1, 0, 0, 1, 2, 0, 0]), "retransmitted");
    assert_eq!(field(&[1, 0, 0, 1, 1, 0]), "last_at");
    assert_eq!(field(&[1, 0, 0, 0, 0, 0, 0]), "end");
    // Two values with the sum 11 have squares that sum to 61 (5 and 6) at least.
    let sketch = [1, 1, 2, 11, 5, 1, 2, 0, 8, 1, 1, 0, 0, 0, 2];
    assert_eq!(field(&[&sketch[..], &[60]].concat()), "sum_sq");
    assert_eq!(field(&[&sketch[..], &[67]].concat()), "sum_sq");
    let summary = SeriesSummary::decode(&[&sketch[..], &[61]].concat()).unwrap();
    assert_eq!((summary.received(), summary.stddev_us()), (2, Some(0.5)));
}

#[test]
fn every_cut_is_refused() {
    let mut summary = SeriesSummary::new();
    for (at_us, rtt) in digest_rtts(2_000).into_iter().enumerate() {
        summary.record_rtt(at_us as i64, rtt);
    }
    let bytes = summary.encode();
    for len in 0..bytes.len() {
        assert!(SeriesSummary::decode(&bytes[..len]).is_err(), "{len} of {}", bytes.len());
    }
}

fn digest_rtts(n: usize) -> Vec<u32> {
    Numbers(1).many_around_70_ms(n)
}

/// Bytes near to valid ones: an encoding with a few bytes changed, so that the deeper checks are reached.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let sizes = prop_oneof![0usize..20, 500usize..700];
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (sizes, damage, any::<bool>()).prop_map(|(n, damage, lossy)| {
        let mut summary = SeriesSummary::new();
        for rtt in digest_rtts(n) {
            summary.record_rtt(5, rtt);
        }
        if lossy {
            summary.record_loss(6, true);
        }
        let mut bytes = summary.encode();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// What is accepted is the one encoding of its content, and answers questions.
fn check_summary(bytes: &[u8]) -> Result<(), TestCaseError> {
    let decoded: Result<SeriesSummary, DecodeError> = SeriesSummary::decode(bytes);
    if let Ok(summary) = decoded {
        if bytes[0] == 2 {
            prop_assert_eq!(summary.encode(), bytes);
        }
        let again = SeriesSummary::decode(&summary.encode());
        prop_assert_eq!(again.as_ref(), Ok(&summary));
        prop_assert_eq!(summary.sent() > 0, summary.last_at_us().is_some());
        prop_assert!(summary.stddev_us().is_none_or(|stddev| stddev >= 0.0));
        let mut merged = summary.clone();
        merged.merge(&summary);
        prop_assert_eq!(merged.received(), 2 * summary.received());
        if let (Some(min), Some(max)) = (summary.min_us(), summary.max_us()) {
            for q in [0.0, 0.3, 0.5, 0.99, 1.0] {
                let value = merged.quantile(q).unwrap();
                prop_assert!((f64::from(min)..=f64::from(max)).contains(&value), "{} {}", q, value);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = LatencyDigest::decode(&bytes);
        check_summary(&bytes)?;
    }

    #[test]
    fn random_bodies_never_panic(version in 1u8..=2, body in prop::collection::vec(0u8..12, 0..24)) {
        let bytes = [&[version][..], &body].concat();
        if let Ok(digest) = LatencyDigest::decode(&bytes) {
            prop_assert!(version == 1 || digest.encode() == bytes);
        }
        check_summary(&bytes)?;
    }

    #[test]
    fn damaged_bytes_never_panic(bytes in damaged()) {
        check_summary(&bytes)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_digest_comes_back(values in prop_oneof![
        prop::collection::vec(any::<u32>(), 0..700),
        prop::collection::vec(70_000u32..70_040, 0..3_000),
    ]) {
        let digest: LatencyDigest = values.into_iter().collect();
        let bytes = digest.encode();
        let back = LatencyDigest::decode(&bytes).unwrap();
        prop_assert_eq!(back.encode(), bytes);
        prop_assert_eq!(
            (back.count(), back.sum_us(), back.min_us(), back.max_us(), back.is_exact()),
            (digest.count(), digest.sum_us(), digest.min_us(), digest.max_us(), digest.is_exact())
        );
        prop_assert_eq!(back, digest);
    }

    #[test]
    fn a_summary_comes_back(
        rtts in prop::collection::vec((any::<i64>(), any::<u32>()), 0..700),
        losses in prop::collection::vec((any::<i64>(), any::<bool>()), 0..200),
        unknowns in prop::collection::vec(any::<i64>(), 0..200),
    ) {
        let mut summary = SeriesSummary::new();
        rtts.iter().for_each(|&(at_us, rtt_us)| summary.record_rtt(at_us, rtt_us));
        losses.iter().for_each(|&(at_us, late)| summary.record_loss(at_us, late));
        unknowns.iter().for_each(|&at_us| summary.record_unknown(at_us));
        let bytes = summary.encode();
        let back = SeriesSummary::decode(&bytes).unwrap();
        prop_assert_eq!(back.encode(), bytes);
        prop_assert_eq!(back.sent(), summary.sent());
        prop_assert_eq!(back.sum_sq_us(), summary.sum_sq_us());
        prop_assert_eq!(back, summary);
    }
}
