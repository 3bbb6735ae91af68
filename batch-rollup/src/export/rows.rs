//! The rows of a partition, in an order that depends on nothing but the rows, in batches of one size.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::{BatchCoalescer, cast, max, min};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use chrono::{DateTime, SecondsFormat};
use cloudping_schemas::tables::Origin;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{col, lit};
use deltalake_core::DeltaTable;
use futures::TryStreamExt;

use super::origins::{has_origin, is_of};
use super::plan::Source;
use crate::Table;
use crate::query::{rows, session};

/// Rows that are encoded together. Where pages end depends on it, so another number makes other bytes of the same rows.
const ROWS_PER_BATCH: usize = 8192;

/// The columns that rows are sorted by first; all others follow, so that only equal rows could change places.
fn leading(table: Table) -> &'static [&'static str] {
    match table {
        Table::Samples => &["source", "target", "ts"],
        Table::Rollup1h => &["source", "target", "hour"],
        Table::Rollup1d => &["source", "target", "day"],
        Table::Changes => &["source", "target", "minute"],
        Table::Regions => &["id"],
    }
}

/// The column that a row's time is in.
pub(crate) fn time(table: Table) -> Option<&'static str> {
    match table {
        Table::Regions => None,
        _ => leading(table).last().copied(),
    }
}

/// The columns of an exported file: those of the table, but for the one that its folder stands for.
pub(crate) fn file_schema(table: Table) -> SchemaRef {
    let schema = table.schema();
    let inside = |field: &&Arc<Field>| Some(field.name().as_str()) != table.partition();
    Arc::new(Schema::new(schema.fields().iter().filter(inside).cloned().collect::<Vec<_>>()))
}

/// The sorted rows of a partition that come from these origins, in memory that is bounded: a sort that needs more goes to disk.
pub(crate) async fn sorted(
    open: &DeltaTable,
    source: &Source,
    origins: &BTreeSet<Origin>,
) -> Result<SortedRows, DataFusionError> {
    let table = source.table;
    let schema = file_schema(table);
    let mut frame = rows(&session()?, open, None).await?;
    if let (Some(column), Some(days)) = (table.partition(), source.days()) {
        frame = frame.filter(col(column).eq(lit(ScalarValue::Date32(Some(days)))))?;
    }
    if has_origin(table) {
        frame = frame.filter(is_of(origins))?;
    }
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    // A digest follows from the rest of its row, and is long.
    let others = names.iter().filter(|name| !leading(table).contains(name) && **name != "digest");
    let order = leading(table).iter().chain(others).map(|name| col(*name).sort(true, true)).collect();
    let stream = frame.select_columns(&names)?.sort(order)?.execute_stream().await?;
    Ok(SortedRows { stream, even: BatchCoalescer::new(schema.clone(), ROWS_PER_BATCH), schema, ended: false })
}

/// Sorted rows, batch by batch.
pub(crate) struct SortedRows {
    stream: SendableRecordBatchStream,
    even: BatchCoalescer,
    schema: SchemaRef,
    ended: bool,
}

impl SortedRows {
    /// The next batch: of the same size whatever the reader made of the files, but for the last.
    ///
    /// # Errors
    /// [`DataFusionError`] when the table cannot be read.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>, DataFusionError> {
        loop {
            if let Some(batch) = self.even.next_completed_batch() {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            match self.stream.try_next().await? {
                Some(batch) => self.even.push_batch(conform(&batch, &self.schema)?)?,
                None => {
                    self.ended = true;
                    self.even.finish_buffered_batch()?;
                }
            }
        }
    }
}

/// The same rows in the types of the schema: readers choose their own for texts.
fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema.clone(), columns)
}

/// What the manifest says about rows besides their number: from when to when, and whose they are.
#[derive(Debug, Default)]
pub(crate) struct Extent {
    span: Option<(i64, i64)>,
    /// Days rather than microseconds.
    days: bool,
    pub(crate) origins: BTreeSet<String>,
}

impl Extent {
    /// Takes rows of a table.
    ///
    /// # Errors
    /// [`ArrowError`] when a column is not of the table's type.
    pub(crate) fn add(&mut self, table: Table, rows: &RecordBatch) -> Result<(), ArrowError> {
        if let Some(column) = time(table).and_then(|time| rows.column_by_name(time)) {
            self.days = column.data_type() == &DataType::Date32;
            let times = numbers(column, self.days)?;
            for at in [min(&times), max(&times)].into_iter().flatten() {
                let (first, last) = self.span.unwrap_or((at, at));
                self.span = Some((first.min(at), last.max(at)));
            }
        }
        if let Some(column) = rows.column_by_name("origin") {
            self.add_origins(column.as_string::<i32>());
        }
        Ok(())
    }

    fn add_origins(&mut self, column: &arrow::array::StringArray) {
        let mut last = None;
        for origin in column {
            // Neighbours mostly have the same.
            if last != Some(origin) {
                self.origins.insert(origin.map_or_else(|| Origin::Measured.to_string(), str::to_owned));
                last = Some(origin);
            }
        }
    }

    /// The least and the greatest time, as the manifest writes them.
    pub(crate) fn span(&self) -> (Option<String>, Option<String>) {
        let shown = |at: i64| {
            if self.days {
                let date = DateTime::from_timestamp(at * 86_400, 0)?.date_naive();
                return Some(date.to_string());
            }
            Some(DateTime::from_timestamp_micros(at)?.to_rfc3339_opts(SecondsFormat::Micros, true))
        };
        let (first, last) = self.span.unzip();
        (first.and_then(shown), last.and_then(shown))
    }
}

fn numbers(column: &ArrayRef, days: bool) -> Result<Int64Array, ArrowError> {
    let column = if days { cast(column, &DataType::Int32)? } else { column.clone() };
    Ok(cast(&column, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}
