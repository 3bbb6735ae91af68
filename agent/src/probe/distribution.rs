//! Exact quantiles of a growing number of values.

use std::collections::BTreeMap;

/// How often each value came, in µs: exact however many there are, in memory bounded by the number of different values.
#[derive(Debug, Clone, Default)]
pub struct Distribution {
    counts: BTreeMap<i64, u64>,
    total: u64,
}

impl Distribution {
    /// Takes one value in.
    pub fn add(&mut self, value_us: i64) {
        *self.counts.entry(value_us).or_default() += 1;
        self.total += 1;
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// Each different value in µs, ascending, and how often it came.
    pub fn values(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        self.counts.iter().map(|(value, count)| (*value, *count))
    }

    /// The quantile `q` of 0..=1 in ms, to a tenth of a µs, by linear interpolation between ranks (numpy's `linear`, type 7).
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        let rank = q * self.total.checked_sub(1)? as f64;
        let low = self.at_rank(rank.floor() as u64)?;
        let high = self.at_rank(rank.ceil() as u64)?;
        Some(ms(low + (high - low) * rank.fract()))
    }

    /// The arithmetic mean in ms.
    pub fn mean_ms(&self) -> Option<f64> {
        let sum: f64 = self.values().map(|(value, count)| value as f64 * count as f64).sum();
        (self.total > 0).then(|| ms(sum / self.total as f64))
    }

    fn at_rank(&self, rank: u64) -> Option<f64> {
        let mut before = 0;
        let holds = |(_, count): &(i64, u64)| {
            before += count;
            before > rank
        };
        self.values().find(holds).map(|(value, _)| value as f64)
    }
}

/// To a tenth of a µs: the kernel gives whole ones, so that more digits would only be the rounding of the arithmetic.
fn ms(us: f64) -> f64 {
    (us * 10.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[i64]) -> Distribution {
        let mut distribution = Distribution::default();
        values.iter().for_each(|value| distribution.add(*value));
        distribution
    }

    #[test]
    fn quantiles_interpolate_between_ranks() {
        let distribution = of(&[4_000, 1_000, 2_000, 3_000]);
        assert_eq!(distribution.quantile_ms(0.0), Some(1.0));
        assert_eq!(distribution.quantile_ms(0.5), Some(2.5));
        assert_eq!(distribution.quantile_ms(1.0), Some(4.0));
        assert_eq!(distribution.mean_ms(), Some(2.5));
        assert_eq!(of(&[]).quantile_ms(0.5), None);
        assert_eq!(of(&[]).mean_ms(), None);
    }

    proptest! {
        #[test]
        fn they_are_those_of_the_sorted_list(values in prop::collection::vec(-50..5_000_i64, 1..200), q in 0.0..=1.0_f64) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = q * (sorted.len() - 1) as f64;
            let (low, high) = (sorted[rank.floor() as usize] as f64, sorted[rank.ceil() as usize] as f64);
            let expected = (low + (high - low) * rank.fract()) / 1_000.0;
            let found = of(&values).quantile_ms(q).expect("values");
            prop_assert!((found - expected).abs() < 0.000_051, "{found} {expected}");
        }
    }
}
