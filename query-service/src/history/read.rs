//! The rows of a range: of the rollups, of the samples, and the live store's minutes.

use std::collections::BTreeSet;
use std::ops::Range;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use cloudping_model::{Outcome, UtcMicros};
use cloudping_schemas::tables;
use cloudping_windows::{Places, StoredPanes};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::{Expr, cast, col, lit};
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use super::plan::{self, Parts, Rolled};
use super::window::Row;
use super::{ByTarget, DAY_US, HOUR_US, Reading, Span, Subject};
use crate::archive::shown;
use crate::sql::SqlError;

/// Samples that one answer from the archive may be made of: their round-trip times are held in memory.
const MAX_SAMPLES: usize = 20_000_000;

/// The windows of a span that the archive has.
///
/// # Errors
/// [`SqlError`], also when the range holds more samples than are held in memory.
pub(crate) async fn from_archive(
    session: &SessionContext,
    subject: &Subject,
    span: &Span,
    reading: &Reading,
) -> Result<ByTarget, SqlError> {
    let mut found = ByTarget::new();
    if span.start >= span.end {
        return Ok(found);
    }
    let parts = parts(session, subject, span, reading).await?;
    for (rows, unit_us) in [(&parts.days, DAY_US), (&parts.hours, HOUR_US)] {
        if let Some(range) = plan::rows_hull(rows, unit_us) {
            add_rows(session, subject, (rows, unit_us, range), span, reading, &mut found).await?;
        }
    }
    if !parts.samples.is_empty() {
        add_samples(session, subject, &parts.samples, span, reading, &mut found).await?;
    }
    Ok(found)
}

/// Which part of a span comes from where, by the rows that there are. An hour or day of which the source has no row at all is read from the samples.
async fn parts(session: &SessionContext, subject: &Subject, span: &Span, reading: &Reading) -> Result<Parts, SqlError> {
    let mut rolled = Rolled::default();
    if plan::suits(span, DAY_US, reading) {
        rolled.days = whole_rows(session, subject, (DAY_US, &[span.start..span.end]), reading).await?;
    }
    let parts = plan::parts(span, &rolled);
    if !plan::suits(span, HOUR_US, reading) || parts.samples.is_empty() {
        return Ok(parts);
    }
    rolled.hours = whole_rows(session, subject, (HOUR_US, &plan::hulls(&parts.samples)), reading).await?;
    Ok(plan::parts(span, &rolled))
}

/// The hours or days in these ranges of which the source has rows that change no more.
async fn whole_rows(
    session: &SessionContext,
    subject: &Subject,
    (unit_us, ranges): (i64, &[Range<UtcMicros>]),
    reading: &Reading,
) -> Result<BTreeSet<UtcMicros>, SqlError> {
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
        return Ok(BTreeSet::new());
    };
    let (table, time) = table(unit_us);
    // A row at the end shows that the one before it is whole. The rows of every pair: one that is measured no more has none.
    let through = times(unit_us, &(first.start..last.end + unit_us));
    let rows = shown(session.table(table).await?, reading.simulated)?.filter(through)?;
    let newest = starts(rows.aggregate(vec![], vec![max(time.clone()).alias("newest")])?).await?;
    let Some(newest) = newest.first() else {
        return Ok(BTreeSet::new());
    };
    let before = plan::whole_before(*newest, unit_us, reading.now);
    let within = any(ranges.iter().map(|range| times(unit_us, range)));
    let rows = shown(session.table(table).await?, reading.simulated)?;
    let rows = rows.filter(within.and(col("source").eq(lit(&*subject.source))))?;
    let mut all = starts(rows.aggregate(vec![time.alias("start")], vec![])?).await?;
    all.retain(|start| *start < before);
    Ok(all)
}

/// The moments in the only column.
async fn starts(rows: DataFrame) -> Result<BTreeSet<UtcMicros>, SqlError> {
    let batches = rows.collect().await?;
    let columns = batches.iter().map(|batch| batch.column(0).as_primitive::<Int64Type>());
    Ok(columns.flat_map(|column| column.iter().flatten()).map(UtcMicros).collect())
}

/// A table of rollups, and the start of its rows in microseconds since 1970.
fn table(unit_us: i64) -> (&'static str, Expr) {
    if unit_us == DAY_US {
        (tables::ROLLUP_1D, cast(cast(col("day"), DataType::Int32), DataType::Int64) * lit(DAY_US))
    } else {
        (tables::ROLLUP_1H, cast(col("hour"), DataType::Int64))
    }
}

fn any(conditions: impl Iterator<Item = Expr>) -> Expr {
    conditions.reduce(Expr::or).unwrap_or_else(|| lit(false))
}

fn date(at: UtcMicros) -> Expr {
    let days = at.0.div_euclid(DAY_US);
    lit(ScalarValue::Date32(Some(i32::try_from(days).unwrap_or(i32::MAX))))
}

fn time(at: UtcMicros) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(at.0), Some("UTC".into())))
}

/// The rows that start in a range; the partitions let whole files be skipped.
fn times(unit_us: i64, range: &Range<UtcMicros>) -> Expr {
    if unit_us == DAY_US {
        // A month begins at most 31 days before its days.
        let months = col(tables::MONTH).between(date(range.start - 31 * DAY_US), date(range.end));
        // Only a day that starts in the range: its first day may have begun before.
        let first = UtcMicros(range.start.0 + DAY_US - 1).floor(DAY_US);
        let end = UtcMicros(range.end.0 + DAY_US - 1).floor(DAY_US);
        return months.and(col("day").gt_eq(date(first))).and(col("day").lt(date(end)));
    }
    dates(range).and(col("hour").gt_eq(time(range.start))).and(col("hour").lt(time(range.end)))
}

fn dates(range: &Range<UtcMicros>) -> Expr {
    col(tables::PARTITION).between(date(range.start), date(range.end))
}

/// The rows of a subject.
fn of(subject: &Subject) -> Expr {
    let source = col("source").eq(lit(&*subject.source)).and(col("protocol").eq(lit(subject.protocol.name())));
    match &subject.target {
        Some(target) => source.and(col("target").eq(lit(&**target))),
        None => source,
    }
}

async fn add_rows(
    session: &SessionContext,
    subject: &Subject,
    (starts, unit_us, range): (&BTreeSet<UtcMicros>, i64, Range<UtcMicros>),
    span: &Span,
    reading: &Reading,
    found: &mut ByTarget,
) -> Result<(), SqlError> {
    let (table, time) = table(unit_us);
    let mut columns =
        vec![time.alias("time"), cast(col("target"), DataType::Utf8), cast(col("family"), DataType::Int32)];
    columns.extend(["sent", "received", "lost", "retransmitted"].map(|name| cast(col(name), DataType::Int64)));
    let percentiles = tables::PERCENTILES.map(|(name, _)| name);
    let floats = ["min_us", "max_us", "mean_us", "stddev_us"].into_iter().chain(percentiles);
    columns.extend(floats.map(|name| cast(col(name), DataType::Float64)));
    columns.push(cast(col("digest"), DataType::Binary));
    let rows = shown(session.table(table).await?, reading.simulated)?;
    let rows = rows.filter(times(unit_us, &range).and(of(subject)))?.select(columns)?;
    let mut batches = rows.execute_stream().await?;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let times = batch.column(0).as_primitive::<Int64Type>();
        for at in (0..batch.num_rows()).filter(|at| starts.contains(&UtcMicros(times.value(*at)))) {
            let window = span.window_of(UtcMicros(times.value(at)));
            window_at(found, batch.column(1).as_string::<i32>().value(at), window, family(&batch, at))
                .add_row(row(&batch, at));
        }
    }
    Ok(())
}

fn family(batch: &RecordBatch, at: usize) -> i32 {
    batch.column(2).as_primitive::<Int32Type>().value(at)
}

fn window_at<'a>(found: &'a mut ByTarget, target: &str, window: UtcMicros, family: i32) -> &'a mut super::Window {
    found.entry(target.to_owned()).or_default().entry(window).or_default().entry(family).or_default()
}

fn row(batch: &RecordBatch, at: usize) -> Row {
    let count = |column: usize| batch.column(column).as_primitive::<Int64Type>().value(at).cast_unsigned();
    let float = |column: usize| {
        let column = batch.column(column).as_primitive::<Float64Type>();
        column.is_valid(at).then(|| column.value(at))
    };
    let first = 11;
    let digests = batch.column(first + tables::PERCENTILES.len()).as_binary::<i32>();
    Row {
        sent: count(3),
        received: count(4),
        lost: count(5),
        retransmitted: count(6),
        min_us: float(7),
        max_us: float(8),
        mean_us: float(9),
        stddev_us: float(10),
        percentiles_us: (first..first + tables::PERCENTILES.len()).map(float).collect(),
        digest: digests.is_valid(at).then(|| digests.value(at).to_vec()),
    }
}

async fn add_samples(
    session: &SessionContext,
    subject: &Subject,
    ranges: &[Range<UtcMicros>],
    span: &Span,
    reading: &Reading,
    found: &mut ByTarget,
) -> Result<(), SqlError> {
    let columns = vec![
        cast(col("ts"), DataType::Int64),
        cast(col("target"), DataType::Utf8),
        cast(col("family"), DataType::Int32),
        cast(col("outcome"), DataType::Utf8),
        cast(col("rtt_us"), DataType::Int32),
    ];
    let within = plan::hulls(ranges).into_iter().map(|range| {
        let times = col("ts").gt_eq(time(range.start)).and(col("ts").lt(time(range.end)));
        dates(&range).and(times)
    });
    let samples = shown(session.table(tables::SAMPLES).await?, reading.simulated)?;
    let mut batches = samples.filter(any(within).and(of(subject)))?.select(columns)?.execute_stream().await?;
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        if rows > MAX_SAMPLES {
            let text = format!(
                "the range holds more than {MAX_SAMPLES} samples of this: ask for a shorter one, for whole hours or days without exact, or read rollup_1h by SQL"
            );
            return Err(SqlError::Invalid(text));
        }
        add_probes(&batch, ranges, span, found);
    }
    Ok(())
}

fn add_probes(batch: &RecordBatch, ranges: &[Range<UtcMicros>], span: &Span, found: &mut ByTarget) {
    let times = batch.column(0).as_primitive::<Int64Type>();
    let targets = batch.column(1).as_string::<i32>();
    let outcomes = batch.column(3).as_string::<i32>();
    let rtts = batch.column(4).as_primitive::<Int32Type>();
    let mut row = 0;
    // Files are sorted by pair: a target is looked up once for its many rows.
    while row < batch.num_rows() {
        let target = targets.value(row);
        let windows = found.entry(target.to_owned()).or_default();
        while row < batch.num_rows() && targets.value(row) == target {
            let at = UtcMicros(times.value(row));
            let named = |outcome: &Outcome| outcome.name() == outcomes.value(row);
            // What was never sent has a family that is a guess where the name had no address: it must not make a series of its own.
            let sent = Outcome::ALL.into_iter().find(named).filter(|outcome| outcome.was_sent());
            if let Some(outcome) = sent.filter(|_| plan::contains(ranges, at)) {
                let rtt_us = rtts.is_valid(row).then(|| u32::try_from(rtts.value(row)).ok()).flatten();
                let families = windows.entry(span.window_of(at)).or_default();
                families.entry(family(batch, row)).or_default().add_probe(outcome, rtt_us);
            }
            row += 1;
        }
    }
}

/// Adds what minutes of the live store hold of a range, whose ends are those of minutes.
pub(crate) fn from_minutes(
    (minutes, places): (&StoredPanes, &Places),
    subject: &Subject,
    (span, from): (&Span, UtcMicros),
    found: &mut ByTarget,
) {
    for (start, pane) in minutes.range(from..span.end.max(from)) {
        let columns = pane.columns();
        for place in columns.places() {
            let key = places.get(place).filter(|key| key.protocol == subject.protocol);
            let wanted = |target: &str| subject.target.as_deref().is_none_or(|wanted| wanted == target);
            let key = key.filter(|key| wanted(key.target.as_str()));
            if let (Some(key), Some(summary)) = (key, key.and_then(|_| columns.get(place))) {
                let family = i32::from(key.family.number());
                window_at(found, key.target.as_str(), span.window_of(*start), family).add_summary(&summary);
            }
        }
    }
}
