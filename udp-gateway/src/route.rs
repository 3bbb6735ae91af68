//! Which target a batch goes to: the order in which a destination's targets are tried.

use std::cmp::Ordering;
use std::collections::HashMap;

/// The target of every region that has none of its own.
pub const EVERYWHERE: &str = "*";

/// How far regions are from the ingress region.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distances {
    /// What the matrix says of a region.
    pub measured: HashMap<String, Measured>,
    /// What geography says, in ms: for regions of which the matrix says nothing.
    pub estimated_ms: HashMap<String, f64>,
}

/// What the matrix says of a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Median round-trip time in ms, if any probe was answered.
    pub rtt_ms: Option<f64>,
    /// Whether the region can be reached well, by the matrix.
    pub healthy: bool,
}

impl Distances {
    /// How near a region is; less is nearer. Measured and healthy, then measured, then by geography, then unknown.
    fn rank(&self, region: &str) -> (u8, f64) {
        let estimate = self.estimated_ms.get(region).copied();
        match (self.measured.get(region), estimate) {
            (Some(Measured { rtt_ms: Some(ms), healthy: true }), _) => (0, *ms),
            (Some(Measured { rtt_ms: Some(ms), healthy: false }), _) => (1, *ms),
            // The matrix knows the region, and that nothing answered there.
            (Some(Measured { rtt_ms: None, .. }), estimate) => (3, estimate.unwrap_or(f64::INFINITY)),
            (None, Some(ms)) => (2, ms),
            (None, None) => (4, 0.0),
        }
    }

    /// The measured round-trip time to a region, in ms.
    #[must_use]
    pub fn rtt_ms(&self, region: &str) -> Option<f64> {
        self.measured.get(region)?.rtt_ms
    }
}

/// Puts the regions that have a target into the order in which they are tried: the ingress region's own, then that of everywhere, then the
/// nearest by the matrix. Of two that are as near, the first by name.
#[must_use]
pub fn order<'a>(ingress: &str, regions: impl IntoIterator<Item = &'a str>, distances: &Distances) -> Vec<&'a str> {
    let mut regions: Vec<&str> = regions.into_iter().collect();
    let class = |region: &str| match region {
        _ if region == ingress => 0,
        EVERYWHERE => 1,
        _ => 2,
    };
    let nearer = |one: &str, other: &str| -> Ordering {
        let ((kind, ms), (other_kind, other_ms)) = (distances.rank(one), distances.rank(other));
        kind.cmp(&other_kind).then(ms.total_cmp(&other_ms))
    };
    regions.sort_by(|one, other| {
        class(one).cmp(&class(other)).then_with(|| nearer(one, other)).then_with(|| one.cmp(other))
    });
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distances(measured: &[(&str, Option<f64>, bool)], estimated: &[(&str, f64)]) -> Distances {
        Distances {
            measured: (measured.iter())
                .map(|(region, rtt_ms, healthy)| {
                    ((*region).to_owned(), Measured { rtt_ms: *rtt_ms, healthy: *healthy })
                })
                .collect(),
            estimated_ms: estimated.iter().map(|(region, ms)| ((*region).to_owned(), *ms)).collect(),
        }
    }

    #[test]
    fn the_own_region_is_first_then_everywhere_then_the_nearest() {
        let near = distances(&[("a", Some(30.0), true), ("b", Some(10.0), true)], &[("a", 1.0)]);
        assert_eq!(order("x", ["a", "b", "*", "x"], &near), ["x", "*", "b", "a"]);
        assert_eq!(order("x", ["a", "b", "*"], &near), ["*", "b", "a"]);
        assert_eq!(order("x", ["a", "b"], &near), ["b", "a"]);
        assert_eq!(order("x", ["a"], &Distances::default()), ["a"], "a single one, wherever it is");
        assert_eq!(order("x", [], &near), [""; 0]);
    }

    #[test]
    fn what_is_ill_comes_behind_and_what_is_unknown_goes_by_geography() {
        let near = distances(
            &[("ill", Some(1.0), false), ("well", Some(90.0), true), ("dead", None, false)],
            &[("near", 5.0), ("far", 50.0), ("dead", 1.0), ("well", 2.0)],
        );
        let regions = ["nowhere", "dead", "far", "near", "ill", "well"];
        assert_eq!(order("x", regions, &near), ["well", "ill", "near", "far", "dead", "nowhere"]);
    }

    #[test]
    fn equals_are_in_order_of_their_names() {
        let near = distances(&[("b", Some(5.0), true), ("a", Some(5.0), true)], &[]);
        assert_eq!(order("x", ["b", "a"], &near), ["a", "b"]);
    }
}
