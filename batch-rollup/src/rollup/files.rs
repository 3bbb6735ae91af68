//! Which files of the samples are new, and which of a rollup are replaced.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, RecordBatch, new_null_array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Date32Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use cloudping_model::{Pane, UtcMicros};
use deltalake_core::kernel::{Action, Add, Remove, Version};
use deltalake_core::logstore::get_actions;
use deltalake_core::logstore::object_store::ObjectStore;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use crate::hours::{panes_of, partition_of, start_of_date};
use crate::parquet_file::{Listed, ParquetFile};
use crate::{FileError, FileFault, Table};

/// Commits that are read at a time.
const COMMITS_AT_ONCE: usize = 16;

/// A file of a rollup, and its removal.
pub(crate) struct OldFile {
    listed: Listed,
    pub(crate) remove: Remove,
    /// Whether it holds windows that stay.
    mixed: bool,
}

/// The files whose rows were added after the version `computed`; `None` if there is none, or if the log does not reach back so far: then it is all.
pub(crate) async fn added_since(
    samples: &DeltaTable,
    computed: Option<i64>,
) -> Result<Option<Vec<Add>>, DeltaTableError> {
    let newest = samples.version().unwrap_or(0);
    let computed = computed.and_then(|computed| Version::try_from(computed).ok());
    let Some(computed) = computed.filter(|computed| *computed <= newest) else {
        return Ok(None);
    };
    let log = samples.log_store();
    let entries = stream::iter(computed + 1..=newest).map(|version| {
        let log = Arc::clone(&log);
        async move { Ok::<_, DeltaTableError>((version, log.read_commit_entry(version).await?)) }
    });
    let mut entries = entries.buffered(COMMITS_AT_ONCE);
    let mut added = Vec::new();
    while let Some((version, bytes)) = entries.try_next().await? {
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        added.extend(get_actions(version, &bytes)?.into_iter().filter_map(|action| match action {
            Action::Add(add) if add.data_change => Some(add),
            _ => None,
        }));
    }
    Ok(Some(added))
}

/// The files of a rollup that may hold one of the windows. `time` is its column of their starts.
pub(crate) fn holders(
    rollup: &DeltaTable,
    windows: &BTreeSet<UtcMicros>,
    time: &str,
    pane: Pane,
) -> Result<Vec<OldFile>, DeltaTableError> {
    let files = rollup.snapshot()?.log_data();
    let holders = files.iter().filter_map(|file| {
        let listed = Listed::of(&file);
        let held = panes_of(&listed.add, time, pane);
        let mixed = held.iter().any(|window| !windows.contains(window));
        let holds = held.iter().any(|window| windows.contains(window));
        holds.then(|| OldFile { listed, remove: file.remove_action(true), mixed })
    });
    Ok(holders.collect())
}

/// The rows of an old file that stay, in its order; `None` if none does.
pub(crate) async fn kept_rows<'a>(
    table: Table,
    storage: Arc<dyn ObjectStore>,
    old: &OldFile,
    time: &'a str,
    replaced: &'a BTreeSet<UtcMicros>,
) -> Result<Option<BoxStream<'a, Result<RecordBatch, FileError>>>, FileError> {
    if !old.mixed {
        return Ok(None);
    }
    let file = ParquetFile::open(storage, table, old.listed.clone()).await?;
    let rows = table_rows(table, file).map(move |batch| Ok(without(&batch?, time, replaced)?));
    Ok(Some(rows.try_filter(|rows| std::future::ready(rows.num_rows() > 0)).boxed()))
}

/// A file's rows in the table's columns, in its order.
pub(crate) fn table_rows(table: Table, file: ParquetFile) -> BoxStream<'static, Result<RecordBatch, FileError>> {
    let file = Arc::new(file);
    let groups = stream::iter(0..file.groups()).then(move |group| {
        let file = Arc::clone(&file);
        async move {
            let schema = table.schema();
            let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let batches: Vec<RecordBatch> = file.read(group, &columns, None).await?.try_collect().await?;
            let unreadable = |error: ArrowError| file.listed().broken(FileFault::Unreadable(error.to_string()));
            let conform = |batch: RecordBatch| conform(table, &file.listed().add, &batch).map_err(unreadable);
            Ok::<_, FileError>(stream::iter(batches.into_iter().map(conform).collect::<Vec<_>>()))
        }
    });
    groups.try_flatten().boxed()
}

/// Rows of a file as the table has them: with its partition, and null where an older release knew no such column.
fn conform(table: Table, file: &Add, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    let columns = schema.fields().iter().map(|field| -> Result<ArrayRef, ArrowError> {
        if Some(field.name().as_str()) == table.partition() {
            let partition = partition_of(file).unwrap_or_default();
            return Ok(Arc::new(Date32Array::from_value(partition, rows.num_rows())));
        }
        match rows.column_by_name(field.name()) {
            Some(column) => cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), rows.num_rows())),
        }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema, columns)
}

/// The rows of other windows.
fn without(rows: &RecordBatch, time: &str, replaced: &BTreeSet<UtcMicros>) -> Result<RecordBatch, ArrowError> {
    let absent = || ArrowError::SchemaError(format!("no column {time}"));
    let starts = window_starts(rows.column_by_name(time).ok_or_else(absent)?);
    let stays: BooleanArray = starts.into_iter().map(|start| Some(!replaced.contains(&start))).collect();
    filter_record_batch(rows, &stays)
}

/// A column of times or dates as moments.
pub(crate) fn window_starts(column: &ArrayRef) -> Vec<UtcMicros> {
    match column.data_type() {
        DataType::Date32 => {
            column.as_primitive::<Date32Type>().values().iter().map(|&day| start_of_date(day)).collect()
        }
        _ => column.as_primitive::<TimestampMicrosecondType>().values().iter().map(|&at| UtcMicros(at)).collect(),
    }
}
