//! What a rollup says about one series and window.

use cloudping_digest::{LatencyDigest, linear_quantile, sort};
use cloudping_model::Outcome;
use cloudping_schemas::tables::PERCENTILES;

/// The samples of one series and window.
#[derive(Debug, Default)]
pub struct SeriesWindow {
    answered: Vec<u32>,
    unknown: u64,
    lost: u64,
    retransmitted: u64,
}

impl SeriesWindow {
    /// Counts a sample with its RTT in µs, if that is known. One that was not sent counts in nothing.
    pub fn record(&mut self, outcome: Outcome, rtt_us: Option<u32>) {
        match (outcome, rtt_us) {
            (Outcome::Answered, Some(rtt)) => self.answered.push(rtt),
            (Outcome::Answered, None) => self.unknown += 1,
            _ => {
                self.lost += u64::from(outcome.is_loss());
                self.retransmitted += u64::from(outcome == Outcome::Retransmitted);
            }
        }
    }

    /// The numbers of the window; `None` if nothing was sent.
    #[must_use]
    pub fn finish(mut self) -> Option<WindowStatistics> {
        let received = self.answered.len() as u64;
        let sent = received + self.unknown + self.lost;
        if sent == 0 {
            return None;
        }
        sort(&mut self.answered);
        let moments = moments(&self.answered);
        Some(WindowStatistics {
            sent,
            received,
            lost: self.lost,
            retransmitted: self.retransmitted,
            unknown: self.unknown,
            min_us: self.answered.first().copied(),
            max_us: self.answered.last().copied(),
            mean_us: moments.map(|(mean, _)| mean),
            stddev_us: moments.map(|(_, stddev)| stddev),
            percentiles_us: PERCENTILES.map(|(_, quantile)| linear_quantile(&self.answered, quantile)),
            digest: (received > 0).then(|| LatencyDigest::from_sorted(&self.answered)),
        })
    }

    /// How many values it holds in memory.
    pub(crate) fn held(&self) -> usize {
        self.answered.len()
    }
}

/// Mean and population standard deviation. The sums are whole numbers: in floating point the variance would be a small difference of large ones,
/// hence noise where the jitter is small beside the latency.
fn moments(values: &[u32]) -> Option<(f64, f64)> {
    let n = values.len() as u128;
    let (sum, squares) = values.iter().fold((0_u128, 0_u128), |(sum, squares), &value| {
        (sum + u128::from(value), squares + u128::from(value) * u128::from(value))
    });
    let variance = (n * squares - sum * sum) as f64 / (n * n) as f64;
    (n > 0).then(|| (sum as f64 / n as f64, variance.sqrt()))
}

/// The numbers of one series and window. Latencies are `None` where nothing was received.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowStatistics {
    /// Probes sent: received, unknown and lost.
    pub sent: u64,
    /// Probes answered at once, with a known RTT.
    pub received: u64,
    /// Probes lost.
    pub lost: u64,
    /// Those of the lost that were answered after a SYN retransmit.
    pub retransmitted: u64,
    /// Probes answered at once whose RTT the kernel did not know.
    pub unknown: u64,
    /// Least RTT in µs.
    pub min_us: Option<u32>,
    /// Greatest RTT in µs.
    pub max_us: Option<u32>,
    /// Mean RTT in µs.
    pub mean_us: Option<f64>,
    /// Standard deviation of the RTTs (population) in µs.
    pub stddev_us: Option<f64>,
    /// The exact quantiles of [`PERCENTILES`], in its order, in µs.
    pub percentiles_us: [Option<f64>; PERCENTILES.len()],
    /// The distribution, mergeable.
    pub digest: Option<LatencyDigest>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_outcome_counts_where_it_belongs() {
        let mut hour = SeriesWindow::default();
        for outcome in Outcome::ALL {
            hour.record(outcome, (outcome == Outcome::Answered).then_some(500));
        }
        hour.record(Outcome::Answered, None);
        let found = hour.finish().unwrap();
        assert_eq!((found.sent, found.received, found.lost, found.retransmitted, found.unknown), (7, 1, 5, 1, 1));
        assert_eq!((found.min_us, found.max_us, found.stddev_us), (Some(500), Some(500), Some(0.0)));
    }

    #[test]
    fn what_was_not_sent_is_nothing_and_loss_has_no_latency() {
        let mut hour = SeriesWindow::default();
        hour.record(Outcome::NotSent, None);
        hour.record(Outcome::DnsFailure, None);
        assert_eq!(hour.finish(), None);
        let mut hour = SeriesWindow::default();
        hour.record(Outcome::Timeout, None);
        let lost = hour.finish().unwrap();
        assert_eq!((lost.sent, lost.lost, lost.mean_us, lost.digest), (1, 1, None, None));
        assert_eq!(lost.percentiles_us, [None; PERCENTILES.len()]);
    }

    proptest! {
        #[test]
        fn the_order_of_samples_does_not_matter(values in prop::collection::vec(0..1_000_000_u32, 1..2000)) {
            let finish = |values: &[u32]| {
                let mut hour = SeriesWindow::default();
                for &value in values {
                    hour.record(Outcome::Answered, Some(value));
                }
                hour.finish().unwrap()
            };
            let mut reversed = values.clone();
            reversed.reverse();
            prop_assert_eq!(finish(&values), finish(&reversed));
        }
    }
}
