//! A table's Parquet files, read one by one: so that an error names the file, and only the columns and pages that matter are decoded.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use deltalake_core::kernel::{Add, LogicalFileView};
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::object_store::{Error as StorageError, ObjectStore, ObjectStoreExt};
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use crate::{BrokenFile, FileError, FileFault, Table};

/// Rows that are decoded together.
const BATCH_ROWS: usize = 16 * 1024;
/// Bytes at a file's end that are read at once: most footers, with the page index before them.
const FOOTER_BYTES: usize = 64 * 1024;

/// A file that a table's log lists.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// What the log says about it.
    pub(crate) add: Add,
    at: Path,
    /// Whether another program deleted rows of it in place.
    deletions: bool,
}

impl Listed {
    pub(crate) fn of(file: &LogicalFileView) -> Self {
        let deleted = file.deletion_vector_descriptor();
        let add = Add {
            path: file.path().into_owned(),
            size: file.size(),
            modification_time: file.modification_time(),
            partition_values: file.partition_values_map(),
            stats: file.stats(),
            ..Add::default()
        };
        Self { add, at: file.object_store_path(), deletions: deleted.is_some() }
    }

    /// The rows that it has by the log; `None` where that is not told.
    pub(crate) fn rows(&self) -> Option<u64> {
        u64::try_from(self.add.get_stats().ok()??.num_records).ok()
    }

    /// The broken file that this one is.
    pub(crate) fn broken(&self, fault: FileFault) -> FileError {
        BrokenFile { path: self.at.to_string(), fault }.into()
    }

    fn size(&self) -> u64 {
        self.add.size.unsigned_abs()
    }

    /// Whether the file is there, as large as it was written.
    pub(crate) async fn check_size(&self, storage: &dyn ObjectStore) -> Result<(), FileError> {
        match storage.head(&self.at).await {
            Ok(found) if found.size != self.size() => {
                Err(self.broken(FileFault::Size { found: found.size, expected: self.size() }))
            }
            Ok(_) => Ok(()),
            Err(StorageError::NotFound { .. }) => Err(self.broken(FileFault::Missing)),
            Err(source) => Err(FileError::Storage { path: self.at.to_string(), source: Box::new(source) }),
        }
    }

    /// What a failed read means: whether the file is to blame.
    async fn diagnose(&self, storage: &dyn ObjectStore, error: ParquetError) -> FileError {
        match (self.check_size(storage).await, error) {
            (Err(fault), _) => fault,
            (Ok(()), ParquetError::External(source)) => FileError::Storage { path: self.at.to_string(), source },
            (Ok(()), error) => self.broken(FileFault::Unreadable(error.to_string())),
        }
    }
}

/// The files of a table's loaded version.
pub(crate) fn listed(table: &DeltaTable) -> Result<Vec<Listed>, DeltaTableError> {
    Ok(table.snapshot()?.log_data().iter().map(|file| Listed::of(&file)).collect())
}

/// A file whose footer was read, and is of the table.
#[derive(Debug)]
pub(crate) struct ParquetFile {
    storage: Arc<dyn ObjectStore>,
    listed: Listed,
    metadata: ArrowReaderMetadata,
}

impl ParquetFile {
    /// Reads a file's footer, and checks its columns. Text comes as dictionaries.
    pub(crate) async fn open(storage: Arc<dyn ObjectStore>, table: Table, listed: Listed) -> Result<Self, FileError> {
        if listed.deletions {
            return Err(listed.broken(FileFault::Deletions));
        }
        // By the types of Parquet: which of Arrow's the writer had does not matter.
        let options =
            ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_page_index_policy(PageIndexPolicy::Optional);
        let mut reader = reader(&storage, &listed);
        let loaded = ArrowReaderMetadata::load_async(&mut reader, options.clone()).await;
        let typed = loaded.and_then(|metadata| {
            let options = options.with_schema(with_dictionaries(metadata.schema()));
            ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)
        });
        let metadata = match typed {
            Ok(metadata) => metadata,
            Err(error) => return Err(listed.diagnose(storage.as_ref(), error).await),
        };
        if let Some(fault) = foreign(table, metadata.schema()) {
            return Err(listed.broken(fault));
        }
        Ok(Self { storage, listed, metadata })
    }

    /// What the table's log says about it.
    pub(crate) fn listed(&self) -> &Listed {
        &self.listed
    }

    /// How many rows it has by its footer.
    pub(crate) fn rows(&self) -> u64 {
        self.metadata.metadata().file_metadata().num_rows().unsigned_abs()
    }

    /// How many row groups it has.
    pub(crate) fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// The least and greatest values of a column in each row group; `None` where the footer does not tell.
    pub(crate) fn extremes(&self, column: &str) -> Option<(ArrayRef, ArrayRef)> {
        let converter = self.converter(column)?;
        let groups = self.metadata.metadata().row_groups();
        Some((converter.row_group_mins(groups).ok()?, converter.row_group_maxes(groups).ok()?))
    }

    /// The rows of a row group's pages that may matter, as a function of the least and greatest values of each page's column decides; all rows where
    /// the file does not tell.
    pub(crate) fn pages(
        &self,
        group: usize,
        column: &str,
        matters: impl Fn(&ArrayRef, &ArrayRef) -> Vec<bool>,
    ) -> Option<RowSelection> {
        let converter = self.converter(column)?;
        let metadata = self.metadata.metadata();
        let (columns, offsets) = (metadata.column_index()?, metadata.offset_index()?);
        let mins = converter.data_page_mins(columns, offsets, [&group]).ok()?;
        let maxes = converter.data_page_maxes(columns, offsets, [&group]).ok()?;
        let counts = converter.data_page_row_counts(offsets, metadata.row_groups(), [&group]).ok()??;
        let selectors = matters(&mins, &maxes).into_iter().zip(counts.iter()).map(|(matters, rows)| {
            let rows = usize::try_from(rows.unwrap_or(0)).unwrap_or(usize::MAX);
            if matters { RowSelector::select(rows) } else { RowSelector::skip(rows) }
        });
        Some(selectors.collect())
    }

    fn converter(&self, column: &str) -> Option<StatisticsConverter<'_>> {
        StatisticsConverter::try_new(column, self.metadata.schema(), self.metadata.parquet_schema()).ok()
    }

    /// Rows of a row group: of these columns, those that the file has, in its own order.
    pub(crate) async fn read(
        &self,
        group: usize,
        columns: &[&str],
        rows: Option<RowSelection>,
    ) -> Result<BoxStream<'_, Result<RecordBatch, FileError>>, FileError> {
        let there = self.metadata.schema().fields().iter().enumerate();
        let roots = there.filter(|(_, field)| columns.contains(&field.name().as_str())).map(|(at, _)| at);
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), roots);
        let reader = reader(&self.storage, &self.listed);
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, self.metadata.clone())
            .with_batch_size(BATCH_ROWS)
            .with_row_groups(vec![group])
            .with_projection(mask);
        if let Some(rows) = rows {
            builder = builder.with_row_selection(rows);
        }
        match builder.build() {
            Ok(batches) => Ok(batches.or_else(|error| self.diagnose(error)).boxed()),
            Err(error) => Err(self.listed.diagnose(self.storage.as_ref(), error).await),
        }
    }

    async fn diagnose<T>(&self, error: ParquetError) -> Result<T, FileError> {
        Err(self.listed.diagnose(self.storage.as_ref(), error).await)
    }
}

fn reader(storage: &Arc<dyn ObjectStore>, listed: &Listed) -> Reader {
    Reader { storage: Arc::clone(storage), at: listed.at.clone(), size: listed.size() }
}

/// Reads ranges of one file.
struct Reader {
    storage: Arc<dyn ObjectStore>,
    at: Path,
    size: u64,
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.storage.get_range(&self.at, range).map_err(outside).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.storage.get_ranges(&self.at, &ranges).await.map_err(outside) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let size = self.size;
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            let metadata = reader.with_prefetch_hint(Some(FOOTER_BYTES)).load_and_finish(self, size).await?;
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}

fn outside(error: StorageError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// The schema with its texts as dictionaries.
fn with_dictionaries(schema: &Schema) -> SchemaRef {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(dictionary.clone())),
        _ => Arc::clone(field),
    };
    let fields: Vec<_> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// What tells that a file with these columns is none of the table's. Columns that may be null may be absent.
fn foreign(table: Table, found: &Schema) -> Option<FileFault> {
    let schema = with_dictionaries(&table.schema());
    let stored = schema.fields().iter().filter(|field| Some(field.name().as_str()) != table.partition());
    for field in stored {
        let expected = || field.data_type().to_string();
        match found.field_with_name(field.name()) {
            Ok(there) if there.data_type() == field.data_type() => {}
            Ok(there) => {
                let found = there.data_type().to_string();
                return Some(FileFault::Column { column: field.name().clone(), found, expected: expected() });
            }
            Err(_) if field.is_nullable() => {}
            Err(_) => {
                let found = "absent".to_owned();
                return Some(FileFault::Column { column: field.name().clone(), found, expected: expected() });
            }
        }
    }
    None
}
