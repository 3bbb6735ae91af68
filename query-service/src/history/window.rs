//! What the parts of a window add up to.

use cloudping_digest::{LatencyDigest, SeriesSummary, linear_quantile, trino};
use cloudping_model::Outcome;
use cloudping_schemas::tables;

use crate::sql::SqlError;

/// A window whose parts are being gathered.
#[derive(Debug, Default)]
pub(crate) struct Window {
    sent: u64,
    lost: u64,
    retransmitted: u64,
    /// Of the round-trip times that are in rows and digests.
    summed: Summed,
    /// Single round-trip times.
    rtts_us: Vec<u32>,
    /// Of the live store, where it does not keep each value: they may be merges, whose ranks nothing is certain of.
    digests: Vec<LatencyDigest>,
    rows: Vec<Row>,
}

/// What can be added up.
#[derive(Debug, Default, Clone, Copy)]
struct Summed {
    count: u64,
    min_us: Option<f64>,
    max_us: Option<f64>,
    sum_us: f64,
    squares: f64,
}

impl Summed {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.min_us = [self.min_us, other.min_us].into_iter().flatten().reduce(f64::min);
        self.max_us = [self.max_us, other.max_us].into_iter().flatten().reduce(f64::max);
        self.sum_us += other.sum_us;
        self.squares += other.squares;
    }

    /// Of single values in ascending order.
    fn of(ascending: &[u32]) -> Self {
        let sum: u64 = ascending.iter().map(|&rtt_us| u64::from(rtt_us)).sum();
        Self {
            count: ascending.len() as u64,
            min_us: ascending.first().copied().map(f64::from),
            max_us: ascending.last().copied().map(f64::from),
            sum_us: sum as f64,
            squares: ascending.iter().map(|&rtt_us| f64::from(rtt_us) * f64::from(rtt_us)).sum(),
        }
    }
}

/// A row of a rollup.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) retransmitted: u64,
    pub(crate) min_us: Option<f64>,
    pub(crate) max_us: Option<f64>,
    pub(crate) mean_us: Option<f64>,
    pub(crate) stddev_us: Option<f64>,
    /// Of [`tables::PERCENTILES`], in its order; exact.
    pub(crate) percentiles_us: Vec<Option<f64>>,
    /// In Trino's bytes, as it is stored: where a window is one row, mostly nobody asks for it.
    pub(crate) digest: Option<Vec<u8>>,
}

impl Window {
    /// Probes sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Adds a probe. One that was never sent counts for nothing.
    pub(crate) fn add_probe(&mut self, outcome: Outcome, rtt_us: Option<u32>) {
        if !outcome.was_sent() {
            return;
        }
        self.sent += 1;
        if outcome.is_loss() {
            self.lost += 1;
            self.retransmitted += u64::from(outcome == Outcome::Retransmitted);
        } else if let (Outcome::Answered, Some(rtt_us)) = (outcome, rtt_us) {
            self.rtts_us.push(rtt_us);
        }
    }

    /// Adds what was counted live.
    pub(crate) fn add_summary(&mut self, summary: &SeriesSummary) {
        self.sent += summary.sent();
        self.lost += summary.lost();
        self.retransmitted += summary.retransmitted();
        if let Some(values) = summary.digest().values() {
            self.rtts_us.extend_from_slice(&values);
            return;
        }
        self.summed.add(&Summed {
            count: summary.received(),
            min_us: summary.min_us().map(f64::from),
            max_us: summary.max_us().map(f64::from),
            sum_us: summary.sum_us() as f64,
            squares: summary.sum_sq_us() as f64,
        });
        self.digests.push(summary.digest().clone());
    }

    /// Adds a row of a rollup.
    pub(crate) fn add_row(&mut self, row: Row) {
        self.sent += row.sent;
        self.lost += row.lost;
        self.retransmitted += row.retransmitted;
        let count = row.received as f64;
        let (mean, stddev) = (row.mean_us.unwrap_or(0.0), row.stddev_us.unwrap_or(0.0));
        self.summed.add(&Summed {
            count: row.received,
            min_us: row.min_us,
            max_us: row.max_us,
            sum_us: count * mean,
            squares: count * (stddev * stddev + mean * mean),
        });
        if row.received > 0 {
            self.rows.push(row);
        }
    }

    /// What the window is known by.
    ///
    /// # Errors
    /// [`SqlError::Failed`] for a row whose digest is none.
    pub(crate) fn measured(mut self) -> Result<Measured, SqlError> {
        self.rtts_us.sort_unstable();
        let single = Summed::of(&self.rtts_us);
        let alone = self.rows.is_empty() && self.digests.is_empty();
        let mut all = self.summed;
        all.add(&single);
        let count = all.count as f64;
        let mean_us = (all.count > 0).then(|| all.sum_us / count);
        let variance = |mean: f64| {
            if alone {
                // Nearer to the truth than by the sum of squares.
                self.rtts_us.iter().map(|&rtt_us| (f64::from(rtt_us) - mean).powi(2)).sum::<f64>() / count
            } else {
                // Rounding can put the difference of two nearly equal numbers below zero.
                (all.squares / count - mean * mean).max(0.0)
            }
        };
        let stddev_us = mean_us.map(|mean| variance(mean).sqrt());
        let values = if alone { Values::Single(self.rtts_us) } else { merged(self.rows, self.digests, self.rtts_us)? };
        Ok(Measured {
            sent: self.sent,
            lost: self.lost,
            retransmitted: self.retransmitted,
            count: all.count,
            min_us: all.min_us,
            max_us: all.max_us,
            mean_us,
            stddev_us,
            jitter_us: mean_us.zip(all.min_us).map(|(mean, least)| mean - least),
            values,
        })
    }
}

fn merged(rows: Vec<Row>, mut parts: Vec<LatencyDigest>, rtts_us: Vec<u32>) -> Result<Values, SqlError> {
    let live = parts.len();
    let one_row = rows.len() == 1 && parts.is_empty() && rtts_us.is_empty();
    let mut percentiles_us = Vec::new();
    for row in rows {
        if one_row {
            percentiles_us = row.percentiles_us;
        }
        let Some(bytes) = row.digest else {
            return Err(SqlError::Failed("rollups: a row with round-trip times has no digest".to_owned()));
        };
        let digest = trino::from_trino_bytes(&bytes);
        parts.push(digest.map_err(|error| SqlError::Failed(format!("rollups: digest: {error}")))?);
    }
    // A row's digest was made in one pass; of the live store's nobody knows.
    let bounded = live == 0;
    let of_parts = LatencyDigest::from_sorted(&rtts_us);
    let digest = LatencyDigest::merge_many(parts.iter().chain(Some(&of_parts)));
    Ok(Values::Merged { digest, parts, bounded, rtts_us, percentiles_us })
}

/// The round-trip times of a window.
#[derive(Debug)]
enum Values {
    /// Every one, ascending.
    Single(Vec<u32>),
    /// A digest of all.
    Merged {
        digest: LatencyDigest,
        /// What it was merged from, but for the single values: what is certain of their ranks is certain of the sum.
        parts: Vec<LatencyDigest>,
        /// Whether that is so of all the parts.
        bounded: bool,
        /// Single values, ascending.
        rtts_us: Vec<u32>,
        /// Of [`tables::PERCENTILES`], where the window is one row of a rollup.
        percentiles_us: Vec<Option<f64>>,
    },
}

impl Default for Values {
    fn default() -> Self {
        Self::Single(Vec::new())
    }
}

/// A percentile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantile {
    /// `None` without any round-trip time.
    pub(crate) us: Option<f64>,
    /// By how much of all round-trip times its rank is off at most, 0 to 1: 0 where it is exact, `None` where that is not known.
    pub(crate) rank_error: Option<f64>,
}

/// What a window is known by; by default one in which nothing was sent.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) retransmitted: u64,
    /// Round-trip times.
    pub(crate) count: u64,
    pub(crate) min_us: Option<f64>,
    pub(crate) max_us: Option<f64>,
    pub(crate) mean_us: Option<f64>,
    pub(crate) stddev_us: Option<f64>,
    /// The mean less the least.
    pub(crate) jitter_us: Option<f64>,
    values: Values,
}

impl Measured {
    /// The quantile `q`, 0 to 1.
    pub(crate) fn quantile(&self, q: f64) -> Quantile {
        let (digest, parts, bounded, rtts_us) = match &self.values {
            Values::Single(ascending) => return Quantile { us: linear_quantile(ascending, q), rank_error: Some(0.0) },
            Values::Merged { digest, parts, bounded, rtts_us, percentiles_us } => {
                let stored = tables::PERCENTILES.iter().position(|(_, stored)| (stored - q).abs() < 1e-9);
                if let Some(us) = stored.and_then(|at| percentiles_us.get(at).copied().flatten()) {
                    return Quantile { us: Some(us), rank_error: Some(0.0) };
                }
                (digest, parts, *bounded, rtts_us)
            }
        };
        let us = digest.quantile(q);
        if digest.is_exact() {
            return Quantile { us, rank_error: Some(0.0) };
        }
        let rank_error = us.filter(|_| bounded).map(|us| rank_error(q, us, self.count, parts, rtts_us));
        Quantile { us, rank_error }
    }

    /// How many round-trip times are at most `us` µs: exact where all are at hand, else as the digest has it.
    pub(crate) fn count_up_to(&self, us: f64) -> u64 {
        match &self.values {
            Values::Single(ascending) => ascending.partition_point(|&value| f64::from(value) <= us) as u64,
            Values::Merged { digest, .. } => digest.count_up_to(us),
        }
    }

    /// Whether each round-trip time is at hand, so that every percentile is exact.
    pub(crate) fn is_exact(&self) -> bool {
        match &self.values {
            Values::Single(_) => true,
            Values::Merged { digest, .. } => digest.is_exact(),
        }
    }

    /// The share of the probes that were lost, 0 to 1; `None` when none was sent.
    pub(crate) fn loss(&self) -> Option<f64> {
        (self.sent > 0).then(|| self.lost as f64 / self.sent as f64)
    }

    /// Whether there are too few round-trip times for the quantile (n < 10/(1-q), below the median 10/q).
    pub(crate) fn is_low(&self, q: f64) -> bool {
        is_low(self.count, q)
    }
}

/// Whether so many round-trip times are too few for a quantile: fewer than ten are expected beyond it. Always for the extremes.
pub(crate) fn is_low(count: u64, q: f64) -> bool {
    let beyond = q.min(1.0 - q);
    // 0.1 is not ten hundredths of 1 in binary.
    beyond <= 0.0 || (count as f64) * beyond < 10.0 - 1e-6
}

/// By how much the rank of `us` may be off that of the quantile `q`, as a share of `count` values.
///
/// No estimate but a bound: the digest of a row was made in one pass from sorted values, so that it tells between which ranks a value lies, and
/// ranks add up over the parts. What merging does to the merged digest is in it, since it is that digest's answer that is looked up in the parts.
fn rank_error(q: f64, us: f64, count: u64, parts: &[LatencyDigest], rtts_us: &[u32]) -> f64 {
    let mut below = rtts_us.partition_point(|&value| f64::from(value) < us) as u64;
    let mut up_to = rtts_us.partition_point(|&value| f64::from(value) <= us) as u64;
    for part in parts {
        let bounds = part.rank_bounds(us);
        below += bounds.below_at_most;
        up_to += bounds.up_to_at_least;
    }
    let rank = q * count.saturating_sub(1) as f64;
    // A quantile between two values is less than a rank away from both.
    let off = f64::max(below as f64 - 1.0 - rank, rank - up_to as f64);
    (off / count as f64).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(ascending: &[u32]) -> Row {
        let single = Summed::of(ascending);
        let mean = single.sum_us / single.count as f64;
        let count = ascending.len() as u64;
        Row {
            sent: count,
            received: count,
            min_us: single.min_us,
            max_us: single.max_us,
            mean_us: Some(mean),
            stddev_us: Some((single.squares / count as f64 - mean * mean).max(0.0).sqrt()),
            percentiles_us: tables::PERCENTILES.iter().map(|(_, q)| linear_quantile(ascending, *q)).collect(),
            digest: Some(trino::to_trino_bytes(&LatencyDigest::from_sorted(ascending))),
            ..Row::default()
        }
    }

    #[test]
    fn a_window_counts_loss_apart_and_ignores_what_was_never_sent() {
        let mut window = Window::default();
        window.add_probe(Outcome::NotSent, None);
        assert_eq!(window.sent(), 0);
        for (outcome, rtt_us) in [
            (Outcome::Answered, Some(7_000)),
            (Outcome::Answered, None),
            (Outcome::Timeout, None),
            (Outcome::Retransmitted, None),
        ] {
            window.add_probe(outcome, rtt_us);
        }
        let measured = window.measured().unwrap();
        assert_eq!((measured.sent, measured.lost, measured.count, measured.retransmitted), (4, 2, 1, 1));
        assert_eq!((measured.quantile(0.5).us, measured.max_us, measured.mean_us), (Some(7e3), Some(7e3), Some(7e3)));
        assert_eq!((measured.stddev_us, measured.jitter_us, measured.loss()), (Some(0.0), Some(0.0), Some(0.5)));
    }

    #[test]
    fn an_archived_window_is_a_live_one() {
        let (mut archived, mut live, mut summary) = (Window::default(), Window::default(), SeriesSummary::new());
        for rtt_us in [2_000, 4_000, 4_000, 4_000, 5_000, 5_000, 7_000, 9_000] {
            archived.add_probe(Outcome::Answered, Some(rtt_us));
            summary.record_rtt(0, rtt_us);
        }
        live.add_summary(&summary);
        let [archived, live] = [archived, live].map(|window| window.measured().unwrap());
        assert_eq!((live.stddev_us, live.jitter_us), (Some(2_000.0), Some(3_000.0)));
        assert_eq!((archived.stddev_us, archived.quantile(0.9)), (live.stddev_us, live.quantile(0.9)));
    }

    #[test]
    fn one_row_has_its_percentiles_and_others_from_its_digest() {
        let ascending: Vec<u32> = (0..100_000_u64).map(|at| (10_000 + at * at / 100_000) as u32).collect();
        let mut window = Window::default();
        window.add_row(row(&ascending));
        let measured = window.measured().unwrap();
        assert_eq!(
            measured.quantile(0.999),
            Quantile { us: linear_quantile(&ascending, 0.999), rank_error: Some(0.0) }
        );
        let other = measured.quantile(0.97);
        assert!(other.rank_error.is_some_and(|error| error > 0.0 && error < 0.02), "{other:?}");
        assert!(!measured.is_exact());
    }

    #[test]
    fn few_values_are_marked() {
        for (count, q, low) in [
            (19, 0.5, true),
            (20, 0.5, false),
            (999, 0.99, true),
            (1_000, 0.99, false),
            (1_000, 0.01, false),
            (100, 0.9, false),
        ] {
            assert_eq!(is_low(count, q), low, "{count} {q}");
        }
        assert!(is_low(u64::MAX, 1.0) && is_low(u64::MAX, 0.0));
    }

    proptest! {
        /// Hours of any kind, with single values beside them: the bound holds for the true rank, and sums are those of all values.
        #[test]
        fn the_bound_holds(
            hours in prop::collection::vec((0..300_000_u32, 1..40_000_u32, 1..3_000_u32), 1..5),
            edge in prop::collection::vec(0..300_000_u32, 0..300),
            q in 0.0..=1.0_f64,
        ) {
            let (mut window, mut all) = (Window::default(), edge.clone());
            for rtt_us in edge {
                window.add_probe(Outcome::Answered, Some(rtt_us));
            }
            for (base, width, count) in hours {
                let mut values: Vec<u32> = (0..count).map(|at| base + at.wrapping_mul(2_654_435_761) % width).collect();
                values.sort_unstable();
                window.add_row(row(&values));
                all.extend(values);
            }
            all.sort_unstable();
            let measured = window.measured().unwrap();
            let found = measured.quantile(q);
            let us = found.us.unwrap();
            let below = all.partition_point(|&value| f64::from(value) < us) as f64;
            let up_to = all.partition_point(|&value| f64::from(value) <= us) as f64;
            let rank = q * (all.len() - 1) as f64;
            let off = f64::max(below - 1.0 - rank, rank - up_to).max(0.0) / all.len() as f64;
            prop_assert!(off <= found.rank_error.unwrap() + 1e-9, "off by {off}, {found:?}");
            prop_assert!(found.rank_error.unwrap() <= 0.1, "{found:?}");
            let truth = Summed::of(&all);
            prop_assert_eq!((measured.count, measured.min_us, measured.max_us), (truth.count, truth.min_us, truth.max_us));
            let mean = measured.mean_us.unwrap();
            prop_assert!((mean - truth.sum_us / truth.count as f64).abs() < 1e-6 * mean.max(1.0));
        }
    }
}
