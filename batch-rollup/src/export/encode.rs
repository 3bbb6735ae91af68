//! Rows as the bytes of a file. The same rows in the same batches are the same bytes: nothing here knows a clock or a chance.

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::csv;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use std::sync::Arc;

use super::manifest::ExportFormat;
use crate::Table;
use crate::table::Rows;

/// RFC 3339, microseconds.
const TIMESTAMP: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

/// Writes the rows of one file; the bytes are taken from it as they come.
pub(crate) enum Encoder {
    Parquet(Box<ArrowWriter<Vec<u8>>>),
    CsvGz { zip: Box<GzEncoder<Vec<u8>>>, headed: bool },
}

impl Encoder {
    /// A file of a table, whose batches are of `schema`.
    ///
    /// # Errors
    /// [`ParquetError`] when the schema does not fit into Parquet.
    pub(crate) fn new(format: ExportFormat, table: Table, schema: SchemaRef) -> Result<Self, ParquetError> {
        Ok(match format {
            ExportFormat::Parquet => {
                let writer = ArrowWriter::try_new(Vec::new(), schema, Some(table.writer_properties(Rows::Sparse)))?;
                Self::Parquet(Box::new(writer))
            }
            ExportFormat::CsvGz => {
                Self::CsvGz { zip: Box::new(GzEncoder::new(Vec::new(), Compression::default())), headed: false }
            }
        })
    }

    /// Takes rows.
    ///
    /// # Errors
    /// [`ParquetError`] when they are of another schema.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        match self {
            Self::Parquet(writer) => writer.write(rows),
            Self::CsvGz { zip, headed } => {
                let rows = without_zones(rows)?;
                let builder = csv::WriterBuilder::new().with_header(!*headed);
                builder.with_timestamp_format(TIMESTAMP.to_owned()).build(zip).write(&rows)?;
                *headed = true;
                Ok(())
            }
        }
    }

    /// The bytes that are ready; they are forgotten here.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Parquet(writer) => std::mem::take(writer.inner_mut()),
            Self::CsvGz { zip, .. } => std::mem::take(zip.get_mut()),
        }
    }

    /// The last bytes.
    ///
    /// # Errors
    /// [`ParquetError`] when the file cannot be closed.
    pub(crate) fn finish(self) -> Result<Vec<u8>, ParquetError> {
        match self {
            Self::Parquet(writer) => writer.into_inner(),
            Self::CsvGz { zip, .. } => Ok(zip.finish()?),
        }
    }
}

/// The same moments without their zone, which is UTC: the CSV writer would look it up in a database of zones.
fn without_zones(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let plain = |(column, field): (&ArrayRef, &Arc<Field>)| match field.data_type() {
        DataType::Timestamp(..) => {
            let moments = column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<&str>);
            let field = field.as_ref().clone().with_data_type(arrow::array::Array::data_type(&moments).clone());
            (Arc::new(field), Arc::new(moments) as ArrayRef)
        }
        _ => (field.clone(), column.clone()),
    };
    let schema = rows.schema();
    let (fields, columns): (Vec<_>, Vec<_>) = rows.columns().iter().zip(schema.fields()).map(plain).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}
