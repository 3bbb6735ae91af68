//! The rows of samples.

use std::ops::Range;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int64Type};
use cloudping_model::{Pane, UtcMicros};
use cloudping_schemas::tables;
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, cast, col, lit};
use datafusion::prelude::SessionContext;

use super::{ORDER, Place, Wanted};
use crate::archive::shown;
use crate::sql::SqlError;

/// The columns of an answer that are texts: read as views, shown as texts.
const TEXTS: [&str; 5] = ["source", "target", "protocol", "outcome", "address"];
/// The columns of an answer.
const COLUMNS: [&str; 12] = [
    "ts",
    "source",
    "target",
    "protocol",
    "family",
    "outcome",
    "rtt_us",
    "connect_us",
    "retransmits",
    "address",
    "epoch",
    "round",
];

/// Some rows, in order.
pub(crate) struct Page {
    pub(crate) rows: RecordBatch,
    /// Where the next page goes on: the last row, and how many of its place were told. `None` at the end.
    pub(crate) next: Option<(Place, usize)>,
}

/// At most `limit` rows behind a place of which `told` rows were told already.
///
/// # Errors
/// [`SqlError`].
pub(crate) async fn page(
    session: &SessionContext,
    wanted: &Wanted,
    from: Option<(Place, usize)>,
    limit: usize,
) -> Result<Page, SqlError> {
    let (place, told) = from.unzip();
    let mut skip = told.unwrap_or(0);
    let mut batches = Vec::new();
    let mut left = limit + 1;
    let start = place.as_ref().map_or(wanted.start, |place| UtcMicros(place.at));
    let mut schema = None;
    for range in stretches(start.max(wanted.start), wanted.end) {
        let rows = of(session, wanted, &range).await?;
        let rows = match &place {
            Some(place) => rows.filter(not_before(place))?,
            None => rows,
        };
        let order = std::iter::once("ts").chain(ORDER.map(|(name, _)| name));
        let rows = rows.sort(order.map(|name| col(name).sort(true, false)).collect())?.limit(0, Some(left + skip))?;
        let rows = rows.select(columns())?;
        schema = Some(std::sync::Arc::clone(rows.schema().inner()));
        for batch in rows.collect().await? {
            let skipped = skip.min(batch.num_rows());
            skip -= skipped;
            left -= batch.num_rows() - skipped;
            batches.push(batch.slice(skipped, batch.num_rows() - skipped));
        }
        if left == 0 {
            break;
        }
        // Rows behind the first stretch are behind the place too.
        skip = 0;
    }
    let schema = match batches.first() {
        Some(batch) => batch.schema(),
        None => schema.unwrap_or_else(tables::samples),
    };
    let rows = concat_batches(&schema, &batches)?;
    if rows.num_rows() <= limit {
        return Ok(Page { rows, next: None });
    }
    let rows = rows.slice(0, limit);
    let last = place_of(&rows, limit - 1);
    let same = (0..limit).rev().take_while(|row| place_of(&rows, *row) == last).count();
    // A whole page of one place goes on with the count of the pages before it.
    let before = if same == limit && place.as_ref() == Some(&last) { told.unwrap_or(0) } else { 0 };
    Ok(Page { rows, next: Some((last, before + same)) })
}

/// Every row of the range, as the files have them, which is series by series in each.
///
/// # Errors
/// [`SqlError`].
pub(crate) async fn all(session: SessionContext, wanted: Wanted) -> Result<SendableRecordBatchStream, SqlError> {
    let rows = of(&session, &wanted, &(wanted.start..wanted.end)).await?;
    Ok(rows.select(columns())?.execute_stream().await?)
}

/// Parts of a range one behind the other, each twice as long as the one before: a page mostly ends within the first day, and where there is little
/// the end is near.
fn stretches(start: UtcMicros, end: UtcMicros) -> impl Iterator<Item = Range<UtcMicros>> {
    let mut length = Pane::Day.micros();
    let mut from = start;
    // There is one, also where the range is empty: it tells the columns.
    let mut first = true;
    std::iter::from_fn(move || {
        if from >= end && !std::mem::take(&mut first) {
            return None;
        }
        first = false;
        let until = UtcMicros(from.0.saturating_add(length)).min(end);
        let range = from..until;
        length = length.saturating_mul(2);
        from = until;
        Some(range)
    })
}

async fn of(session: &SessionContext, wanted: &Wanted, range: &Range<UtcMicros>) -> Result<DataFrame, SqlError> {
    let date = |at: UtcMicros| {
        let days = at.0.div_euclid(Pane::Day.micros());
        lit(ScalarValue::Date32(Some(i32::try_from(days).unwrap_or(i32::MAX))))
    };
    let dates = col(tables::PARTITION).between(date(range.start), date(range.end));
    let mut rows = dates.and(col("source").eq(lit(&*wanted.source)));
    rows = rows.and(col("ts").gt_eq(time(range.start.0))).and(col("ts").lt(time(range.end.0)));
    if let Some(target) = &wanted.target {
        rows = rows.and(col("target").eq(lit(&**target)));
    }
    if let Some(protocol) = wanted.protocol {
        rows = rows.and(col("protocol").eq(lit(protocol.name())));
    }
    Ok(shown(session.table(tables::SAMPLES).await?, wanted.simulated)?.filter(rows)?)
}

fn time(at: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(at), Some("UTC".into())))
}

fn columns() -> Vec<Expr> {
    let text = |name: &str| cast(col(name), DataType::Utf8).alias(name);
    COLUMNS.map(|name| if TEXTS.contains(&name) { text(name) } else { col(name) }).to_vec()
}

/// The rows at a place and behind it.
fn not_before(place: &Place) -> Expr {
    let values = [lit(&*place.target), lit(&*place.protocol), lit(place.family), lit(place.epoch), lit(place.round)];
    let mut behind: Option<Expr> = None;
    for ((name, text), value) in ORDER.into_iter().zip(values).rev() {
        let column = if text { col(name) } else { cast(col(name), DataType::Int64) };
        behind = Some(match behind {
            None => column.gt_eq(value),
            Some(behind) => column.clone().gt(value.clone()).or(column.eq(value).and(behind)),
        });
    }
    let now = col("ts").eq(time(place.at));
    let now = match behind {
        Some(behind) => now.and(behind),
        None => now,
    };
    col("ts").gt(time(place.at)).or(now)
}

/// Where a row of an answer is in the order.
fn place_of(rows: &RecordBatch, row: usize) -> Place {
    let text = |name: &str| {
        rows.column_by_name(name).map_or_else(String::new, |column| column.as_string::<i32>().value(row).to_owned())
    };
    let number = |name: &str| {
        let column = rows
            .column_by_name(name)
            .and_then(|column| arrow::compute::cast(&column.slice(row, 1), &DataType::Int64).ok());
        column.map_or(0, |column| column.as_primitive::<Int64Type>().value(0))
    };
    Place {
        at: number("ts"),
        target: text("target"),
        protocol: text("protocol"),
        family: number("family"),
        epoch: number("epoch"),
        round: number("round"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_cover_the_range_once() {
        let day = Pane::Day.micros();
        let of = |start: i64, end: i64| {
            stretches(UtcMicros(start), UtcMicros(end)).map(|range| (range.start.0, range.end.0)).collect::<Vec<_>>()
        };
        assert_eq!(of(5, 6), [(5, 6)]);
        assert_eq!(of(5, 5), [(5, 5)]);
        assert_eq!(of(0, 5 * day), [(0, day), (day, 3 * day), (3 * day, 5 * day)]);
        assert!(of(i64::MIN / 2, i64::MAX / 2).len() < 64);
    }
}
