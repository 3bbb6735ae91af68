//! What a matrix shows of each pair.

use std::fmt;

use cloudping_digest::SeriesSummary;

use crate::text::millis;

/// One number out of a distribution of round-trip times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// A quantile, 0 to 1.
    Quantile(f64),
    /// The mean.
    Mean,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The mean less the least.
    Jitter,
}

impl Statistic {
    /// What [`Statistic::parse`] reads, for messages.
    pub const EXPECTED: &'static str = "p0 to p100 (such as p50 or p99.9), mean, min, max or jitter";

    /// Reads `p50`, `p99.9`, `mean`, `min`, `max`, `jitter`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "mean" => return Some(Self::Mean),
            "min" => return Some(Self::Min),
            "max" => return Some(Self::Max),
            "jitter" => return Some(Self::Jitter),
            _ => {}
        }
        let number = text.strip_prefix('p')?;
        let decimal = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let bounded = number.len() <= 8 && number.starts_with(|first: char| first.is_ascii_digit());
        let percent: f64 = (decimal && bounded).then(|| number.parse().ok())??;
        (percent <= 100.0).then_some(Self::Quantile(percent / 100.0))
    }

    /// The value in ms; `None` where no probe was answered.
    #[must_use]
    pub fn of(self, summary: &SeriesSummary) -> Option<f64> {
        let micros = match self {
            Self::Quantile(q) => summary.quantile(q),
            Self::Mean => summary.mean_us(),
            Self::Min => summary.min_us().map(f64::from),
            Self::Max => summary.max_us().map(f64::from),
            Self::Jitter => summary.jitter_us(),
        };
        micros.map(millis)
    }

    /// Whether there are enough round-trip times for the number to mean something: for a quantile n >= 10/(1-q) (or 10/q below the
    /// median), for the mean, and the jitter, which is one, as many as for the median. Extremes depend on n itself: no n supports them.
    #[must_use]
    pub fn supported_by(self, summary: &SeriesSummary) -> bool {
        match self {
            Self::Quantile(q) => summary.supports(q),
            Self::Mean | Self::Jitter => summary.supports(0.5),
            Self::Min | Self::Max => false,
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Six decimals are more than parse reads; rounding undoes the division by 100.
            Self::Quantile(q) => write!(f, "p{}", (q * 100.0 * 1e6).round() / 1e6),
            Self::Mean => f.write_str("mean"),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Jitter => f.write_str("jitter"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_their_own_inverse() {
        for name in ["p0", "p1", "p50", "p99.9", "p99.99", "p100", "mean", "min", "max", "jitter"] {
            let statistic = Statistic::parse(name).unwrap();
            assert_eq!(statistic.to_string(), name);
        }
        for bad in [
            "",
            "p",
            "50",
            "p101",
            "p-1",
            "p1e1",
            "pinf",
            "pNaN",
            "p.5",
            "p1.2.3",
            "P50",
            "p_50",
            "median",
            "p99.9999999",
        ] {
            assert_eq!(Statistic::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_are_milliseconds_and_few_samples_are_marked() {
        let mut summary = SeriesSummary::new();
        for rtt_us in [1_000, 2_000, 3_000, 10_001] {
            summary.record_rtt(0, rtt_us);
        }
        summary.record_loss(0, false);
        let of = |name: &str| Statistic::parse(name).unwrap().of(&summary);
        assert_eq!([of("p50"), of("min"), of("max"), of("mean")], [Some(2.5), Some(1.0), Some(10.001), Some(4.0)]);
        assert!(!Statistic::Quantile(0.5).supported_by(&summary));
        for _ in 0..16 {
            summary.record_rtt(0, 1);
        }
        assert!(Statistic::Quantile(0.5).supported_by(&summary) && Statistic::Mean.supported_by(&summary));
        assert!(!Statistic::Quantile(0.99).supported_by(&summary) && !Statistic::Max.supported_by(&summary));
        assert_eq!(Statistic::Mean.of(&SeriesSummary::new()), None);
    }
}
