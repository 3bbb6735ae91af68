//! The one definition of an exact quantile.

/// The quantile `q` (0 to 1) of values in ascending order; `None` without values or with another `q`.
///
/// numpy's default, `linear`: type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996), between the two
/// values around rank `q * (n - 1)`.
#[must_use]
pub fn linear_quantile(ascending: &[u32], q: f64) -> Option<f64> {
    // A NaN is in no range.
    let last = ascending.len().checked_sub(1).filter(|_| (0.0..=1.0).contains(&q))?;
    let rank = q * last as f64;
    let below = f64::from(ascending[rank.floor() as usize]);
    let above = f64::from(ascending[rank.ceil() as usize]);
    Some(below + (above - below) * rank.fract())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        // numpy.percentile([1, 2, 4, 8, 16], [0, 10, 25, 50, 95, 99.9, 100])
        let values = [1, 2, 4, 8, 16];
        let expected = [(0.0, 1.0), (0.1, 1.4), (0.25, 2.0), (0.5, 4.0), (0.95, 14.4), (0.999, 15.968), (1.0, 16.0)];
        for (q, value) in expected {
            let found = linear_quantile(&values, q).unwrap();
            assert!((found - value).abs() < 1e-9, "{q}: {found}");
        }
        assert_eq!(linear_quantile(&[], 0.5), None);
        assert_eq!(linear_quantile(&[7], 0.999), Some(7.0));
        assert_eq!(linear_quantile(&[7], f64::NAN), None);
    }

    proptest! {
        #[test]
        fn a_quantile_lies_between_its_neighbours(mut values in prop::collection::vec(any::<u32>(), 1..300), q in 0.0..=1.0_f64) {
            values.sort_unstable();
            let found = linear_quantile(&values, q).unwrap();
            let rank = q * (values.len() - 1) as f64;
            let low = f64::from(values[rank.floor() as usize]);
            let high = f64::from(values[rank.ceil() as usize]);
            prop_assert!(low <= found && found <= high, "{} {} {}", low, found, high);
        }
    }
}
