//! Everything that a window of one series holds.

use crate::{Counts, LatencyDigest};

/// What became of the probes of one series in one window: counts of each outcome and the distribution of the round-trip times.
///
/// Always `sent = received + lost + unknown`. Loss never enters a latency number.
/// Merging is associative and commutative in all counts, sums and extremes; quantiles beyond
/// [`EXACT_LIMIT`](crate::EXACT_LIMIT) values depend slightly on the order (see [`LatencyDigest`]).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesSummary {
    /// The time is `None` exactly while nothing was sent.
    counts: Counts,
    pub(crate) digest: LatencyDigest,
}

impl SeriesSummary {
    /// The summary of no probes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The summary of RTTs in µs, which must be ascending, and of what is counted beside them. A time is taken (1970 for want of one) if
    /// anything was sent, and no more is retransmitted than was lost.
    #[must_use]
    pub fn from_sorted(rtts_us: &[u32], counts: Counts) -> Self {
        Self::from_digest(LatencyDigest::from_sorted(rtts_us), counts)
    }

    /// The summary of a distribution, and of what is counted beside it, under the rules of [`SeriesSummary::from_sorted`].
    #[must_use]
    pub fn from_digest(digest: LatencyDigest, counts: Counts) -> Self {
        Self { counts: counts.settled(digest.count()), digest }
    }

    /// Counts an answer: a probe that started at `at_us` (UTC, µs since 1970) and took `rtt_us` µs.
    pub fn record_rtt(&mut self, at_us: i64, rtt_us: u32) {
        self.seen(at_us);
        self.digest.insert(rtt_us);
    }

    /// Counts a lost probe that started at `at_us` (UTC, µs since 1970). `retransmitted`: it was answered, but only after a SYN was
    /// sent again, so its time says nothing about latency.
    pub fn record_loss(&mut self, at_us: i64, retransmitted: bool) {
        self.seen(at_us);
        self.counts.lost = self.counts.lost.saturating_add(1);
        self.counts.retransmitted = self.counts.retransmitted.saturating_add(u64::from(retransmitted));
    }

    /// Counts an answer for which the kernel gave no RTT, to a probe that started at `at_us` (UTC, µs since 1970).
    pub fn record_unknown(&mut self, at_us: i64) {
        self.seen(at_us);
        self.counts.unknown = self.counts.unknown.saturating_add(1);
    }

    /// Adds all that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.digest.merge(&other.digest);
    }

    /// The summary of all that the parts counted, their digests compressed once.
    #[must_use]
    pub fn merge_many<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut merged = Self::new();
        let digest = LatencyDigest::merge_many(parts.into_iter().map(|part| {
            merged.counts.merge(&part.counts);
            &part.digest
        }));
        merged.digest = digest;
        merged
    }

    /// All that is counted beside the RTTs.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Probes sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.received().saturating_add(self.counts.lost).saturating_add(self.counts.unknown)
    }

    /// Answers whose RTT is known: the sample count of every latency number here.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.digest.count()
    }

    /// Probes that got no answer in time, and those answered only after a SYN retransmit.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.counts.lost
    }

    /// Those of the lost probes that were answered after a SYN retransmit.
    #[must_use]
    pub fn retransmitted(&self) -> u64 {
        self.counts.retransmitted
    }

    /// Answers for which the kernel gave no RTT.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.counts.unknown
    }

    /// Sum of the RTTs in µs.
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.digest.sum_us()
    }

    /// Sum of the squares of the RTTs in µs².
    #[must_use]
    pub fn sum_sq_us(&self) -> u128 {
        self.digest.totals().sum_sq
    }

    /// The smallest RTT in µs; `None` without any.
    #[must_use]
    pub fn min_us(&self) -> Option<u32> {
        self.digest.min_us()
    }

    /// The greatest RTT in µs; `None` without any.
    #[must_use]
    pub fn max_us(&self) -> Option<u32> {
        self.digest.max_us()
    }

    /// Start of the newest probe, whatever its outcome (UTC, µs since 1970); `None` when nothing was sent.
    #[must_use]
    pub fn last_at_us(&self) -> Option<i64> {
        self.counts.last_at_us
    }

    /// The distribution of the RTTs.
    #[must_use]
    pub fn digest(&self) -> &LatencyDigest {
        &self.digest
    }

    /// The mean RTT in µs; `None` without any.
    #[must_use]
    pub fn mean_us(&self) -> Option<f64> {
        let n = self.received();
        (n > 0).then(|| self.sum_us() as f64 / n as f64)
    }

    /// The population standard deviation of the RTTs in µs; `None` without any.
    #[must_use]
    pub fn stddev_us(&self) -> Option<f64> {
        let n = self.received();
        (n > 0).then(|| (squared_deviations(n, self.sum_us(), self.sum_sq_us()) / n as f64).sqrt())
    }

    /// Jitter: the mean packet delay variation in µs, by RFC 5481 the delay of each answer over that of the fastest; mean minus minimum.
    /// `None` without any RTT. Unlike a range of quantiles it is exact after any merging.
    #[must_use]
    pub fn jitter_us(&self) -> Option<f64> {
        let (mean, min) = (self.mean_us()?, self.min_us()?);
        Some((mean - f64::from(min)).max(0.0))
    }

    /// The share of the sent probes that were lost, 0 to 1; `None` when nothing was sent.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        let sent = self.sent();
        (sent > 0).then(|| self.counts.lost as f64 / sent as f64)
    }

    /// The `q`-quantile of the RTTs in µs: see [`LatencyDigest::quantile`].
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.digest.quantile(q)
    }

    /// Several quantiles of the RTTs in µs: see [`LatencyDigest::quantiles`].
    #[must_use]
    pub fn quantiles(&self, qs: &[f64]) -> Vec<Option<f64>> {
        self.digest.quantiles(qs)
    }

    /// Whether there are enough RTTs for the `q`-quantile to mean something: at least ten are expected beyond it, on its thinner
    /// side (n >= 10/(1-q), for q < 0.5 n >= 10/q). Never for the extremes, q = 0 and q = 1, nor for a `q` outside 0..=1.
    #[must_use]
    pub fn supports(&self, q: f64) -> bool {
        let tail = if q < 0.5 { q } else { 1.0 - q };
        // 1 - 0.9 is a little less than 0.1: without the slack, 100 values would not support p90.
        tail > 0.0 && self.received() as f64 * tail >= 10.0 * (1.0 - 1e-9)
    }

    fn seen(&mut self, at_us: i64) {
        self.counts.last_at_us = self.counts.last_at_us.max(Some(at_us));
    }
}

/// `sum_sq - sum²/n` for `n > 0`. Subtracts integers: in floating point the two are nearly equal, and their difference would be noise
/// where the jitter is small beside the latency.
fn squared_deviations(n: u64, sum: u64, sum_sq: u128) -> f64 {
    let square = u128::from(sum) * u128::from(sum);
    let n = u128::from(n);
    let whole = sum_sq.saturating_sub(square / n);
    (whole as f64 - (square % n) as f64 / n as f64).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Probe {
        Rtt(u32),
        Loss(bool),
        Unknown,
    }

    fn probe() -> impl Strategy<Value = Probe> {
        prop_oneof![
            4 => (0u32..5_000_000).prop_map(Probe::Rtt),
            1 => any::<bool>().prop_map(Probe::Loss),
            1 => Just(Probe::Unknown),
        ]
    }

    fn summary_of(probes: &[(i64, Probe)]) -> SeriesSummary {
        let mut summary = SeriesSummary::new();
        for (at_us, probe) in probes {
            match *probe {
                Probe::Rtt(rtt_us) => summary.record_rtt(*at_us, rtt_us),
                Probe::Loss(retransmitted) => summary.record_loss(*at_us, retransmitted),
                Probe::Unknown => summary.record_unknown(*at_us),
            }
        }
        summary
    }

    fn counts(summary: &SeriesSummary) -> [u64; 6] {
        [
            summary.sent(),
            summary.received(),
            summary.lost(),
            summary.retransmitted(),
            summary.unknown(),
            summary.sum_us(),
        ]
    }

    fn exact_parts(summary: &SeriesSummary) -> impl PartialEq + std::fmt::Debug {
        (counts(summary), summary.sum_sq_us(), summary.min_us(), summary.max_us(), summary.last_at_us())
    }

    #[test]
    fn nothing_sent_has_no_numbers() {
        let summary = SeriesSummary::new();
        assert_eq!(counts(&summary), [0; 6]);
        assert_eq!((summary.mean_us(), summary.stddev_us()), (None, None));
        assert_eq!((summary.loss(), summary.quantile(0.5)), (None, None));
        assert_eq!(summary.last_at_us(), None);
    }

    #[test]
    fn loss_stays_out_of_latency() {
        let mut summary = SeriesSummary::new();
        for at_us in 0..6 {
            summary.record_rtt(at_us, 70_000);
        }
        summary.record_loss(9, false);
        summary.record_loss(7, true);
        summary.record_unknown(8);
        assert_eq!(counts(&summary), [9, 6, 2, 1, 1, 420_000]);
        assert_eq!(summary.loss(), Some(2.0 / 9.0));
        assert_eq!((summary.min_us(), summary.max_us()), (Some(70_000), Some(70_000)));
        assert_eq!((summary.mean_us(), summary.stddev_us()), (Some(70_000.0), Some(0.0)));
        assert_eq!(summary.last_at_us(), Some(9));
    }

    #[test]
    fn a_time_before_1970_is_a_time() {
        let mut summary = SeriesSummary::new();
        summary.record_unknown(-5);
        assert_eq!(summary.last_at_us(), Some(-5));
    }

    #[test]
    fn stddev_is_the_populations() {
        let summary = summary_of(&[2, 4, 4, 4, 5, 5, 7, 9].map(|rtt| (0, Probe::Rtt(rtt))));
        assert_eq!(summary.stddev_us(), Some(2.0));
    }

    #[test]
    fn stddev_survives_a_large_base_and_many_samples() {
        let mut summary = SeriesSummary::new();
        for i in 0..1_000_000u32 {
            summary.record_rtt(0, 4_000_000_000 + i % 2);
        }
        assert_eq!(summary.stddev_us(), Some(0.5));
    }

    #[test]
    fn a_percentile_needs_ten_beyond_it() {
        for (q, needed) in [
            (0.5, 20),
            (0.25, 40),
            (0.1, 100),
            (0.01, 1000),
            (0.75, 40),
            (0.9, 100),
            (0.95, 200),
            (0.98, 500),
            (0.99, 1000),
            (0.999, 10_000),
        ] {
            let mut summary = SeriesSummary::new();
            for _ in 0..needed - 1 {
                summary.record_rtt(0, 1);
                summary.record_loss(0, false);
            }
            assert!(!summary.supports(q), "{q}");
            summary.record_rtt(0, 1);
            assert!(summary.supports(q), "{q}");
            for nonsense in [0.0, 1.0, -0.1, 1.1, f64::NAN] {
                assert!(!summary.supports(nonsense), "{nonsense}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_probe_is_counted_once(probes in prop::collection::vec((any::<i64>(), probe()), 0..1500)) {
            let summary = summary_of(&probes);
            let count = |wanted: fn(&Probe) -> bool| probes.iter().filter(|(_, p)| wanted(p)).count() as u64;
            let rtts: Vec<u32> = probes.iter().filter_map(|(_, p)| if let Probe::Rtt(us) = p { Some(*us) } else { None }).collect();
            prop_assert_eq!(summary.sent(), probes.len() as u64);
            prop_assert_eq!(summary.sent(), summary.received() + summary.lost() + summary.unknown());
            prop_assert_eq!(summary.received(), rtts.len() as u64);
            prop_assert_eq!(summary.lost(), count(|p| matches!(p, Probe::Loss(_))));
            prop_assert_eq!(summary.retransmitted(), count(|p| matches!(p, Probe::Loss(true))));
            prop_assert_eq!(summary.unknown(), count(|p| matches!(p, Probe::Unknown)));
            prop_assert_eq!(summary.sum_us(), rtts.iter().map(|&us| u64::from(us)).sum::<u64>());
            prop_assert_eq!(summary.sum_sq_us(), rtts.iter().map(|&us| u128::from(us).pow(2)).sum::<u128>());
            prop_assert_eq!(summary.min_us(), rtts.iter().copied().min());
            prop_assert_eq!(summary.max_us(), rtts.iter().copied().max());
            prop_assert_eq!(summary.last_at_us(), probes.iter().map(|(at_us, _)| *at_us).max());
            if let Some(stddev) = summary.stddev_us() {
                let n = rtts.len() as f64;
                let mean = rtts.iter().map(|&us| f64::from(us)).sum::<f64>() / n;
                let model = (rtts.iter().map(|&us| (f64::from(us) - mean).powi(2)).sum::<f64>() / n).sqrt();
                prop_assert!((stddev - model).abs() <= 1e-6 * model.max(1.0), "{} {}", stddev, model);
            }
        }

        #[test]
        fn the_order_of_merging_changes_no_count(
            a in prop::collection::vec((any::<i64>(), probe()), 0..900),
            b in prop::collection::vec((any::<i64>(), probe()), 0..900),
            c in prop::collection::vec((any::<i64>(), probe()), 0..900),
        ) {
            let [sa, sb, sc] = [&a, &b, &c].map(|probes| summary_of(probes));
            let whole = summary_of(&[a, b, c].concat());
            let mut left = sa.clone();
            left.merge(&sb);
            left.merge(&sc);
            let mut bc = sc.clone();
            bc.merge(&sb);
            let mut right = bc;
            right.merge(&sa);
            let many = SeriesSummary::merge_many([&sb, &sa, &sc]);
            for merged in [&left, &right, &many] {
                prop_assert!(exact_parts(merged) == exact_parts(&whole), "{merged:?} {whole:?}");
                if whole.digest().is_exact() {
                    prop_assert_eq!(merged, &whole);
                }
            }
        }
    }
}
