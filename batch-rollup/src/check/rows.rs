//! Compares the rows of a rollup with those that should be there.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use cloudping_model::UtcMicros;
use datafusion::error::DataFusionError;
use futures::TryStreamExt;
use futures::stream::BoxStream;

use crate::check::{CheckReport, Difference};
use crate::rollup::files::window_starts;
use crate::rollup::fold::{SERIES, Series};
use crate::{FileError, Table};

/// By how much a mean or a standard deviation may be off: another release may have rounded otherwise.
const ROUNDING: f64 = 1e-9;
/// The columns that are rounded.
const ROUNDED: [&str; 2] = ["mean_us", "stddev_us"];

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Key = (Series, UtcMicros);

/// Rows in the order of series and windows, one after another.
struct Cursor<'a> {
    table: Table,
    batches: BoxStream<'a, Result<RecordBatch, Failure>>,
    /// The batch, the keys of its rows, and the row.
    at: Option<(RecordBatch, Vec<Key>, usize)>,
}

/// Compares rows that should be there with those that are, both in the order of series and windows.
///
/// # Errors
/// What the reading fails with; but a broken file is noted.
pub(crate) async fn compare<'a>(
    table: Table,
    expected: BoxStream<'a, Result<RecordBatch, FileError>>,
    found: BoxStream<'a, Result<RecordBatch, DataFusionError>>,
    report: &mut CheckReport,
) -> Result<(), Failure> {
    use futures::StreamExt;
    let expected = expected.map_err(Failure::from).boxed();
    let found = found.map_err(Failure::from).boxed();
    let mut expected = Cursor { table, batches: expected, at: None };
    let mut found = Cursor { table, batches: found, at: None };
    let compared = join(table, &mut expected, &mut found, report).await;
    match compared.map_err(|error| error.downcast::<FileError>()) {
        Ok(()) => Ok(()),
        Err(Ok(file)) => {
            report.broken(Table::Samples, &file);
            Ok(())
        }
        Err(Err(error)) => Err(error),
    }
}

async fn join(
    table: Table,
    expected: &mut Cursor<'_>,
    found: &mut Cursor<'_>,
    report: &mut CheckReport,
) -> Result<(), Failure> {
    expected.advance().await?;
    found.advance().await?;
    loop {
        let order = match (expected.key(), found.key()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(expected), Some(found)) => expected.cmp(found),
        };
        match order {
            Ordering::Equal => {
                report.rows += 1;
                if let (Some(a), Some(b)) = (&expected.at, &found.at) {
                    compare_row(table, a, b, report)?;
                }
                expected.advance().await?;
                found.advance().await?;
            }
            Ordering::Less => {
                note(table, expected.key(), "a row", "none", report);
                expected.advance().await?;
            }
            Ordering::Greater => {
                note(table, found.key(), "no row, or one only", "a row", report);
                found.advance().await?;
            }
        }
    }
}

fn note(table: Table, key: Option<&Key>, expected: &str, found: &str, report: &mut CheckReport) {
    let place = key.map_or_else(String::new, place);
    let (expected, found) = (expected.to_owned(), found.to_owned());
    report.differs(Difference { table: table.name(), place, expected, found });
}

fn place((series, start): &Key) -> String {
    let Series { source, target, protocol, family, origin } = series;
    let origin = origin.as_deref().map_or_else(String::new, |origin| format!(", origin {origin}"));
    let start = chrono::DateTime::from_timestamp_micros(start.0).map_or_else(String::new, |start| start.to_rfc3339());
    format!("source {source}, target {target}, protocol {protocol}, family {family}{origin}, {start}")
}

fn compare_row(
    table: Table,
    (expected, keys, a): &(RecordBatch, Vec<Key>, usize),
    (found, _, b): &(RecordBatch, Vec<Key>, usize),
    report: &mut CheckReport,
) -> Result<(), ArrowError> {
    for (field, (wanted, there)) in table.schema().fields().iter().zip(expected.columns().iter().zip(found.columns())) {
        let (wanted, there) = (wanted.slice(*a, 1), there.slice(*b, 1));
        if *wanted == *there || (ROUNDED.contains(&field.name().as_str()) && nearly(&wanted, &there)) {
            continue;
        }
        let (wanted, there) = (text(&wanted)?, text(&there)?);
        let place = format!("{}, column {}", place(&keys[*a]), field.name());
        report.differs(Difference { table: table.name(), place, expected: wanted, found: there });
    }
    Ok(())
}

fn nearly(a: &ArrayRef, b: &ArrayRef) -> bool {
    let number = |column: &ArrayRef| column.is_valid(0).then(|| column.as_primitive::<Float64Type>().value(0));
    match (number(a), number(b)) {
        (Some(a), Some(b)) => (a - b).abs() <= ROUNDING * a.abs().max(1.0),
        _ => false,
    }
}

/// A value for people; of a digest its length and its first difference would not help more than that it differs.
fn text(value: &ArrayRef) -> Result<String, ArrowError> {
    if let Some(bytes) = value.as_binary_opt::<i32>().filter(|bytes| bytes.is_valid(0)) {
        return Ok(format!("a digest of {} bytes", bytes.value(0).len()));
    }
    let options = FormatOptions::new().with_null("null");
    Ok(ArrayFormatter::try_new(value, &options)?.value(0).to_string())
}

impl Cursor<'_> {
    fn key(&self) -> Option<&Key> {
        self.at.as_ref().map(|(_, keys, row)| &keys[*row])
    }

    async fn advance(&mut self) -> Result<(), Failure> {
        if let Some((_, keys, row)) = &mut self.at
            && *row + 1 < keys.len()
        {
            *row += 1;
            return Ok(());
        }
        self.at = None;
        while let Some(batch) = self.batches.try_next().await? {
            if batch.num_rows() > 0 {
                let batch = typed(self.table, &batch)?;
                let keys = keys(self.table, &batch)?;
                self.at = Some((batch, keys, 0));
                break;
            }
        }
        Ok(())
    }
}

/// The rows in the table's own types: an engine may read texts as others.
fn typed(table: Table, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    let columns = schema.fields().iter().map(|field| cast(named(batch, field.name())?, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema, columns)
}

fn named<'a>(batch: &'a RecordBatch, column: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch.column_by_name(column).ok_or_else(|| ArrowError::SchemaError(format!("no column {column}")))
}

fn keys(table: Table, batch: &RecordBatch) -> Result<Vec<Key>, ArrowError> {
    let text = |column: &str| cast(named(batch, column)?, &DataType::Utf8);
    let [source, target, protocol, family, origin] = SERIES;
    let (sources, targets, protocols, origins) = (text(source)?, text(target)?, text(protocol)?, text(origin)?);
    let families = cast(named(batch, family)?, &DataType::Int32)?;
    let starts = window_starts(named(batch, table.time().unwrap_or_default())?);
    let value =
        |column: &ArrayRef, row: usize| column.is_valid(row).then(|| column.as_string::<i32>().value(row).to_owned());
    let key = |(row, start): (usize, &UtcMicros)| {
        let series = Series {
            source: value(&sources, row).unwrap_or_default(),
            target: value(&targets, row).unwrap_or_default(),
            protocol: value(&protocols, row).unwrap_or_default(),
            family: families.as_primitive::<Int32Type>().value(row),
            origin: value(&origins, row),
        };
        (series, *start)
    };
    Ok(starts.iter().enumerate().map(key).collect())
}
