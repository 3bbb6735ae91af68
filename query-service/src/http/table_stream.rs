//! Rows in the form that was asked for, piece by piece: what has been written of an answer is not kept.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use arrow::json::writer::{JsonArray, JsonFormat, LineDelimited};
use arrow::{csv, json};
use axum::body::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::format::Format;
use crate::sql::{Encode, SqlError};

/// Times of samples are told to the microsecond.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";
/// Rows that a Parquet file's writer gathers before they go out.
const GROUP_ROWS: usize = 128 << 10;

/// Writes rows in one form.
pub(in crate::http) struct TableWriter {
    form: Form,
    written: Sink,
}

enum Form {
    Json(json::Writer<Sink, JsonArray>),
    Csv(Box<csv::Writer<Sink>>),
    Ndjson(json::Writer<Sink, LineDelimited>),
    ArrowStream(StreamWriter<Sink>),
    Parquet(Box<ArrowWriter<Sink>>),
}

/// What is written and has not been taken yet.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TableWriter {
    /// A writer of rows of this schema.
    ///
    /// # Errors
    /// [`SqlError::Failed`] for a schema that the form does not know.
    pub(in crate::http) fn new(format: Format, schema: &SchemaRef) -> Result<Self, SqlError> {
        let written = Sink::default();
        let to = written.clone();
        let form = match format {
            Format::Json => Form::Json(json(to)),
            Format::Ndjson => Form::Ndjson(json(to)),
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().with_timestamp_tz_format(TIME.to_owned()).build(to);
                // An answer without rows has its header too.
                writer.write(&RecordBatch::new_empty(Arc::clone(schema)))?;
                Form::Csv(Box::new(writer))
            }
            Format::ArrowStream => Form::ArrowStream(StreamWriter::try_new(to, schema)?),
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .set_compression(Compression::ZSTD(Default::default()))
                    .build();
                let writer = ArrowWriter::try_new(to, Arc::clone(schema), Some(properties)).map_err(failed)?;
                Form::Parquet(Box::new(writer))
            }
        };
        Ok(Self { form, written })
    }
}

impl Encode for TableWriter {
    fn write(&mut self, rows: &RecordBatch) -> Result<Bytes, SqlError> {
        match &mut self.form {
            Form::Json(writer) => writer.write(rows)?,
            Form::Ndjson(writer) => writer.write(rows)?,
            Form::Csv(writer) => writer.write(rows)?,
            Form::ArrowStream(writer) => writer.write(rows)?,
            Form::Parquet(writer) => writer.write(rows).map_err(failed)?,
        }
        Ok(self.written.take())
    }

    fn finish(self) -> Result<Bytes, SqlError> {
        match self.form {
            Form::Json(mut writer) => writer.finish()?,
            Form::Ndjson(mut writer) => writer.finish()?,
            Form::Csv(_) => {}
            Form::ArrowStream(mut writer) => writer.finish()?,
            Form::Parquet(writer) => drop(writer.close().map_err(failed)?),
        }
        Ok(self.written.take())
    }
}

fn json<F: JsonFormat>(to: Sink) -> json::Writer<Sink, F> {
    json::WriterBuilder::new().with_explicit_nulls(true).with_timestamp_tz_format(TIME.to_owned()).build(to)
}

fn failed(error: ParquetError) -> SqlError {
    SqlError::Failed(error.to_string())
}
