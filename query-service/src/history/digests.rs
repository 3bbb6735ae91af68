//! The digests of a range for SQL: one table of rollup rows and of what the samples at the edges add up to.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use cloudping_model::{Outcome, UtcMicros};
use cloudping_schemas::tables::{self, Origin};
use datafusion::dataframe::DataFrame;
use datafusion::functions::datetime::expr_fn::date_trunc;
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::logical_expr::{AggregateUDF, Expr, ExprFunctionExt, cast, col, lit};
use datafusion::prelude::SessionContext;

use super::plan::{self, Parts, Rolled};
use super::read::{any, newest, of_range, starts, table, times};
use super::{DAY_US, HOUR_US, Span};
use crate::sql::SqlError;

const ORIGIN: &str = "origin";

/// The table's columns.
pub(crate) fn schema() -> SchemaRef {
    let text = |name: &str, null: bool| Field::new(name, DataType::Utf8, null);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        Field::new("start", utc(), true),
        text("source", true),
        text("target", true),
        text("protocol", true),
        Field::new("family", DataType::Int32, true),
        text(ORIGIN, true),
        number("sent"),
        number("received"),
        number("lost"),
        Field::new("min_us", DataType::Int32, true),
        Field::new("max_us", DataType::Int32, true),
        Field::new("digest", DataType::Binary, true),
        text("answered_from", true),
    ]))
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The rows of a range: of `rollup_1d` and `rollup_1h` where these are whole, and of the samples by hour elsewhere; no probe is in two of them.
///
/// # Errors
/// [`SqlError`].
pub(crate) async fn digests(
    session: &SessionContext,
    (start, end): (UtcMicros, UtcMicros),
    digest_of: &AggregateUDF,
) -> Result<DataFrame, SqlError> {
    let span = Span::whole(start, end);
    let mut rolled = Rolled { days: whole_rows(session, DAY_US, &[start..end]).await?, ..Rolled::default() };
    let parts = plan::parts(&span, &rolled);
    rolled.hours = whole_rows(session, HOUR_US, &plan::hulls(&parts.samples)).await?;
    let Parts { days, hours, samples } = plan::parts(&span, &rolled);
    let mut all = of_samples(session, &samples, digest_of).await?;
    for (unit_us, rows) in [(DAY_US, &days), (HOUR_US, &hours)] {
        if !rows.is_empty() {
            all = all.union(of_rollup(session, unit_us, &runs(rows, unit_us)).await?)?;
        }
    }
    Ok(all)
}

async fn whole_rows(
    session: &SessionContext,
    unit_us: i64,
    ranges: &[Range<UtcMicros>],
) -> Result<BTreeSet<UtcMicros>, SqlError> {
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
        return Ok(BTreeSet::new());
    };
    let (name, time) = table(unit_us);
    let through = first.start..last.end + unit_us;
    let Some(newest) = newest(session.table(name).await?, unit_us, &through).await? else {
        return Ok(BTreeSet::new());
    };
    // Statements know no present: the newest row is as near to it as need be.
    let before = plan::whole_before(newest, unit_us, newest + unit_us);
    let within = any(ranges.iter().map(|range| times(unit_us, range)));
    let rows = session.table(name).await?.filter(within)?.aggregate(vec![time.alias("start")], vec![])?;
    let mut all = starts(rows).await?;
    all.retain(|start| *start < before);
    Ok(all)
}

/// Rows that follow each other, as ranges.
fn runs(rows: &BTreeSet<UtcMicros>, unit_us: i64) -> Vec<Range<UtcMicros>> {
    let mut runs: Vec<Range<UtcMicros>> = Vec::new();
    for start in rows {
        match runs.last_mut() {
            Some(last) if last.end == *start => last.end = *start + unit_us,
            _ => runs.push(*start..*start + unit_us),
        }
    }
    runs
}

/// The columns that name a series; the origin is null in tables of older releases, which do not have it.
fn series(rows: &DataFrame) -> Vec<Expr> {
    let text = |name: &str| cast(col(name), DataType::Utf8).alias(name);
    let mut columns: Vec<Expr> = ["source", "target", "protocol"].map(text).into();
    columns.push(cast(col("family"), DataType::Int32).alias("family"));
    let none = || cast(lit(datafusion::common::ScalarValue::Null), DataType::Utf8).alias(ORIGIN);
    columns.push(if rows.schema().has_column_with_unqualified_name(ORIGIN) { text(ORIGIN) } else { none() });
    columns
}

async fn of_rollup(session: &SessionContext, unit_us: i64, ranges: &[Range<UtcMicros>]) -> Result<DataFrame, SqlError> {
    let (name, time) = table(unit_us);
    let rows = session.table(name).await?.filter(any(ranges.iter().map(|range| times(unit_us, range))))?;
    let mut columns = vec![cast(time, utc()).alias("start")];
    columns.extend(series(&rows));
    columns.extend(["sent", "received", "lost"].map(|name| cast(col(name), DataType::Int64).alias(name)));
    columns.extend(["min_us", "max_us"].map(|name| cast(col(name), DataType::Int32).alias(name)));
    columns.push(cast(col("digest"), DataType::Binary).alias("digest"));
    columns.push(lit(name).alias("answered_from"));
    Ok(rows.select(columns)?)
}

async fn of_samples(
    session: &SessionContext,
    ranges: &[Range<UtcMicros>],
    digest_of: &AggregateUDF,
) -> Result<DataFrame, SqlError> {
    let rows = session.table(tables::SAMPLES).await?.filter(any(ranges.iter().map(of_range)))?;
    let averages = Origin::ALL.into_iter().filter(|origin| !origin.is_of_samples()).filter_map(Origin::stored);
    let rows = match rows.schema().has_column_with_unqualified_name(ORIGIN) {
        // As in the rollups: percentiles are of samples.
        true => {
            let average = col(ORIGIN).in_list(averages.map(lit).collect(), false);
            rows.filter(col(ORIGIN).is_null().or(Expr::Not(Box::new(average))))?
        }
        false => rows,
    };
    let mut group = vec![date_trunc(lit("hour"), col("ts")).alias("start")];
    group.extend(series(&rows));
    let of = |outcomes: fn(Outcome) -> bool| {
        let names = Outcome::ALL.into_iter().filter(|outcome| outcomes(*outcome)).map(|outcome| lit(outcome.name()));
        col("outcome").in_list(names.collect(), false)
    };
    let answered = || of(|outcome| outcome == Outcome::Answered).and(col("rtt_us").is_not_null());
    let rtt_us = || cast(col("rtt_us"), DataType::Int32);
    let figures = vec![
        count(lit(1)).filter(of(Outcome::was_sent)).build()?.alias("sent"),
        count(lit(1)).filter(answered()).build()?.alias("received"),
        count(lit(1)).filter(of(Outcome::is_loss)).build()?.alias("lost"),
        min(rtt_us()).filter(answered()).build()?.alias("min_us"),
        max(rtt_us()).filter(answered()).build()?.alias("max_us"),
        digest_of.call(vec![rtt_us()]).filter(answered()).build()?.alias("digest"),
    ];
    let rows = rows.aggregate(group, figures)?.filter(col("sent").gt(lit(0)))?;
    let mut columns: Vec<Expr> = schema()
        .fields()
        .iter()
        .take(12)
        .map(|field| cast(col(field.name()), field.data_type().clone()).alias(field.name()))
        .collect();
    columns.push(lit(tables::SAMPLES).alias("answered_from"));
    Ok(rows.select(columns)?)
}
