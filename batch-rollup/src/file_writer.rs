//! Parquet files of a table: where they end, how they are encoded, and what their `Add` tells.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::array::{Array, AsArray, RecordBatch, make_comparator};
use arrow::compute::{SortOptions, filter_record_batch, kernels::cmp, partition};
use arrow::datatypes::{Date32Type, SchemaRef};
use deltalake_core::kernel::Add;
use deltalake_core::logstore::object_store::buffered::BufWriter;
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::{ObjectStoreRef, object_store::ObjectStoreExt};
use deltalake_core::{DeltaResult, DeltaTable, DeltaTableError};
use futures::{Stream, StreamExt};
use parquet::arrow::AsyncArrowWriter;
use uuid::Uuid;

use crate::Table;
use crate::file_statistics::statistics;
use crate::hours::calendar_date;
use crate::table::Rows;

/// Bytes at which a sorted file ends. A day of 36 regions with five probes a pair and minute, about 40 MB, is one file, one of 1e8 probes three.
/// A compaction takes files of half the size for days that are done, so an hour must stay below it.
pub(crate) const FILE_BYTES: u64 = 256 << 20;

/// Rows at which a row group of a sorted file ends with the next series, so that a query for one pair reads little else.
const GROUP_ROWS: usize = 65_536;
/// Rows at which it ends wherever it is.
const MAX_GROUP_ROWS: usize = 1_000_000;
/// Rows of a series in a row group from which its latencies are few values many times: a dictionary of them is smaller than deltas.
const DENSE_ROWS: usize = 40_000;
/// The columns that make a series, in the order of the rows.
const SERIES: [&str; 4] = ["source", "target", "protocol", "family"];

/// Writes batches into new files of a table, one a partition, rows in the order of the batches. They belong to the table once they are committed.
///
/// Text columns may be dictionaries. Files of a commit that does not happen are left for the vacuum: a commit whose answer was lost may have happened,
/// and deleting its files would lose rows.
pub(crate) async fn write_files<E>(
    table: Table,
    open: &DeltaTable,
    batches: impl Stream<Item = Result<RecordBatch, E>> + Unpin,
) -> Result<Vec<Add>, E>
where
    E: From<DeltaTableError>,
{
    write(table, open, batches, None).await
}

/// As [`write_files`], for rows that come sorted by partition, series and time: files for ever, made small and quick to search.
///
/// Row groups end with a series. A file ends with the first series at which it has `file_bytes`, or has twice as much.
pub(crate) async fn write_sorted_files<E>(
    table: Table,
    open: &DeltaTable,
    batches: impl Stream<Item = Result<RecordBatch, E>> + Unpin,
    file_bytes: u64,
) -> Result<Vec<Add>, E>
where
    E: From<DeltaTableError>,
{
    write(table, open, batches, Some(file_bytes)).await
}

async fn write<E>(
    table: Table,
    open: &DeltaTable,
    mut batches: impl Stream<Item = Result<RecordBatch, E>> + Unpin,
    sorted: Option<u64>,
) -> Result<Vec<Add>, E>
where
    E: From<DeltaTableError>,
{
    let mut writer =
        TableWriter { table, storage: open.object_store(), sorted, partitions: BTreeMap::new(), adds: Vec::new() };
    while let Some(batch) = batches.next().await {
        let written = match batch {
            Ok(batch) => writer.take(&batch).await.map_err(E::from),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            writer.abort().await;
            return Err(error);
        }
    }
    Ok(writer.finish().await?)
}

/// The files of one write.
struct TableWriter {
    table: Table,
    storage: ObjectStoreRef,
    /// The bytes of a file whose rows are sorted.
    sorted: Option<u64>,
    /// By day; one without, if the table has no partitions.
    partitions: BTreeMap<Option<i32>, PartitionWriter>,
    adds: Vec<Add>,
}

impl TableWriter {
    async fn take(&mut self, batch: &RecordBatch) -> DeltaResult<()> {
        for (day, rows) in by_day(self.table, batch)? {
            if self.sorted.is_some() && !self.partitions.contains_key(&day) {
                // Sorted rows do not come back to an earlier partition.
                self.finish_partitions().await?;
            }
            let make = || PartitionWriter::new(self.table, self.storage.clone(), day, rows.schema());
            let partition = self.partitions.entry(day).or_insert_with(make);
            match self.sorted {
                Some(file_bytes) => partition.take_sorted(&rows, file_bytes).await?,
                None => partition.append(&rows, Rows::Passing).await?,
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> DeltaResult<Vec<Add>> {
        self.finish_partitions().await?;
        Ok(self.adds)
    }

    async fn finish_partitions(&mut self) -> DeltaResult<()> {
        for (_, mut partition) in std::mem::take(&mut self.partitions) {
            partition.end_group().await?;
            partition.end_file().await?;
            self.adds.append(&mut partition.adds);
        }
        Ok(())
    }

    /// What has failed already is what to report: an upload that cannot be taken back is left to the storage.
    async fn abort(self) {
        for file in self.partitions.into_values().filter_map(|partition| partition.file) {
            file.writer.into_inner().abort().await.ok();
        }
    }
}

/// A batch's rows by day, without the column that tells it.
fn by_day(table: Table, batch: &RecordBatch) -> DeltaResult<Vec<(Option<i32>, RecordBatch)>> {
    let Some(column) = table.partition() else {
        return Ok(vec![(None, batch.clone())]);
    };
    let index = batch.schema().index_of(column)?;
    let mut rest = batch.clone();
    let days = rest.remove_column(index);
    let Some(of) = days.as_primitive_opt::<Date32Type>() else {
        return Err(DeltaTableError::generic(format!("{column} is {}, expected Date32", days.data_type())));
    };
    let mut distinct = of.values().to_vec();
    distinct.dedup();
    distinct.sort_unstable();
    distinct.dedup();
    if let [day] = distinct[..] {
        return Ok(vec![(Some(day), rest)]);
    }
    let rows = |day| {
        let is_of_day = cmp::eq(of, &arrow::array::Date32Array::new_scalar(day))?;
        Ok((Some(day), filter_record_batch(&rest, &is_of_day)?))
    };
    distinct.into_iter().map(rows).collect()
}

/// The files of one partition, one after another.
struct PartitionWriter {
    table: Table,
    storage: ObjectStoreRef,
    day: Option<i32>,
    schema: SchemaRef,
    file: Option<OpenFile>,
    /// Rows of the row group to come, and how many series they are of.
    group: Vec<RecordBatch>,
    group_rows: usize,
    group_series: usize,
    adds: Vec<Add>,
}

struct OpenFile {
    path: Path,
    writer: AsyncArrowWriter<BufWriter>,
}

impl PartitionWriter {
    fn new(table: Table, storage: ObjectStoreRef, day: Option<i32>, rows: SchemaRef) -> Self {
        // Whatever form the rows come in, the file has the table's types.
        let fields: Vec<_> = (table.schema().fields().iter())
            .filter(|field| rows.field_with_name(field.name()).is_ok())
            .cloned()
            .collect();
        let schema = SchemaRef::new(arrow::datatypes::Schema::new(fields));
        Self {
            table,
            storage,
            day,
            schema,
            file: None,
            group: Vec::new(),
            group_rows: 0,
            group_series: 0,
            adds: Vec::new(),
        }
    }

    /// Appends rows to the running file; what is `known` of the first ones decides how it is encoded.
    async fn append(&mut self, rows: &RecordBatch, known: Rows) -> DeltaResult<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(open_file(self.table, &self.storage, self.day, &self.schema, self.adds.len(), known)?),
        };
        Ok(file.writer.write(rows).await?)
    }

    /// Takes sorted rows, and ends row groups and files where a series ends.
    async fn take_sorted(&mut self, rows: &RecordBatch, file_bytes: u64) -> DeltaResult<()> {
        for run in runs(rows)? {
            let goes_on = run.start == 0 && self.goes_on(rows)?;
            if !goes_on {
                if self.group_rows >= GROUP_ROWS {
                    self.end_group().await?;
                }
                if self.bytes() >= file_bytes {
                    self.end_file().await?;
                }
                self.group_series += 1;
            }
            self.take_run(rows, run, file_bytes).await?;
        }
        Ok(())
    }

    /// Takes rows of one series: in several row groups, should they be very many.
    async fn take_run(&mut self, rows: &RecordBatch, run: Range<usize>, file_bytes: u64) -> DeltaResult<()> {
        let mut rest = run;
        while !rest.is_empty() {
            let taken = rest.len().min(MAX_GROUP_ROWS - self.group_rows);
            self.group.push(rows.slice(rest.start, taken));
            self.group_rows += taken;
            self.group_series = self.group_series.max(1);
            rest.start += taken;
            if self.group_rows == MAX_GROUP_ROWS {
                self.end_group().await?;
                if self.bytes() >= 2 * file_bytes {
                    self.end_file().await?;
                }
            }
        }
        Ok(())
    }

    /// Whether rows begin with the series that the row group ends with.
    fn goes_on(&self, rows: &RecordBatch) -> DeltaResult<bool> {
        let Some(last) = self.group.last() else {
            return Ok(false);
        };
        for name in SERIES {
            if let (Some(left), Some(right)) = (last.column_by_name(name), rows.column_by_name(name)) {
                let compare = make_comparator(left, right, SortOptions::default())?;
                if compare(last.num_rows() - 1, 0).is_ne() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn bytes(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.writer.bytes_written() as u64)
    }

    async fn end_group(&mut self) -> DeltaResult<()> {
        let is_dense = self.group_rows >= DENSE_ROWS * self.group_series;
        let of_group = if is_dense { Rows::Dense } else { Rows::Sparse };
        self.group_rows = 0;
        self.group_series = 0;
        for rows in std::mem::take(&mut self.group) {
            self.append(&rows, of_group).await?;
        }
        if let Some(file) = &mut self.file {
            file.writer.flush().await?;
        }
        Ok(())
    }

    async fn end_file(&mut self) -> DeltaResult<()> {
        let Some(mut file) = self.file.take() else {
            return Ok(());
        };
        let metadata = file.writer.finish().await?;
        // The storage says when the file was made: nothing here reads a clock.
        let stored = self.storage.head(&file.path).await?;
        let partition_values = (self.table.partition().into_iter())
            .map(|column| (column.to_owned(), self.day.and_then(calendar_date)))
            .collect();
        self.adds.push(Add {
            path: file.path.to_string(),
            partition_values,
            size: stored.size.cast_signed(),
            modification_time: stored.last_modified.timestamp_millis(),
            data_change: true,
            stats: Some(statistics(self.table, &metadata)?),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        });
        Ok(())
    }
}

/// The stretches of rows that are of one series each.
fn runs(rows: &RecordBatch) -> DeltaResult<Vec<Range<usize>>> {
    let columns: Vec<_> = SERIES.iter().filter_map(|name| rows.column_by_name(name).cloned()).collect();
    if columns.is_empty() {
        return Ok(std::iter::once(0..rows.num_rows()).collect());
    }
    Ok(partition(&columns)?.ranges())
}

fn open_file(
    table: Table,
    storage: &ObjectStoreRef,
    day: Option<i32>,
    schema: &SchemaRef,
    nth: usize,
    known: Rows,
) -> DeltaResult<OpenFile> {
    let name = format!("part-{nth:05}-{}-c000.zstd.parquet", Uuid::new_v4());
    let folder = table.partition().zip(day.and_then(calendar_date)).map(|(column, day)| format!("{column}={day}/"));
    let path = Path::parse(folder.unwrap_or_default() + &name)
        .map_err(|error| DeltaTableError::generic(format!("name of a file of {}: {error}", table.name())))?;
    let upload = BufWriter::new(storage.clone(), path.clone());
    let writer = AsyncArrowWriter::try_new(upload, schema.clone(), Some(table.writer_properties(known)))?;
    Ok(OpenFile { path, writer })
}

#[cfg(test)]
mod tests;
