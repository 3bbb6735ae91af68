//! Answers as text, row by row.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type, Schema, UInt64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Value, json};

use crate::SqlLimits;
use crate::text::push_csv_row;

const FORMAT: FormatOptions<'_> = FormatOptions::new()
    .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.6f%:z"))
    .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.6f"));

/// One object, cut off where a bound is reached.
pub(in crate::sql) struct Json {
    pub(super) body: Vec<u8>,
    max_rows: usize,
    bytes_left: usize,
    rows: usize,
    truncated: bool,
}

impl Json {
    pub(super) fn new(schema: &Schema, limits: &SqlLimits) -> Self {
        let column = |field: &FieldRef| json!({"name": field.name(), "type": field.data_type().to_string()});
        let columns = Value::from_iter(schema.fields().iter().map(column));
        let body = format!("{{\"columns\":{columns},\"rows\":[").into_bytes();
        Self { body, max_rows: limits.rows, bytes_left: limits.result_bytes, rows: 0, truncated: false }
    }

    /// Adds rows; false when no more fit.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<bool, ArrowError> {
        let columns = wide(batch)?;
        let rows = Rows::new(&columns)?;
        for row in 0..batch.num_rows() {
            if self.rows == self.max_rows || self.bytes_left == 0 {
                self.truncated = true;
                return Ok(false);
            }
            let before = self.body.len();
            if self.rows > 0 {
                self.body.push(b',');
            }
            let values = rows.values(row).collect::<Result<_, _>>()?;
            self.body.extend(Value::Array(values).to_string().into_bytes());
            self.bytes_left = self.bytes_left.saturating_sub(self.body.len() - before);
            self.rows += 1;
        }
        Ok(true)
    }

    /// The rest, and whether rows were cut off.
    pub(super) fn finish(mut self, elapsed: Duration) -> (Vec<u8>, bool) {
        let (rows, truncated, millis) = (self.rows, self.truncated, elapsed.as_millis());
        let end = format!("],\"row_count\":{rows},\"elapsed_ms\":{millis},\"truncated\":{truncated}}}");
        self.body.extend(end.into_bytes());
        (self.body, truncated)
    }
}

/// A header line and a line a row.
pub(in crate::sql) struct Csv {
    pub(super) body: Vec<u8>,
}

impl Csv {
    pub(super) fn new(schema: &Schema) -> Self {
        let mut header = String::new();
        push_csv_row(&mut header, schema.fields().iter().map(|field| field.name().as_str()));
        Self { body: header.into_bytes() }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let columns = wide(batch)?;
        let rows = Rows::new(&columns)?;
        let mut lines = String::new();
        for row in 0..batch.num_rows() {
            let texts: Vec<_> = rows.texts.iter().map(|column| column.value(row).to_string()).collect();
            push_csv_row(&mut lines, texts.iter().map(String::as_str));
        }
        self.body.extend(lines.into_bytes());
        Ok(())
    }
}

/// An object a row and line, with the columns in their order.
pub(in crate::sql) struct Ndjson {
    pub(super) body: Vec<u8>,
    /// What stands before each value.
    names: Vec<String>,
}

impl Ndjson {
    pub(super) fn new(schema: &Schema) -> Self {
        let name = |(at, field): (usize, &FieldRef)| {
            let sign = if at == 0 { '{' } else { ',' };
            format!("{sign}{}:", Value::from(field.name().as_str()))
        };
        Self { body: Vec::new(), names: schema.fields().iter().enumerate().map(name).collect() }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let columns = wide(batch)?;
        let rows = Rows::new(&columns)?;
        for row in 0..batch.num_rows() {
            for (name, value) in self.names.iter().zip(rows.values(row)) {
                self.body.extend_from_slice(name.as_bytes());
                self.body.extend(value?.to_string().into_bytes());
            }
            if self.names.is_empty() {
                self.body.push(b'{');
            }
            self.body.extend_from_slice(b"}\n");
        }
        Ok(())
    }
}

/// Columns of which few types are left to write.
fn wide(batch: &RecordBatch) -> Result<Vec<ArrayRef>, ArrowError> {
    batch.columns().iter().map(widened).collect()
}

/// Columns and how their values are written.
struct Rows<'a> {
    columns: &'a [ArrayRef],
    texts: Vec<ArrayFormatter<'a>>,
}

impl<'a> Rows<'a> {
    fn new(columns: &'a [ArrayRef]) -> Result<Self, ArrowError> {
        let texts = columns.iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &FORMAT));
        Ok(Self { columns, texts: texts.collect::<Result<_, _>>()? })
    }

    /// The values of a row as JSON.
    fn values(&self, row: usize) -> impl Iterator<Item = Result<Value, ArrowError>> {
        self.columns.iter().zip(&self.texts).map(move |(column, text)| value(column, text, row))
    }
}

/// The column with its numbers as the widest of their kind and without dictionaries, so that few types are left to write.
fn widened(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    use DataType as T;
    let wide = match column.data_type() {
        T::Int8 | T::Int16 | T::Int32 => T::Int64,
        T::UInt8 | T::UInt16 | T::UInt32 => T::UInt64,
        T::Float16 | T::Float32 => T::Float64,
        T::Dictionary(_, values) => values.as_ref().clone(),
        _ => return Ok(Arc::clone(column)),
    };
    widened(&arrow::compute::cast(column, &wide)?)
}

/// A value as JSON: numbers, booleans and lists as such, numbers that JSON cannot hold as null, everything else as text.
fn value(column: &ArrayRef, text: &ArrayFormatter<'_>, row: usize) -> Result<Value, ArrowError> {
    use DataType as T;
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        T::Null => Value::Null,
        T::Boolean => column.as_boolean().value(row).into(),
        T::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        T::UInt64 => column.as_primitive::<UInt64Type>().value(row).into(),
        T::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        T::List(_) => {
            let items = widened(&column.as_list::<i32>().value(row))?;
            let text = ArrayFormatter::try_new(items.as_ref(), &FORMAT)?;
            let values = (0..items.len()).map(|item| value(&items, &text, item));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        _ => text.value(row).to_string().into(),
    })
}
