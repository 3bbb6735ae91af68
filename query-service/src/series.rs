//! The history of one pair as tumbling windows, from live minutes or from the archive's samples.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use cloudping_digest::{SeriesSummary, linear_quantile};
use cloudping_model::{Family, Outcome, Pane, Protocol, UtcMicros};
use cloudping_schemas::api::SeriesPoint;
use cloudping_schemas::stored::SeriesKey;
use cloudping_schemas::tables;
use cloudping_windows::{Places, StoredPanes};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast, col, lit};
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use crate::archive::shown;
use crate::sql::SqlError;
use crate::text::{millis, rfc3339};

/// Samples that one answer from the archive may be made of: their round-trip times are held in memory.
const MAX_SAMPLES: usize = 20_000_000;
/// The percentiles of a point.
pub(crate) const QUANTILES: [f64; 6] = [0.10, 0.25, 0.50, 0.75, 0.90, 0.99];

/// Whole windows of one pair: `start` and `end` are multiples of `step_us`, the end is exclusive.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) protocol: Protocol,
    pub(crate) start: UtcMicros,
    pub(crate) end: UtcMicros,
    pub(crate) step_us: i64,
}

/// What a window is known by, however it was counted.
pub(crate) struct Figures {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) retransmitted: u64,
    pub(crate) count: u64,
    pub(crate) min_us: Option<f64>,
    pub(crate) max_us: Option<f64>,
    pub(crate) mean_us: Option<f64>,
    pub(crate) stddev_us: Option<f64>,
    pub(crate) jitter_us: Option<f64>,
    /// Of [`QUANTILES`], in its order.
    pub(crate) quantiles_us: Vec<Option<f64>>,
}

impl Figures {
    fn of(summary: &SeriesSummary) -> Self {
        Self {
            sent: summary.sent(),
            lost: summary.lost(),
            retransmitted: summary.retransmitted(),
            count: summary.received(),
            min_us: summary.min_us().map(f64::from),
            max_us: summary.max_us().map(f64::from),
            mean_us: summary.mean_us(),
            stddev_us: summary.stddev_us(),
            jitter_us: summary.jitter_us(),
            quantiles_us: summary.quantiles(&QUANTILES),
        }
    }

    pub(crate) fn point(&self, start: UtcMicros) -> SeriesPoint {
        let quantile = |at: usize| self.quantiles_us.get(at).copied().flatten().map(millis);
        SeriesPoint {
            time: rfc3339(start),
            sent: self.sent,
            lost: self.lost,
            retransmitted: self.retransmitted,
            count: self.count,
            low_count: self.count < 1000,
            min_ms: self.min_us.map(millis),
            p10_ms: quantile(0),
            p25_ms: quantile(1),
            p50_ms: quantile(2),
            p75_ms: quantile(3),
            p90_ms: quantile(4),
            p99_ms: quantile(5),
            max_ms: self.max_us.map(millis),
            mean_ms: self.mean_us.map(millis),
            stddev_ms: self.stddev_us.map(millis),
            jitter_ms: self.jitter_us.map(millis),
        }
    }
}

/// The windows with data, from minute panes. The step must be a multiple of a minute.
///
/// Of a pair that was measured over both address families IPv4 is shown.
pub(crate) fn from_minutes(span: &Span, minutes: &StoredPanes, places: &Places) -> Vec<SeriesPoint> {
    let panes: Vec<_> = minutes.range(span.start..span.end).map(|(start, pane)| (*start, pane.columns())).collect();
    let by_family = [Family::V4, Family::V6].map(|family| {
        let target = cloudping_model::TargetId::new(&span.target).ok()?;
        places.find(&SeriesKey { target, protocol: span.protocol, family })
    });
    let measured = |place: &u32| panes.iter().any(|(_, columns)| columns.contains(*place));
    let Some(place) = by_family.into_iter().flatten().find(measured) else {
        return Vec::new();
    };
    let mut windows: BTreeMap<UtcMicros, Vec<SeriesSummary>> = BTreeMap::new();
    for (start, columns) in &panes {
        windows.entry(start.floor(span.step_us)).or_default().extend(columns.get(place));
    }
    let measured = windows.into_iter().filter(|(_, summaries)| !summaries.is_empty());
    measured.map(|(start, summaries)| Figures::of(&SeriesSummary::merge_many(&summaries)).point(start)).collect()
}

/// One window's samples.
#[derive(Debug, Default)]
struct Bucket {
    unanswered: u64,
    retransmitted: u64,
    unknown: u64,
    rtts_us: Vec<u32>,
}

impl Bucket {
    fn count(&mut self, outcome: Outcome, rtt_us: Option<u32>) {
        match (outcome, rtt_us) {
            (Outcome::Answered, Some(rtt_us)) => self.rtts_us.push(rtt_us),
            (Outcome::Answered, None) => self.unknown += 1,
            (outcome, _) if outcome.is_loss() => {
                self.unanswered += 1;
                self.retransmitted += u64::from(outcome == Outcome::Retransmitted);
            }
            _ => {}
        }
    }

    /// `None` when nothing was sent.
    fn figures(mut self) -> Option<Figures> {
        self.rtts_us.sort_unstable();
        let sorted = &self.rtts_us;
        let count = sorted.len() as u64;
        let sum: u64 = sorted.iter().map(|&rtt_us| u64::from(rtt_us)).sum();
        let sent = count + self.unanswered + self.unknown;
        let (least, mean) = (sorted.first().copied().map(f64::from), sum as f64 / count as f64);
        let squares: f64 = sorted.iter().map(|&rtt_us| (f64::from(rtt_us) - mean).powi(2)).sum();
        (sent > 0).then(|| Figures {
            sent,
            lost: self.unanswered,
            retransmitted: self.retransmitted,
            count,
            min_us: least,
            max_us: sorted.last().copied().map(f64::from),
            mean_us: least.map(|_| mean),
            stddev_us: least.map(|_| (squares / count as f64).sqrt()),
            jitter_us: least.map(|least| mean - least),
            quantiles_us: QUANTILES.iter().map(|&q| linear_quantile(sorted, q)).collect(),
        })
    }
}

/// The windows with data, exact, from the table of samples.
///
/// # Errors
/// [`SqlError`], also when the range holds more samples than are held in memory.
pub(crate) async fn from_samples(
    session: &SessionContext,
    span: &Span,
    simulated: bool,
) -> Result<Vec<SeriesPoint>, SqlError> {
    let columns = vec![
        cast(col("ts"), DataType::Int64),
        cast(col("family"), DataType::Int32),
        cast(col("outcome"), DataType::Utf8),
        cast(col("rtt_us"), DataType::Int32),
    ];
    let samples = shown(session.table(tables::SAMPLES).await?, simulated)?;
    let mut batches = samples.filter(within(span))?.select(columns)?.execute_stream().await?;
    let mut families: BTreeMap<i32, BTreeMap<UtcMicros, Bucket>> = BTreeMap::new();
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        if rows > MAX_SAMPLES {
            let text = format!(
                "the range holds more than {MAX_SAMPLES} samples of this pair: ask for a shorter one, or read rollup_1h by SQL"
            );
            return Err(SqlError::Invalid(text));
        }
        count(&batch, span.step_us, &mut families);
    }
    // IPv4 before IPv6, as in the live view.
    let windows = families.into_values().next().unwrap_or_default();
    let points = windows.into_iter().filter_map(|(start, bucket)| Some(bucket.figures()?.point(start)));
    Ok(points.collect())
}

/// The samples of a span; the dates let whole partitions be skipped.
fn within(span: &Span) -> Expr {
    let time = |at: UtcMicros| lit(ScalarValue::TimestampMicrosecond(Some(at.0), Some("UTC".into())));
    let date = |at: UtcMicros| {
        let days = at.0.div_euclid(Pane::Day.micros());
        lit(ScalarValue::Date32(Some(i32::try_from(days).unwrap_or(i32::MAX))))
    };
    let pair = col("source").eq(lit(&*span.source)).and(col("target").eq(lit(&*span.target)));
    let protocol = col("protocol").eq(lit(span.protocol.name()));
    let range = col("ts").gt_eq(time(span.start)).and(col("ts").lt(time(span.end)));
    let dates = col(tables::PARTITION).between(date(span.start), date(span.end));
    dates.and(pair).and(protocol).and(range)
}

fn count(batch: &RecordBatch, step_us: i64, families: &mut BTreeMap<i32, BTreeMap<UtcMicros, Bucket>>) {
    let times = batch.column(0).as_primitive::<Int64Type>();
    let family = batch.column(1).as_primitive::<Int32Type>();
    let outcomes = batch.column(2).as_string::<i32>();
    let rtts = batch.column(3).as_primitive::<Int32Type>();
    for row in 0..batch.num_rows() {
        let named = |outcome: &Outcome| outcome.name() == outcomes.value(row);
        let Some(outcome) = Outcome::ALL.into_iter().find(named) else {
            continue;
        };
        if !outcome.was_sent() {
            // Its family is a guess where the name had no address: it must not make a series of its own.
            continue;
        }
        let rtt_us = rtts.is_valid(row).then(|| u32::try_from(rtts.value(row)).ok()).flatten();
        let windows = families.entry(family.value(row)).or_default();
        let window = UtcMicros(times.value(row)).floor(step_us);
        windows.entry(window).or_default().count(outcome, rtt_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_counts_loss_apart_and_ignores_what_was_never_sent() {
        let mut bucket = Bucket::default();
        bucket.count(Outcome::NotSent, None);
        assert!(Bucket::default().figures().is_none());
        bucket.count(Outcome::Answered, Some(7_000));
        bucket.count(Outcome::Answered, None);
        bucket.count(Outcome::Timeout, None);
        bucket.count(Outcome::Retransmitted, None);
        let point = bucket.figures().unwrap().point(UtcMicros(0));
        assert_eq!((point.sent, point.lost, point.count, point.low_count), (4, 2, 1, true));
        assert_eq!((point.p50_ms, point.max_ms, point.mean_ms), (Some(7.0), Some(7.0), Some(7.0)));
        assert_eq!((point.retransmitted, point.stddev_ms, point.jitter_ms), (1, Some(0.0), Some(0.0)));
    }

    #[test]
    fn an_archived_window_spreads_as_a_live_one_does() {
        let (mut bucket, mut summary) = (Bucket::default(), SeriesSummary::new());
        for rtt_us in [2_000, 4_000, 4_000, 4_000, 5_000, 5_000, 7_000, 9_000] {
            bucket.count(Outcome::Answered, Some(rtt_us));
            summary.record_rtt(0, rtt_us);
        }
        let point = bucket.figures().unwrap().point(UtcMicros(0));
        assert_eq!((point.stddev_ms, point.jitter_ms), (Some(2.0), Some(3.0)));
        assert_eq!(point, Figures::of(&summary).point(UtcMicros(0)));
    }
}
