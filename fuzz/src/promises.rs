//! What holds of every value that a decoder lets through.

use std::fmt::Debug;

use cloudping_digest::trino::{from_trino_bytes, to_trino_bytes};
use cloudping_digest::{LatencyDigest, SeriesSummary};

/// Beyond these counts adding two digests leaves the range in which counts are exact; no series ever gets there.
const MANY: u64 = 1 << 40;
const QS: [f64; 15] = [0.0, 0.0001, 0.001, 0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.98, 0.99, 0.999, 1.0];

/// A value that was decoded must encode to bytes that decode to it again, and those bytes are what it always encodes to.
///
/// # Panics
/// When it does not come back.
pub fn comes_back<T: PartialEq + Debug, E: Debug>(
    value: &T,
    encode: impl Fn(&T) -> Vec<u8>,
    decode: impl Fn(&[u8]) -> Result<T, E>,
) {
    let bytes = encode(value);
    let again = decode(&bytes).unwrap_or_else(|error| panic!("what was encoded is refused: {error:?}\n{value:?}"));
    assert_eq!(again, *value, "decoded again");
    assert_eq!(encode(&again), bytes, "encoded again");
}

/// What a digest promises of its numbers, and that it can still be stored, merged and added to.
///
/// # Panics
/// When it breaks a promise.
pub fn digest(digest: &LatencyDigest) {
    numbers(digest);
    comes_back(digest, LatencyDigest::encode, LatencyDigest::decode);
    trino(digest);
    if digest.count() <= MANY {
        merging(digest);
        inserting(digest);
    }
}

fn numbers(digest: &LatencyDigest) {
    let answers = digest.quantiles(&QS);
    let (Some(min), Some(max)) = (digest.min_us(), digest.max_us()) else {
        assert!(digest.is_empty() && digest.is_exact() && digest.count() == 0 && digest.sum_us() == 0);
        assert!(answers.iter().all(Option::is_none), "{answers:?}");
        return;
    };
    assert!(min <= max && digest.count() > 0);
    let (sum, count) = (u128::from(digest.sum_us()), u128::from(digest.count()));
    assert!((count * u128::from(min)..=count * u128::from(max)).contains(&sum), "sum {sum} of {count}");
    let answers: Vec<f64> = answers.into_iter().map(|answer| answer.expect("there are values")).collect();
    assert!(answers.is_sorted(), "quantiles fall: {answers:?}");
    // Bytes may say that a single value lies between extremes that differ, which leaves nothing to expect.
    let ends = (answers[0], answers[QS.len() - 1]);
    assert!(digest.count() == 1 || ends == (f64::from(min), f64::from(max)), "{ends:?}, expected {min} and {max}");
}

/// The way to Trino and back keeps all but the sum of a t-digest, which that format lacks.
fn trino(digest: &LatencyDigest) {
    let back = from_trino_bytes(&to_trino_bytes(digest));
    let back = match back {
        Ok(back) => back,
        // The sum that the centroids stand for can be beyond 64 bits where the true one is just within.
        Err(error) if error.field == "weights" && digest.count() > MANY => return,
        Err(error) => panic!("our own Trino bytes are refused: {error:?}\n{digest:?}"),
    };
    let extremes = |digest: &LatencyDigest| (digest.count(), digest.min_us(), digest.max_us());
    assert_eq!(extremes(&back), extremes(digest));
    if digest.is_exact() {
        assert_eq!(back, *digest);
    }
}

fn merging(digest: &LatencyDigest) {
    let empty = LatencyDigest::new();
    let mut same = digest.clone();
    same.merge(&empty);
    assert_eq!(same, *digest, "merged with nothing");
    let twice = LatencyDigest::merge_many([digest, &empty, digest]);
    assert_eq!(twice.count(), 2 * digest.count());
    assert_eq!((twice.min_us(), twice.max_us()), (digest.min_us(), digest.max_us()));
    assert_eq!(Some(twice.sum_us()), digest.sum_us().checked_mul(2).or(Some(u64::MAX)));
    numbers(&twice);
    comes_back(&twice, LatencyDigest::encode, LatencyDigest::decode);
}

/// Enough values to leave the exact representation, whatever is there already.
fn inserting(digest: &LatencyDigest) {
    let mut grown = digest.clone();
    grown.extend((0..600).map(|at| at * 7_919 % 100_000));
    assert_eq!(grown.count(), digest.count() + 600);
    numbers(&grown);
    comes_back(&grown, LatencyDigest::encode, LatencyDigest::decode);
}

/// What a summary promises of its numbers, its digest's included.
///
/// # Panics
/// When it breaks a promise.
pub fn summary(summary: &SeriesSummary) {
    digest(summary.digest());
    comes_back(summary, SeriesSummary::encode, SeriesSummary::decode);
    assert!(summary.retransmitted() <= summary.lost());
    assert_eq!(summary.last_at_us().is_some(), summary.sent() > 0);
    assert!(summary.loss().is_none_or(|loss| (0.0..=1.0).contains(&loss)), "{:?}", summary.loss());
    if let (Some(min), Some(max)) = (summary.min_us(), summary.max_us()) {
        let (mean, stddev) = (summary.mean_us().expect("there are values"), summary.stddev_us().expect("as many"));
        // Of counts beyond 2^53 the quotient is rounded.
        let slack = f64::from(max) * 1e-12;
        assert!((f64::from(min) - slack..=f64::from(max) + slack).contains(&mean), "mean {mean} of {min} to {max}");
        // Popoviciu's inequality for values; a summary whose moments are only consistent stays within the range all the same.
        assert!(stddev >= 0.0 && stddev <= f64::from(max) + slack, "standard deviation {stddev}");
    }
    if summary.sent() <= MANY {
        let twice = SeriesSummary::merge_many([summary, summary]);
        assert_eq!((twice.sent(), twice.lost()), (2 * summary.sent(), 2 * summary.lost()));
        assert_eq!(twice.last_at_us(), summary.last_at_us());
        comes_back(&twice, SeriesSummary::encode, SeriesSummary::decode);
    }
}
