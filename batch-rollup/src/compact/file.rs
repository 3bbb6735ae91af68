//! One file of a table, read in its own order.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::kernels::cmp::{eq, lt};
use arrow::compute::{and, cast, or, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::object_store::{ObjectStore, ObjectStoreExt};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

/// Why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("file {path}: {source}")]
    Read {
        /// Within the table.
        path: String,
        /// What the storage or the decoder said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its rows are not in the order that the table's files have.
    #[error("file {0}: its rows are not in the order of the table")]
    OutOfOrder(String),
}

/// A Parquet file in a storage.
#[derive(Debug, Clone)]
pub(crate) struct TableFile {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Within the table.
    pub(crate) location: Path,
    pub(crate) bytes: u64,
    /// What the log says of its partition's column.
    pub(crate) partition: Option<String>,
}

impl AsyncFileReader for TableFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.store.get_range(&self.location, range).map_err(|error| ParquetError::External(error.into())).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        let read = async move { self.store.get_ranges(&self.location, &ranges).await };
        read.map_err(|error| ParquetError::External(error.into())).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            let bytes = self.bytes;
            reader.load_and_finish(self, bytes).await.map(Arc::new)
        }
        .boxed()
    }
}

impl TableFile {
    /// Its rows with the columns of `schema`, in batches of at most `batch_rows`. Columns that came to the table after the file are null, the
    /// partition's column is what the log says.
    pub(crate) async fn rows(
        self,
        schema: &SchemaRef,
        batch_rows: usize,
    ) -> Result<BoxStream<'static, Result<RecordBatch, FileError>>, FileError> {
        let path = self.location.to_string();
        let failed = {
            let path = path.clone();
            move |source: Box<dyn std::error::Error + Send + Sync>| FileError::Read { path: path.clone(), source }
        };
        let partition = self.partition.clone();
        let opened = open(self, batch_rows).await.map_err(|error| failed(error.into()))?;
        let schema = Arc::clone(schema);
        let rows = opened.map(move |batch| {
            let batch = batch.map_err(|error| failed(error.into()))?;
            conform(&batch, &schema, partition.as_deref()).map_err(|error| failed(error.into()))
        });
        Ok(rows.boxed())
    }
}

async fn open(
    mut file: TableFile,
    batch_rows: usize,
) -> Result<BoxStream<'static, Result<RecordBatch, ParquetError>>, ParquetError> {
    // Which Arrow types a writer had in mind is its own affair.
    let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load_async(&mut file, plain).await?;
    let wanted = ArrowReaderOptions::new().with_schema(Arc::new(text_as_views(metadata.schema())));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), wanted)?;
    let reader = ParquetRecordBatchStreamBuilder::new_with_metadata(file, metadata).with_batch_size(batch_rows);
    Ok(reader.build()?.boxed())
}

/// The schema in which texts are views: a merge moves them without copying them.
pub(crate) fn text_as_views(schema: &Schema) -> Schema {
    let view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    };
    Schema::new(schema.fields().iter().map(view).collect::<Vec<_>>())
}

/// A file's batch with a table's columns.
pub(crate) fn conform(
    batch: &RecordBatch,
    schema: &SchemaRef,
    partition: Option<&str>,
) -> Result<RecordBatch, ArrowError> {
    let column = |field: &Arc<Field>| -> Result<ArrayRef, ArrowError> {
        if let Some(column) = batch.column_by_name(field.name()) {
            return cast(column, field.data_type());
        }
        if field.is_nullable() {
            return Ok(new_null_array(field.data_type(), batch.num_rows()));
        }
        let Some(partition) = partition else {
            return Err(ArrowError::SchemaError(format!("has no column {}, expected one", field.name())));
        };
        let one = cast(&StringArray::from(vec![partition]), field.data_type())?;
        let each = UInt32Array::from(vec![0; batch.num_rows()]);
        take(&one, &each, None)
    };
    let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
}

/// Passes batches on as long as their rows are in the order of `keys`, and fails where they are not.
pub(crate) fn in_order(
    path: String,
    keys: Vec<usize>,
    batches: BoxStream<'static, Result<RecordBatch, FileError>>,
) -> BoxStream<'static, Result<RecordBatch, FileError>> {
    let mut last: Option<RecordBatch> = None;
    batches
        .map(move |batch| {
            let batch = batch?;
            let failed = |error: ArrowError| FileError::Read { path: path.clone(), source: error.into() };
            let rows = batch.num_rows();
            if rows == 0 {
                return Ok(batch);
            }
            let keys = batch.project(&keys).map_err(failed)?;
            let within = ascending(&keys.slice(0, rows - 1), &keys.slice(1, rows - 1)).map_err(failed)?;
            let after = match last.replace(keys.slice(rows - 1, 1)) {
                Some(last) => ascending(&last, &keys.slice(0, 1)).map_err(failed)?,
                None => true,
            };
            if within && after { Ok(batch) } else { Err(FileError::OutOfOrder(path.clone())) }
        })
        .boxed()
}

/// Whether each row on the left is no greater than its neighbour on the right, by the first column, then by the next.
fn ascending(left: &RecordBatch, right: &RecordBatch) -> Result<bool, ArrowError> {
    let rows = left.num_rows();
    let mut less = BooleanArray::new(BooleanBuffer::new_unset(rows), None);
    let mut equal = BooleanArray::new(BooleanBuffer::new_set(rows), None);
    for (left, right) in left.columns().iter().zip(right.columns()) {
        less = or(&less, &and(&equal, &lt(left, right)?)?)?;
        equal = and(&equal, &eq(left, right)?)?;
    }
    Ok(or(&less, &equal)?.true_count() == rows)
}
