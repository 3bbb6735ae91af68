//! Route changes of the archive, which keeps them when the live store no longer does.

use std::ops::Range;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use cloudping_model::{Addresses, Family, Level, Pane, Protocol, RouteChange, TargetId, UtcMicros, VantageId};
use cloudping_schemas::tables;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{cast, col, lit};
use datafusion::prelude::SessionContext;

use crate::sql::SqlError;

/// Which route changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WantedChanges {
    /// `None`: all.
    pub(crate) source: Option<String>,
    /// `None`: all.
    pub(crate) target: Option<String>,
    /// `None`: all.
    pub(crate) protocol: Option<Protocol>,
    /// In which their minutes lie.
    pub(crate) range: Range<UtcMicros>,
    /// The newest of them, so many.
    pub(crate) limit: usize,
}

impl WantedChanges {
    /// Whether a change is one of them, whenever it was.
    pub(crate) fn has(&self, change: &RouteChange) -> bool {
        let is = |wanted: &Option<String>, id: &str| wanted.as_deref().is_none_or(|wanted| wanted == id);
        let pair = is(&self.source, change.vantage.as_str()) && is(&self.target, change.target.as_str());
        pair && self.protocol.is_none_or(|protocol| protocol == change.protocol)
    }
}

/// The newest route changes of the archive.
///
/// # Errors
/// [`SqlError`].
pub(crate) async fn archived(session: &SessionContext, wanted: &WantedChanges) -> Result<Vec<RouteChange>, SqlError> {
    let day = |at: UtcMicros| {
        let days = at.0.div_euclid(Pane::Day.micros());
        lit(ScalarValue::Date32(Some(i32::try_from(days).unwrap_or(i32::MAX))))
    };
    let time = |at: UtcMicros| lit(ScalarValue::TimestampMicrosecond(Some(at.0), Some("UTC".into())));
    let Range { start, end } = wanted.range.clone();
    // A month begins at most 31 days before its minutes.
    let months = col(tables::MONTH).between(day(start - 31 * Pane::Day.micros()), day(end));
    let mut filter = months.and(col("minute").gt_eq(time(start))).and(col("minute").lt(time(end)));
    let protocol = wanted.protocol.map(|protocol| protocol.name().to_owned());
    for (name, wanted) in [("source", &wanted.source), ("target", &wanted.target), ("protocol", &protocol)] {
        if let Some(wanted) = wanted {
            filter = filter.and(col(name).eq(lit(&**wanted)));
        }
    }
    let mut columns: Vec<_> = ["source", "target", "protocol"].map(|name| cast(col(name), DataType::Utf8)).into();
    let whole = ["family", "minute", "found_at", "before_us", "after_us", "ended_since", "ended_count"];
    columns.extend(whole.map(|name| cast(col(name), DataType::Int64)));
    let float = ["score", "ended_p10_us", "ended_p50_us", "ended_p90_us", "ended_p99_us"];
    columns.extend(float.map(|name| cast(col(name), DataType::Float64)));
    let table = session.table(tables::CHANGES).await?;
    // A table of an older release gets these columns with its next change.
    columns.extend(tables::ADDRESSES.map(|name| match table.schema().has_column_with_unqualified_name(name) {
        true => cast(col(name), DataType::Utf8),
        false => lit(ScalarValue::Utf8(None)).alias(name),
    }));
    let newest = ["minute", "found_at"].map(|name| col(name).sort(false, false)).to_vec();
    let rows = table.filter(filter)?.sort(newest)?.limit(0, Some(wanted.limit))?;
    let batches = rows.select(columns)?.collect().await?;
    // What names no vantage point or no protocol that this release knows is left out.
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).filter_map(|row| change(batch, row)));
    Ok(rows.collect())
}

fn change(batch: &RecordBatch, row: usize) -> Option<RouteChange> {
    let text = |at: usize| batch.column(at).as_string::<i32>().value(row);
    let whole = |at: usize| batch.column(at).as_primitive::<Int64Type>().value(row);
    let float = |at: usize| {
        let column = batch.column(at).as_primitive::<Float64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    let percentiles_us = match [11, 12, 13, 14].map(float) {
        [Some(p10), Some(p50), Some(p90), Some(p99)] => Some([p10, p50, p90, p99]),
        _ => None,
    };
    let address = |at: usize| {
        let column = batch.column(at).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).parse().ok()).flatten()
    };
    Some(RouteChange {
        vantage: VantageId::new(text(0)).ok()?,
        target: TargetId::new(text(1)).ok()?,
        protocol: Protocol::from_name(text(2))?,
        family: [Family::V4, Family::V6].into_iter().find(|family| i64::from(family.number()) == whole(3))?,
        minute: UtcMicros(whole(4)),
        found_at: UtcMicros(whole(5)),
        before_us: u32::try_from(whole(6)).ok()?,
        after_us: u32::try_from(whole(7)).ok()?,
        score: float(10)? as f32,
        ended: Level { since: UtcMicros(whole(8)), count: whole(9).unsigned_abs(), percentiles_us },
        addresses: address(15).zip(address(16)).map(|(before, after)| Addresses { before, after }),
    })
}
