//! What the log tells of each file, so that readers can pass over it.

use arrow::datatypes::DataType;
use chrono::DateTime;
use deltalake_core::{DeltaResult, DeltaTableError};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

use crate::Table;
use crate::hours::calendar_date;

/// A file's rows, and the least, the greatest and the number of absent values of its table's statistics columns, as JSON in the form of
/// [Delta's protocol](https://github.com/delta-io/delta/blob/master/PROTOCOL.md#per-file-statistics). Times are exact, to the microsecond.
///
/// # Errors
/// [`DeltaTableError`] when a value is no value of its column, which no file that was just written can cause.
pub(crate) fn statistics(table: Table, file: &ParquetMetaData) -> DeltaResult<String> {
    let (mut least, mut greatest, mut absent) = (Map::new(), Map::new(), Map::new());
    let schema = table.schema();
    for column in table.statistics_columns().split(',') {
        let field = schema.field_with_name(column)?;
        let Some(found) = of_column(file, column, field.data_type()) else {
            continue;
        };
        absent.insert(column.to_owned(), json!(found.absent));
        if let Some((first, last)) = found.span {
            let text = |extreme: Extreme| {
                let wrong =
                    || DeltaTableError::generic(format!("statistics of {column}: {extreme:?} is no value of it"));
                extreme.to_json(field.data_type()).ok_or_else(wrong)
            };
            least.insert(column.to_owned(), text(first)?);
            greatest.insert(column.to_owned(), text(last)?);
        }
    }
    let rows = file.file_metadata().num_rows();
    Ok(json!({"numRecords": rows, "minValues": least, "maxValues": greatest, "nullCount": absent}).to_string())
}

struct OfColumn {
    absent: u64,
    span: Option<(Extreme, Extreme)>,
}

/// Numbers order as numbers, texts as bytes, and a column has only one of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Extreme {
    Number(i64),
    Text(Vec<u8>),
}

impl Extreme {
    fn to_json(&self, data_type: &DataType) -> Option<Value> {
        match (self, data_type) {
            (Self::Number(at), DataType::Timestamp(..)) => {
                let at = DateTime::from_timestamp_micros(*at)?;
                Some(at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string().into())
            }
            (Self::Number(day), DataType::Date32) => calendar_date(i32::try_from(*day).ok()?).map(Value::from),
            (Self::Number(number), _) => Some((*number).into()),
            (Self::Text(bytes), _) => String::from_utf8(bytes.clone()).ok().map(Value::from),
        }
    }
}

/// `None` where a row group does not tell.
fn of_column(file: &ParquetMetaData, column: &str, data_type: &DataType) -> Option<OfColumn> {
    let mut all = OfColumn { absent: 0, span: None };
    for group in file.row_groups() {
        let chunk = group.columns().iter().find(|chunk| chunk.column_path().string() == column)?;
        let found = chunk.statistics()?;
        all.absent += found.null_count_opt()?;
        if let Some((first, last)) = span(found, data_type) {
            let before = all.span.take().unwrap_or_else(|| (first.clone(), last.clone()));
            all.span = Some((before.0.min(first), before.1.max(last)));
        }
    }
    Some(all)
}

fn span(found: &Statistics, data_type: &DataType) -> Option<(Extreme, Extreme)> {
    let number = |number: Option<i64>| number.map(Extreme::Number);
    match (found, data_type) {
        (Statistics::Int32(values), _) => number(values.min_opt().map(|value| (*value).into()))
            .zip(number(values.max_opt().map(|value| (*value).into()))),
        (Statistics::Int64(values), _) => number(values.min_opt().copied()).zip(number(values.max_opt().copied())),
        (Statistics::ByteArray(values), DataType::Utf8) => {
            let text = |value: &[u8]| Extreme::Text(value.to_vec());
            values.min_bytes_opt().map(text).zip(values.max_bytes_opt().map(text))
        }
        _ => None,
    }
}
