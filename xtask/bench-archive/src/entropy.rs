//! How much there is to keep: the entropy of columns, estimated from their values.

use std::collections::HashMap;

/// Bits a value of the empirical distribution, with the correction of Miller and Madow (1955): counts alone say too little when there are not
/// many more values than different ones.
#[must_use]
pub fn bits(values: impl IntoIterator<Item = i64>) -> f64 {
    let mut counts: HashMap<i64, u64> = HashMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let total = counts.values().sum::<u64>() as f64;
    if total == 0.0 {
        return 0.0;
    }
    let plain: f64 = counts.values().map(|count| *count as f64 / total).map(|share| -share * share.log2()).sum();
    plain + (counts.len() as f64 - 1.0) / (2.0 * total * std::f64::consts::LN_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fair_die_of_eight_sides_has_three_bits_and_one_value_none() {
        let mut rng = fastrand::Rng::with_seed(1);
        assert!((bits((0..100_000).map(|_| rng.i64(0..8))) - 3.0).abs() < 0.001);
        assert!(bits([5; 100]).abs() < 1e-12);
        assert!(bits([]).abs() < 1e-12);
    }

    #[test]
    fn few_values_of_many_kinds_are_nearer_to_the_truth_than_by_counts_alone() {
        let mut rng = fastrand::Rng::with_seed(2);
        let found = bits((0..4_096).map(|_| rng.i64(0..1_024)));
        assert!((found - 10.0).abs() < 0.03, "{found}");
    }
}
