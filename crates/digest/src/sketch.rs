//! What a digest holds beyond [`EXACT_LIMIT`](crate::EXACT_LIMIT) values: ascending centroids, and what lies between them.

use tdigest::Centroid;

use crate::latency_digest::Totals;
use crate::sorting;

/// At most this many centroids are kept, and accepted.
pub const MAX_CENTROIDS: usize = 512;

/// The mean of differing values is kept to this fraction of a µs, and never whole.
pub(crate) const MEAN_STEPS: u64 = 4;

/// Whether the values behind a centroid differ: the mean of equal values is whole, and no other is.
pub(crate) fn is_mixed(centroid: &Centroid) -> bool {
    whole(centroid.mean()) != centroid.mean()
}

/// What `f64::floor` gives for a µs. That is a call into a library on the plainest processors.
fn whole(mean: f64) -> f64 {
    mean as u64 as f64
}

/// The mean of differing values as it is kept: a quarter, a half or three quarters above a whole µs, and among the values.
pub(crate) fn mixed_mean(mean: f64) -> f64 {
    let steps = MEAN_STEPS as f64;
    let floor = whole(mean);
    if floor == mean {
        // Up or down, so that the sum of many does not drift.
        return mean + if (mean as u64).is_multiple_of(2) { 1.0 } else { -1.0 } / steps;
    }
    floor + whole((mean - floor) * steps + 0.5).clamp(1.0, steps - 1.0) / steps
}

/// Sorts centroids of the form in which they are kept, and makes one of equal ones.
pub(crate) fn sort(centroids: &mut Vec<Centroid>) {
    sorting::sort_by_key(centroids, |centroid| (centroid.mean() * MEAN_STEPS as f64) as u64);
    centroids.dedup_by(|next, kept| {
        let equal = next.mean() == kept.mean();
        if equal {
            *kept = Centroid::new(kept.mean(), kept.weight() + next.weight());
        }
        equal
    });
}

/// Appends a centroid behind those below it; one that is no greater than the last becomes part of that.
pub(crate) fn push(centroids: &mut Vec<Centroid>, mean: f64, weight: f64) {
    match centroids.last_mut() {
        Some(last) if last.mean() >= mean => *last = Centroid::new(last.mean(), last.weight() + weight),
        _ => centroids.push(Centroid::new(mean, weight)),
    }
}

/// Ascending centroids of any mean and whole weight in the form in which they are kept.
pub(crate) fn canonical(ascending: impl Iterator<Item = (f64, f64)>) -> Vec<Centroid> {
    let mut centroids = Vec::with_capacity(ascending.size_hint().0);
    for (mean, weight) in ascending {
        let kept = if mean.fract() == 0.0 {
            mean
        } else if weight == 1.0 {
            mean.round()
        } else {
            mixed_mean(mean)
        };
        push(&mut centroids, kept, weight);
    }
    centroids
}

/// The `q`-quantile, `q` within 0..=1: numpy's `linear` of the values that the centroids stand for, by [`value_at`].
pub(crate) fn quantile(centroids: &[Centroid], totals: &Totals, q: f64) -> f64 {
    let rank = q * (totals.count - 1) as f64;
    let low = value_at(centroids, totals, rank.floor());
    let high = value_at(centroids, totals, rank.ceil());
    low + (high - low) * rank.fract()
}

/// The value of this rank, counted from 0, in whole µs as all values are; exact where the values behind its centroid are equal.
fn value_at(centroids: &[Centroid], totals: &Totals, rank: f64) -> f64 {
    if rank <= 0.0 {
        return totals.min.into();
    }
    if rank >= (totals.count - 1) as f64 {
        return totals.max.into();
    }
    let mut below = 0.0;
    for (i, centroid) in centroids.iter().enumerate() {
        let weight = centroid.weight();
        if rank < below + weight {
            return if is_mixed(centroid) {
                (centroid.mean() + Spread::of(centroids, i, totals).at((rank - below + 0.5) / weight)).round()
            } else {
                centroid.mean()
            };
        }
        below += weight;
    }
    totals.max.into()
}

/// How far the values behind a centroid reach below and above their mean.
struct Spread {
    left: f64,
    right: f64,
}

impl Spread {
    /// The values reach over the centroid's share of the way to each neighbour. A gap makes that way long, which says nothing about the
    /// centroid beside it: neither side reaches more than twice as far as the other.
    fn of(centroids: &[Centroid], i: usize, totals: &Totals) -> Self {
        let (mean, weight) = (centroids[i].mean(), centroids[i].weight());
        let share = |neighbour: Option<&Centroid>, end: u32| match neighbour {
            Some(other) if is_mixed(other) => (mean - other.mean()).abs() * weight / (weight + other.weight()),
            Some(other) => (mean - other.mean()).abs() * weight / (weight + 1.0),
            None => (mean - f64::from(end)).abs(),
        };
        let left = share(i.checked_sub(1).map(|before| &centroids[before]), totals.min);
        let right = share(centroids.get(i + 1), totals.max);
        Self { left: left.min(2.0 * right), right: right.min(2.0 * left) }
    }

    /// The distance from the mean of the value before which this share (0 to 1) of the values lies: the parabola from end to end whose mean
    /// is 0, which rises as long as neither side is longer than twice the other.
    fn at(&self, share: f64) -> f64 {
        let t = 2.0 * share - 1.0;
        let (half, skew) = ((self.right + self.left) / 2.0, (self.right - self.left) / 4.0);
        half * t + skew * (3.0 * t * t - 1.0)
    }
}

/// Appends the centroids in pieces of about `most` values, spread as quantiles take them to be. Merged whole, a heavy centroid would put all
/// of its values on one side of another sketch's.
pub(crate) fn extend_in_pieces(out: &mut Vec<Centroid>, centroids: &[Centroid], totals: &Totals, most: f64) {
    for (i, centroid) in centroids.iter().enumerate() {
        let weight = centroid.weight();
        if weight <= most || !is_mixed(centroid) {
            out.push(*centroid);
            continue;
        }
        let spread = Spread::of(centroids, i, totals);
        // Of two values at least, as differing values must be.
        let pieces = whole(weight / most.max(2.0)).max(1.0);
        let (mut piece, mut done) = (0.0, 0.0);
        while done < weight {
            piece += 1.0;
            let up_to = whole(weight * piece / pieces);
            let mean = centroid.mean() + spread.at((done + up_to) / 2.0 / weight);
            out.push(Centroid::new(mixed_mean(mean), up_to - done));
            done = up_to;
        }
    }
}
