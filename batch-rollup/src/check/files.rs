//! Whether a table's files are what its log says, and each of their samples is there once.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use cloudping_model::UtcMicros;
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::prelude::{DataFrame, col, lit};
use deltalake_core::DeltaTable;
use deltalake_core::logstore::object_store::ObjectStore;
use futures::TryStreamExt;

use crate::hours::{date_of, date_text, partition_of, partition_span, start_of_date};
use crate::parquet_file::{Listed, ParquetFile};
use crate::query::{dates, rows, session};
use crate::rollup::files::table_rows;
use crate::{FileError, FileFault, Table};

/// What makes a sample of a round one of a kind. The same probe twice has the same time too.
const IDENTITY: [&str; 7] = ["target", "protocol", "family", "origin", "epoch", "round", "ts"];
/// Repeated samples that are told for each date and source.
const TOLD: usize = 100;

/// Checks presence, size, footer, columns, count of rows and partition; the small tables' rows are read too.
pub(crate) async fn check_file(table: Table, storage: Arc<dyn ObjectStore>, listed: &Listed) -> Result<(), FileError> {
    listed.check_size(storage.as_ref()).await?;
    let file = ParquetFile::open(storage, table, listed.clone()).await?;
    if let Some(expected) = listed.rows().filter(|rows| *rows != file.rows()) {
        return Err(listed.broken(FileFault::Rows { found: file.rows(), expected }));
    }
    check_partition(table, &file)?;
    if matches!(table, Table::Changes | Table::Regions) {
        table_rows(table, file).try_for_each(|_| std::future::ready(Ok(()))).await?;
    }
    Ok(())
}

/// Whether the times that a file's footer tells are of its partition.
fn check_partition(table: Table, file: &ParquetFile) -> Result<(), FileError> {
    let Some(column) = table.time() else {
        return Ok(());
    };
    let Some((first, last)) = file.extremes(column).and_then(|(min, max)| span(&min, &max)) else {
        return Ok(());
    };
    let add = &file.listed().add;
    match partition_span(add) {
        Some((from, to)) if from <= first && last <= to => Ok(()),
        _ => Err(file.listed().broken(FileFault::Partition {
            partition: partition_of(add).map_or_else(|| "none".to_owned(), date_text),
            first: date_text(date_of(first)),
            last: date_text(date_of(last)),
        })),
    }
}

/// The least and the greatest moment of a file, of those of its row groups.
fn span(mins: &ArrayRef, maxes: &ArrayRef) -> Option<(UtcMicros, UtcMicros)> {
    if mins.data_type() == &DataType::Date32 {
        let (mins, maxes) = (mins.as_primitive::<Date32Type>(), maxes.as_primitive::<Date32Type>());
        return Some((start_of_date(min(mins)?), start_of_date(max(maxes)?)));
    }
    let mins = mins.as_primitive_opt::<TimestampMicrosecondType>()?;
    let maxes = maxes.as_primitive_opt::<TimestampMicrosecondType>()?;
    Some((UtcMicros(min(mins)?), UtcMicros(max(maxes)?)))
}

/// Samples of a date that are there more than once, and how often. One source is looked at at a time, and what does not fit into memory goes to disk.
pub(crate) async fn repeated_rounds(samples: &DeltaTable, date: i32) -> Result<Vec<(String, i64)>, DataFusionError> {
    let session = session()?;
    let of_date = || async { rows(&session, samples, None).await?.filter(dates(date, date)) };
    let sources = of_date().await?.select_columns(&["source"])?.distinct()?.collect().await?;
    let mut found = Vec::new();
    for batch in &sources {
        let names = cast(batch.column(0), &DataType::Utf8)?;
        for source in names.as_string::<i32>().iter().flatten() {
            let of_source = of_date().await?.filter(col("source").eq(lit(source)))?;
            found.extend(repeated(of_source, source).await?);
        }
    }
    Ok(found)
}

async fn repeated(samples: DataFrame, source: &str) -> Result<Vec<(String, i64)>, DataFusionError> {
    let batches = samples
        .aggregate(IDENTITY.map(col).to_vec(), vec![count(lit(1)).alias("times")])?
        .filter(col("times").gt(lit(1)))?
        .limit(0, Some(TOLD))?
        .collect()
        .await?;
    let mut found = Vec::new();
    for batch in &batches {
        let options = FormatOptions::new().with_null("-");
        let columns = batch.columns().iter().take(IDENTITY.len());
        let columns: Vec<_> =
            columns.map(|column| ArrayFormatter::try_new(column, &options)).collect::<Result<_, _>>()?;
        let times = batch.column(IDENTITY.len()).as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let identity =
                IDENTITY.iter().zip(&columns).map(|(name, column)| format!(", {name} {}", column.value(row)));
            found.push((format!("source {source}{}", identity.collect::<String>()), times.value(row)));
        }
    }
    Ok(found)
}
