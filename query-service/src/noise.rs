//! By how much a number out of a sample may be off by chance.

use cloudping_digest::SeriesSummary;

use crate::statistic::Statistic;
use crate::text::millis;

/// Of the standard normal distribution: 99 % lie within this distance of its mean.
const Z: f64 = 2.576;

/// Half the width of the 99 % confidence interval of a percentile or the mean, ms. `None` for extremes and the jitter, whose error no
/// sample tells, and where there are too few round-trip times to carry the number.
///
/// For a percentile no shape of the distribution is assumed: of n values, those between the ranks n·q ± z·√(n·q·(1-q)) enclose it; of
/// the two sides the wider one counts. Round-trip times of one path hang together over time, and the interval takes them as
/// independent: less than this is noise, but not everything more is a lasting change.
#[must_use]
pub fn noise_ms(statistic: Statistic, summary: &SeriesSummary) -> Option<f64> {
    let supported = statistic.supported_by(summary);
    supported.then(|| noise_of(statistic, summary.received(), summary.stddev_us(), |q| summary.quantile(q)))?
}

/// The same of whatever knows its count, standard deviation and quantiles in µs, and has enough round-trip times to carry the number.
#[must_use]
pub fn noise_of(
    statistic: Statistic,
    count: u64,
    stddev_us: Option<f64>,
    quantile_us: impl Fn(f64) -> Option<f64>,
) -> Option<f64> {
    let n = count as f64;
    let micros = match statistic {
        Statistic::Quantile(q) => {
            let ranks = Z * (q * (1.0 - q) / n).sqrt();
            let value = quantile_us(q)?;
            let (low, high) = (quantile_us((q - ranks).max(0.0))?, quantile_us((q + ranks).min(1.0))?);
            (high - value).max(value - low)
        }
        Statistic::Mean => Z * stddev_us? / n.sqrt(),
        Statistic::Min | Statistic::Max | Statistic::Jitter => return None,
    };
    Some(millis(micros))
}

/// Two errors that do not depend on one another, as one.
#[must_use]
pub fn together(a_ms: f64, b_ms: f64) -> f64 {
    millis(a_ms.hypot(b_ms) * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evenly(count: u32) -> SeriesSummary {
        let mut summary = SeriesSummary::new();
        // 1 to 1001 ms, evenly.
        (0..count).for_each(|at| summary.record_rtt(0, 1_000 + (u64::from(at) * 1_000_000 / u64::from(count)) as u32));
        summary
    }

    #[test]
    fn more_round_trip_times_are_less_noise() {
        let of = |name: &str, count| noise_ms(Statistic::parse(name).unwrap(), &evenly(count));
        // The median's rank is off by 2.576/2/sqrt(n).
        for (count, expected) in [(100, 129.0), (400, 64.4), (10_000, 12.9)] {
            let found = of("p50", count).unwrap();
            assert!((found - expected).abs() < 0.05 * expected + 10.0, "{count}: {found}");
            // An even distribution has a deviation of 1/sqrt(12) of its width.
            let found = of("mean", count).unwrap();
            assert!((found - 2.576 * 288.7 / f64::from(count).sqrt()).abs() < 1.0, "{count}: {found}");
        }
        assert_eq!([of("p50", 19), of("p99", 999), of("max", 999), of("jitter", 999)], [None; 4]);
        assert_eq!(together(3.0, 4.0), 5.0);
    }
}
