//! Answers as bytes, a few rows at a time, so that an answer of any size takes the memory of a small one.

mod text;

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use self::text::{Csv, Json, Ndjson};
use super::{SqlError, plain};
use crate::SqlLimits;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One object: columns, rows as arrays, counts. It is cut off at [`SqlLimits::rows`] and [`SqlLimits::result_bytes`], and says so.
    Json,
    /// RFC 4180 with a header line.
    Csv,
    /// One object a row and line.
    Ndjson,
    /// Arrow IPC, the streaming form.
    ArrowStream,
    /// Parquet, zstd.
    Parquet,
}

/// Bytes that are encoded before anyone gets them.
const PIECE_BYTES: usize = 256 << 10;
/// Rows of a row group of Parquet: it is held in memory until it is whole.
const GROUP_ROWS: usize = 128 << 10;
/// Bytes of a row group of Parquet.
const GROUP_BYTES: usize = 16 << 20;

/// Writes the rows of one answer.
pub(super) enum Writer {
    Json(Json),
    Csv(Csv),
    Ndjson(Ndjson),
    ArrowStream(Box<StreamWriter<Vec<u8>>>),
    Parquet(Box<ArrowWriter<Vec<u8>>>),
}

impl Writer {
    pub(super) fn new(format: Format, schema: &SchemaRef, limits: &SqlLimits) -> Result<Self, SqlError> {
        Ok(match format {
            Format::Json => Self::Json(Json::new(schema, limits)),
            Format::Csv => Self::Csv(Csv::new(schema)),
            Format::Ndjson => Self::Ndjson(Ndjson::new(schema)),
            Format::ArrowStream => Self::ArrowStream(Box::new(StreamWriter::try_new(Vec::new(), schema)?)),
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .set_max_row_group_bytes(Some(GROUP_BYTES))
                    .build();
                let schema = SchemaRef::clone(schema);
                Self::Parquet(Box::new(ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(failed)?))
            }
        })
    }

    /// Adds rows; false when no more are wanted.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<bool, SqlError> {
        match self {
            Self::Json(json) => return Ok(json.write(batch)?),
            Self::Csv(csv) => csv.write(batch)?,
            Self::Ndjson(ndjson) => ndjson.write(batch)?,
            Self::ArrowStream(writer) => writer.write(batch)?,
            Self::Parquet(writer) => writer.write(batch).map_err(failed)?,
        }
        Ok(true)
    }

    /// What was written since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Self::Json(json) => &mut json.body,
            Self::Csv(csv) => &mut csv.body,
            Self::Ndjson(ndjson) => &mut ndjson.body,
            Self::ArrowStream(writer) => writer.get_mut(),
            Self::Parquet(writer) => writer.inner_mut(),
        })
    }

    /// The rest, and whether rows were cut off. `elapsed` is the time from question to answer.
    pub(super) fn finish(self, elapsed: Duration) -> Result<(Vec<u8>, bool), SqlError> {
        Ok(match self {
            Self::Json(json) => json.finish(elapsed),
            Self::Csv(csv) => (csv.body, false),
            Self::Ndjson(ndjson) => (ndjson.body, false),
            Self::ArrowStream(writer) => (writer.into_inner()?, false),
            Self::Parquet(writer) => (writer.into_inner().map_err(failed)?, false),
        })
    }
}

fn failed(error: ParquetError) -> SqlError {
    SqlError::Failed(error.to_string())
}

/// The batch in parts of about [`PIECE_BYTES`].
pub(super) fn parts(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> {
    let rows = batch.num_rows();
    let pieces = plain::bytes(batch).div_ceil(PIECE_BYTES).max(1);
    let step = rows.div_ceil(pieces).max(1);
    (0..rows).step_by(step).map(move |start| batch.slice(start, step.min(rows - start)))
}
