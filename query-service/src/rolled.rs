//! The history of one pair from the rollups: windows of whole hours or days, however long the range.
//!
//! A window of exactly an hour or a day has the row's exact percentiles; a longer one those of its rows' merged digests.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use cloudping_digest::{LatencyDigest, trino};
use cloudping_model::UtcMicros;
use cloudping_schemas::api::SeriesPoint;
use cloudping_schemas::tables;
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::{Expr, cast, col, lit};
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use crate::archive::shown;
use crate::series::{Figures, QUANTILES, Span};
use crate::sql::SqlError;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
/// Longer ranges are answered from digests where the step is several hours or days; shorter ones from the samples, exactly.
const LONG_US: i64 = 7 * DAY_US;
/// Windows that ended this long ago are in the rollups, which follow the samples within minutes, unless these have stalled.
const SETTLED_US: i64 = 6 * HOUR_US;
/// The percentiles of a row, in the order of [`QUANTILES`].
const PERCENTILES: [&str; 6] = ["p10_us", "p25_us", "p50_us", "p75_us", "p90_us", "p99_us"];

/// Until when the rollups suit the windows of a span; its start where they do not.
pub(crate) fn rolled_until(span: &Span, now: UtcMicros) -> UtcMicros {
    let one_row = span.step_us == HOUR_US || span.step_us == DAY_US;
    let long = span.step_us % HOUR_US == 0 && span.end.0 - span.start.0 > LONG_US;
    if !one_row && !long {
        return span.start;
    }
    (now - SETTLED_US).floor(span.step_us).clamp(span.start, span.end)
}

/// How far the rollups really reach, up to the end of a span: to the start of their newest row, which may still grow.
///
/// # Errors
/// [`SqlError`].
pub(crate) async fn rolled_up(session: &SessionContext, span: &Span, simulated: bool) -> Result<UtcMicros, SqlError> {
    let days = is_days(span);
    let (table, time) = table(days);
    // A row at the end shows that the one before it is whole. The rows of every pair: one that is measured no more has none.
    let through = Span { end: span.end + if days { DAY_US } else { HOUR_US }, ..span.clone() };
    let rows = shown(session.table(table).await?, simulated)?.filter(times(&through, days))?;
    let newest = rows.aggregate(vec![], vec![max(time).alias("newest")])?.collect().await?;
    let newest = newest.first().map(|batch| batch.column(0).as_primitive::<Int64Type>());
    let newest = newest.filter(|column| !column.is_empty() && column.is_valid(0)).map(|column| column.value(0));
    Ok(newest.map_or(span.start, |start| UtcMicros(start).floor(span.step_us).clamp(span.start, span.end)))
}

/// Whether the rollups of days answer.
fn is_days(span: &Span) -> bool {
    span.step_us % DAY_US == 0
}

/// A table of rollups, and the start of its rows in microseconds since 1970.
fn table(days: bool) -> (&'static str, Expr) {
    if days {
        (tables::ROLLUP_1D, cast(cast(col("day"), DataType::Int32), DataType::Int64) * lit(DAY_US))
    } else {
        (tables::ROLLUP_1H, cast(col("hour"), DataType::Int64))
    }
}

/// The windows with data.
///
/// # Errors
/// [`SqlError`].
pub(crate) async fn from_rollups(
    session: &SessionContext,
    span: &Span,
    simulated: bool,
) -> Result<Vec<SeriesPoint>, SqlError> {
    let days = is_days(span);
    let (table, time) = table(days);
    let mut columns = vec![time.alias("time"), cast(col("family"), DataType::Int32)];
    for name in ["sent", "received", "lost", "retransmitted"] {
        columns.push(cast(col(name), DataType::Int64));
    }
    for name in ["min_us", "max_us", "mean_us", "stddev_us"].into_iter().chain(PERCENTILES) {
        columns.push(cast(col(name), DataType::Float64));
    }
    columns.push(cast(col("digest"), DataType::Binary));
    let rows = shown(session.table(table).await?, simulated)?.filter(within(span, days))?.select(columns)?;
    let mut batches = rows.execute_stream().await?;
    let mut families: BTreeMap<i32, BTreeMap<UtcMicros, Window>> = BTreeMap::new();
    while let Some(batch) = batches.next().await {
        add(&batch?, span, &mut families);
    }
    // IPv4 before IPv6, as in the live view.
    let windows = families.into_values().next().unwrap_or_default();
    windows.into_iter().map(|(start, window)| Ok(window.figures()?.point(start))).collect()
}

/// The rows of a pair in a span.
fn within(span: &Span, days: bool) -> Expr {
    let pair = col("source").eq(lit(&*span.source)).and(col("target").eq(lit(&*span.target)));
    times(span, days).and(pair).and(col("protocol").eq(lit(span.protocol.name())))
}

/// The rows of a span; the partitions let whole files be skipped.
fn times(span: &Span, days: bool) -> Expr {
    let date = |at: UtcMicros| {
        let days = at.0.div_euclid(DAY_US);
        lit(ScalarValue::Date32(Some(i32::try_from(days).unwrap_or(i32::MAX))))
    };
    let time = |at: UtcMicros| lit(ScalarValue::TimestampMicrosecond(Some(at.0), Some("UTC".into())));
    if days {
        // A month begins at most 31 days before its days.
        let months = col(tables::MONTH).between(date(span.start - 31 * DAY_US), date(span.end));
        return months.and(col("day").gt_eq(date(span.start))).and(col("day").lt(date(span.end)));
    }
    let dates = col(tables::PARTITION).between(date(span.start), date(span.end));
    dates.and(col("hour").gt_eq(time(span.start))).and(col("hour").lt(time(span.end)))
}

/// What the rows of a window add up to.
#[derive(Debug, Default)]
struct Window {
    rows: usize,
    sent: u64,
    received: u64,
    lost: u64,
    retransmitted: u64,
    min_us: Option<f64>,
    max_us: Option<f64>,
    sum_us: f64,
    sum_of_squares: f64,
    /// Of the only row.
    exact_us: Vec<Option<f64>>,
    /// As they are stored: where a window is one row, nobody asks for its digest.
    digests: Vec<Vec<u8>>,
}

fn add(batch: &RecordBatch, span: &Span, families: &mut BTreeMap<i32, BTreeMap<UtcMicros, Window>>) {
    let whole = |at: usize| batch.column(at).as_primitive::<Int64Type>();
    let family = batch.column(1).as_primitive::<Int32Type>();
    let digests = batch.column(16).as_binary::<i32>();
    for row in 0..batch.num_rows() {
        let float = |at: usize| {
            let column = batch.column(at).as_primitive::<Float64Type>();
            column.is_valid(row).then(|| column.value(row))
        };
        let start = UtcMicros(whole(0).value(row)).floor(span.step_us);
        let window = families.entry(family.value(row)).or_default().entry(start).or_default();
        let count = |at: usize| whole(at).value(row).cast_unsigned();
        window.rows += 1;
        window.sent += count(2);
        window.received += count(3);
        window.lost += count(4);
        window.retransmitted += count(5);
        window.min_us = [window.min_us, float(6)].into_iter().flatten().reduce(f64::min);
        window.max_us = [window.max_us, float(7)].into_iter().flatten().reduce(f64::max);
        if let (Some(mean), Some(stddev)) = (float(8), float(9)) {
            let received = count(3) as f64;
            window.sum_us += received * mean;
            window.sum_of_squares += received * (stddev * stddev + mean * mean);
        }
        if window.rows == 1 {
            window.exact_us = (10..16).map(float).collect();
        }
        if digests.is_valid(row) {
            window.digests.push(digests.value(row).to_vec());
        }
    }
}

impl Window {
    fn figures(self) -> Result<Figures, SqlError> {
        let count = self.received as f64;
        let mean_us = (self.received > 0).then(|| self.sum_us / count);
        let quantiles_us = if self.rows == 1 {
            self.exact_us
        } else {
            let digests =
                self.digests.iter().map(|bytes| trino::from_trino_bytes(bytes)).collect::<Result<Vec<_>, _>>();
            let digests = digests.map_err(|error| SqlError::Failed(format!("rollups: digest: {error}")))?;
            LatencyDigest::merge_many(&digests).quantiles(&QUANTILES)
        };
        Ok(Figures {
            sent: self.sent,
            lost: self.lost,
            retransmitted: self.retransmitted,
            count: self.received,
            min_us: self.min_us,
            max_us: self.max_us,
            mean_us,
            // Rounding can put the difference of two nearly equal numbers below zero.
            stddev_us: mean_us.map(|mean| (self.sum_of_squares / count - mean * mean).max(0.0).sqrt()),
            jitter_us: mean_us.zip(self.min_us).map(|(mean, least)| mean - least),
            quantiles_us,
        })
    }
}

#[cfg(test)]
mod tests {
    use cloudping_model::Protocol;

    use super::*;

    #[test]
    fn rollups_answer_where_they_are_exact_or_the_range_is_long() {
        let now = UtcMicros(400 * DAY_US + 13 * HOUR_US + 5);
        let until = |step_us: i64, days: i64| {
            let end = (now + (step_us - 1)).floor(step_us);
            let start = (end - days * DAY_US).floor(step_us);
            let span =
                Span { source: "a".into(), target: "b".into(), protocol: Protocol::TcpConnect, start, end, step_us };
            (rolled_until(&span, now).0 - start.0) / HOUR_US
        };
        assert_eq!((until(60_000_000, 30), until(2 * HOUR_US, 3), until(90 * 60_000_000, 30)), (0, 0, 0));
        assert_eq!(until(HOUR_US, 1), 24 - 7, "the last six hours, and the one that is running, are left out");
        assert_eq!(until(DAY_US, 10), 9 * 24, "today is left out");
        assert_eq!(until(2 * HOUR_US, 10), 10 * 24 - 8);
    }
}
