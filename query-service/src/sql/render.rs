//! Answers as text, written row by row so that they stay within their bounds.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema, UInt64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Value, json};

use crate::SqlLimits;
use crate::text::push_csv_row;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One object: columns, rows as arrays, counts.
    Json,
    /// RFC 4180 with a header line.
    Csv,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The text.
    pub body: String,
    /// Rows in it.
    pub row_count: usize,
    /// Whether there were more rows than it holds.
    pub truncated: bool,
}

const FORMAT: FormatOptions<'_> = FormatOptions::new()
    .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.6f%:z"))
    .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.6f"));

/// Writes batches until a bound is reached.
pub(super) struct Writer {
    format: Format,
    body: String,
    max_rows: usize,
    max_bytes: usize,
    rows: usize,
    truncated: bool,
}

impl Writer {
    pub(super) fn new(format: Format, schema: &Schema, limits: &SqlLimits) -> Self {
        let fields = schema.fields();
        let body = match format {
            Format::Json => {
                let columns =
                    fields.iter().map(|field| json!({"name": field.name(), "type": field.data_type().to_string()}));
                format!("{{\"columns\":{},\"rows\":[", Value::from_iter(columns))
            }
            Format::Csv => {
                let mut body = String::new();
                push_csv_row(&mut body, fields.iter().map(|field| field.name().as_str()));
                body
            }
        };
        Self { format, body, max_rows: limits.rows, max_bytes: limits.result_bytes, rows: 0, truncated: false }
    }

    /// Adds rows; false when no more fit.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<bool, ArrowError> {
        let columns = batch.columns().iter().map(widened).collect::<Result<Vec<_>, _>>()?;
        let formatters = columns.iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &FORMAT));
        let formatters = formatters.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            if self.rows == self.max_rows || self.body.len() >= self.max_bytes {
                self.truncated = true;
                return Ok(false);
            }
            match self.format {
                Format::Json => self.json_row(&columns, &formatters, row)?,
                Format::Csv => {
                    let texts: Vec<_> = formatters.iter().map(|column| column.value(row).to_string()).collect();
                    push_csv_row(&mut self.body, texts.iter().map(String::as_str));
                }
            }
            self.rows += 1;
        }
        Ok(true)
    }

    fn json_row(
        &mut self,
        columns: &[ArrayRef],
        formatters: &[ArrayFormatter<'_>],
        row: usize,
    ) -> Result<(), ArrowError> {
        let values = columns.iter().zip(formatters).map(|(column, text)| value(column, text, row));
        let values = Value::Array(values.collect::<Result<_, _>>()?);
        if self.rows > 0 {
            self.body.push(',');
        }
        self.body.push_str(&values.to_string());
        Ok(())
    }

    pub(super) fn finish(mut self, elapsed: Duration) -> Answer {
        if self.format == Format::Json {
            let (rows, truncated) = (self.rows, self.truncated);
            let millis = elapsed.as_millis();
            let end = format!("],\"row_count\":{rows},\"elapsed_ms\":{millis},\"truncated\":{truncated}}}");
            self.body.push_str(&end);
        }
        Answer { body: self.body, row_count: self.rows, truncated: self.truncated }
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
