//! Where a value stands among the values of a digest, and how sure that is.

use std::borrow::Cow;

use crate::LatencyDigest;
use crate::latency_digest::Content;
use crate::sketch::is_mixed;

/// By how much a centroid's mean may lie beside the mean of its values, in µs: it is rounded, and one that is mixed is moved off a whole µs.
const ROUNDED_US: f64 = 1.0;

/// What is certain about the place of a value among the values of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RankBounds {
    /// At most so many values are below it.
    pub below_at_most: u64,
    /// At least so many values are at or below it.
    pub up_to_at_least: u64,
}

impl LatencyDigest {
    /// Every value, ascending; `None` where only a sketch of them is kept.
    #[must_use]
    pub fn values(&self) -> Option<Cow<'_, [u32]>> {
        match self.content() {
            Content::Exact(values) => Some(values),
            Content::Sketch(_) => None,
        }
    }

    /// What is certain about the place of a value of `value_us` µs.
    ///
    /// Exact where each value is kept. Else it rests on what one compression of sorted values leaves: each centroid stands for neighbours among them,
    /// so its values lie between the means beside it. It does not hold of a digest that was merged from sketches, whose centroids overlap.
    #[must_use]
    pub fn rank_bounds(&self, value_us: f64) -> RankBounds {
        match self.content() {
            Content::Exact(values) => RankBounds {
                below_at_most: values.partition_point(|&value| f64::from(value) < value_us) as u64,
                up_to_at_least: values.partition_point(|&value| f64::from(value) <= value_us) as u64,
            },
            Content::Sketch(sketch) => {
                let (least, most) = (f64::from(self.totals().min), f64::from(self.totals().max));
                let centroids = sketch.centroids();
                let mut bounds = RankBounds::default();
                for (at, centroid) in centroids.iter().enumerate() {
                    let mean = centroid.mean();
                    let (low, high) = if is_mixed(centroid) {
                        let before = at.checked_sub(1).map_or(least, |before| centroids[before].mean() - ROUNDED_US);
                        let after = centroids.get(at + 1).map_or(most, |after| after.mean() + ROUNDED_US);
                        (before.max(least), after.min(most))
                    } else {
                        (mean, mean)
                    };
                    let weight = centroid.weight() as u64;
                    bounds.below_at_most += if low < value_us { weight } else { 0 };
                    bounds.up_to_at_least += if high <= value_us { weight } else { 0 };
                }
                bounds
            }
        }
    }

    /// How many values are at or below `value_us` µs: exact where each value is kept, else what [`LatencyDigest::quantile`] takes the values to be.
    #[must_use]
    pub fn count_up_to(&self, value_us: f64) -> u64 {
        if let Some(values) = self.values() {
            return values.partition_point(|&value| f64::from(value) <= value_us) as u64;
        }
        let (Some(least), Some(most)) = (self.min_us(), self.max_us()) else {
            return 0;
        };
        if value_us < f64::from(least) {
            return 0;
        }
        if value_us >= f64::from(most) {
            return self.count();
        }
        // The first rank whose value is greater; there is one, and it is not the first.
        let (mut low, mut high) = (0, self.count() - 1);
        while high - low > 1 {
            let middle = u64::midpoint(low, high);
            let q = middle as f64 / (self.count() - 1) as f64;
            if self.quantile(q).is_some_and(|value| value <= value_us) {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values of several levels, with ties.
    fn values() -> impl Strategy<Value = Vec<u32>> {
        let level = (0..200_000_u32, 1..5_000_u32, 1..800_usize);
        prop::collection::vec(level, 1..6).prop_map(|levels| {
            let mut values = Vec::new();
            let mut state = 12_345_u64;
            for (base, width, count) in levels {
                for _ in 0..count {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    values.push(base + ((state >> 33) as u32) % width);
                }
            }
            values.sort_unstable();
            values
        })
    }

    proptest! {
        #[test]
        fn the_true_rank_is_within_the_bounds(values in values(), at in 0.0..=1.0_f64) {
            let digest = crate::trino::from_trino_bytes(&crate::trino::to_trino_bytes(&LatencyDigest::from_sorted(&values))).unwrap();
            let asked = [digest.quantile(at).unwrap(), f64::from(values[(at * (values.len() - 1) as f64) as usize]), at * 210_000.0];
            for value in asked {
                let bounds = digest.rank_bounds(value);
                let below = values.partition_point(|&other| f64::from(other) < value) as u64;
                let up_to = values.partition_point(|&other| f64::from(other) <= value) as u64;
                prop_assert!(bounds.below_at_most >= below, "{value}: {bounds:?}, truly {below}");
                prop_assert!(bounds.up_to_at_least <= up_to, "{value}: {bounds:?}, truly {up_to}");
                if digest.is_exact() {
                    prop_assert_eq!(bounds, RankBounds { below_at_most: below, up_to_at_least: up_to });
                }
            }
        }

        #[test]
        fn counts_are_those_of_the_quantiles(values in values(), at in 0.0..=1.0_f64) {
            let digest = LatencyDigest::from_sorted(&values);
            let value = f64::from(values[(at * (values.len() - 1) as f64) as usize]);
            let (found, truly) = (digest.count_up_to(value), values.partition_point(|&other| f64::from(other) <= value) as u64);
            prop_assert!(found.abs_diff(truly) as f64 <= 0.03 * values.len() as f64 + 1.0, "{found}, truly {truly} of {}", values.len());
            prop_assert_eq!(digest.count_up_to(f64::from(values[0]) - 0.5), 0);
            prop_assert_eq!(digest.count_up_to(1e9), values.len() as u64);
        }
    }
}
