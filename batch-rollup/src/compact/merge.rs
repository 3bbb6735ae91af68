//! Several files of a partition as one stream in the table's order.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::col;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::Add;
use futures::future::try_join_all;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::file::{FileError, TableFile, conform, in_order, text_as_views};
use super::fingerprint::Fingerprint;
use crate::Table;
use crate::query::{rows, session};

/// Rows that move together. With the number of files it bounds the merge's memory: about 2 MB a file beside the row group that the file is read by.
const BATCH_ROWS: usize = 8192;

type Batches = BoxStream<'static, Result<RecordBatch, FileError>>;

/// The columns by which a table's files are sorted.
pub(crate) fn order(table: Table) -> [&'static str; 5] {
    // The table of regions is one file always: it is never merged.
    ["source", "target", "protocol", "family", table.time().unwrap_or("id")]
}

/// One file to merge.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) file: TableFile,
    pub(crate) add: Add,
}

/// The rows of several files in the table's order, and what was read so far.
pub(crate) struct Merge {
    pub(crate) rows: SendableRecordBatchStream,
    pub(crate) read: Arc<Mutex<Fingerprint>>,
}

/// Merges files whose rows lie in the table's order; a row that does not is [`FileError::OutOfOrder`], and then [`sort`] is the way.
pub(crate) async fn merge(table: Table, inputs: Vec<Input>) -> Result<Merge, DataFusionError> {
    let schema: SchemaRef = Arc::new(text_as_views(&table.schema()));
    let order = order(table);
    let places = order.map(|column| schema.index_of(column)).into_iter().collect::<Result<Vec<_>, _>>()?;
    let read = Arc::new(Mutex::new(Fingerprint::default()));
    let opened = inputs.into_iter().map(|input| {
        let path = input.file.location.to_string();
        let rows = input.file.rows(&schema, BATCH_ROWS);
        async move { rows.await.map(|rows| (path, rows)) }
    });
    let opened = try_join_all(opened).await.map_err(external)?;
    let checked = opened.into_iter().map(|(path, rows)| in_order(path, places.clone(), rows));
    let streams = checked.map(|rows| noted(rows, &schema, &read)).collect();
    let by = order.iter().zip(&places);
    let by = by.map(|(name, place)| PhysicalSortExpr::new_default(Arc::new(Column::new(name, *place))));
    let by = LexOrdering::new(by).ok_or_else(|| DataFusionError::Internal("no columns to merge by".to_owned()))?;
    // Bounded by the number of files and the rows of a batch.
    let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    let rows = StreamingMergeBuilder::new()
        .with_streams(streams)
        .with_schema(schema)
        .with_expressions(&by)
        .with_metrics(BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0))
        .with_batch_size(BATCH_ROWS)
        .with_reservation(MemoryConsumer::new("compact").register(&pool))
        .build()?;
    Ok(Merge { rows, read })
}

/// Sorts the rows of files whatever their order, on disk where they are many.
pub(crate) async fn sort(table: Table, open: &DeltaTable, inputs: Vec<Input>) -> Result<Merge, DataFusionError> {
    let schema: SchemaRef = Arc::new(text_as_views(&table.schema()));
    let by = order(table).map(|column| col(column).sort(true, false)).to_vec();
    let path = format!("one of {} in no order", inputs.len());
    let adds = inputs.into_iter().map(|input| input.add).collect();
    let sorted = rows(&session()?, open, Some(adds)).await?.sort(by)?.execute_stream().await?;
    let columns = Arc::clone(&schema);
    let failed = move |source: Box<dyn std::error::Error + Send + Sync>| FileError::Read { path: path.clone(), source };
    let sorted = sorted.map(move |batch| {
        let batch = batch.map_err(|error| failed(error.into()))?;
        conform(&batch, &columns, None).map_err(|error| failed(error.into()))
    });
    let read = Arc::new(Mutex::new(Fingerprint::default()));
    Ok(Merge { rows: noted(sorted.boxed(), &schema, &read), read })
}

/// What the files hold, read again from the storage.
pub(crate) async fn fingerprint(table: Table, files: Vec<TableFile>) -> Result<Fingerprint, FileError> {
    let schema: SchemaRef = Arc::new(text_as_views(&table.schema()));
    let mut all = Fingerprint::default();
    for file in files {
        let path = file.location.to_string();
        let mut rows = file.rows(&schema, BATCH_ROWS).await?;
        while let Some(batch) = rows.try_next().await? {
            all.add(&batch).map_err(|error| FileError::Read { path: path.clone(), source: error.into() })?;
        }
    }
    Ok(all)
}

/// The same batches, whose fingerprint is added to `into`.
fn noted(batches: Batches, schema: &SchemaRef, into: &Arc<Mutex<Fingerprint>>) -> SendableRecordBatchStream {
    let into = Arc::clone(into);
    let note = move |batch: Result<RecordBatch, FileError>| {
        let batch = batch.map_err(external)?;
        into.lock().unwrap_or_else(PoisonError::into_inner).add(&batch)?;
        Ok(batch)
    };
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), batches.map(note)))
}

fn external(error: FileError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
