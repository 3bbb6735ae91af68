//! An archive with samples of one day, for statements to read.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::DataType;
use cloudping_schemas::tables;
use deltalake_core::DeltaTable;
use url::Url;

use crate::Result;
use crate::world::{REGIONS, ids};

/// 2026-01-01, as days and as µs since 1970.
const DAY: (i32, i64) = (20_454, 20_454 * 86_400_000_000);
/// Rows of one file.
const FILE_ROWS: usize = 250_000;

/// The address of the tables in a folder.
///
/// # Errors
/// When the folder's path is not absolute.
pub fn address(folder: &Path) -> Result<Url> {
    let path = folder.join("tables");
    Url::from_directory_path(&path).map_err(|()| format!("{}: expected an absolute path", path.display()).into())
}

/// Writes so many samples.
///
/// # Errors
/// When they cannot be written.
pub async fn fill(folder: &Path, rows: usize) -> Result<()> {
    let ids = ids(REGIONS)?;
    let path = folder.join("tables").join(tables::SAMPLES);
    std::fs::create_dir_all(&path)?;
    for from in (0..rows).step_by(FILE_ROWS) {
        let batch = samples(&ids, from, FILE_ROWS.min(rows - from))?;
        let table = DeltaTable::try_from_url(address(folder)?.join(tables::SAMPLES)?).await?;
        table.write([batch]).with_partition_columns([tables::PARTITION]).await?;
    }
    Ok(())
}

/// Rows as the archive sorts them: by source, target and time.
fn samples(ids: &[String], from: usize, count: usize) -> Result<RecordBatch> {
    let schema = tables::samples();
    let mut random = fastrand::Rng::with_seed(from as u64);
    let rtts: Int32Array =
        (0..count).map(|row| 5_000 + ((from + row) / 500 % ids.len()) as i32 * 4_000 + random.i32(0..800)).collect();
    let rtts: ArrayRef = Arc::new(rtts);
    let id = |row: usize, each: usize| ids[row / each % ids.len()].as_str();
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "date" => Arc::new(Date32Array::from_value(DAY.0, count)),
            "ts" => {
                let times = (0..count).map(|row| DAY.1 + ((from + row) % 500) as i64 * 172_800_000);
                Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
            }
            "source" => texts(from, count, |row| id(row, 500 * 36)),
            "target" => texts(from, count, |row| id(row, 500)),
            "outcome" => texts(from, count, |_| "answered"),
            "protocol" => texts(from, count, |_| "tcp"),
            "family" => Arc::new(Int32Array::from_value(4, count)),
            "rtt_us" | "connect_us" => Arc::clone(&rtts),
            _ if field.is_nullable() => new_null_array(field.data_type(), count),
            _ => match field.data_type() {
                DataType::Int64 => Arc::new(Int64Array::from_value(0, count)),
                DataType::Int32 => Arc::new(Int32Array::from_value(0, count)),
                _ => texts(from, count, |_| ""),
            },
        }
    });
    Ok(RecordBatch::try_new(Arc::clone(&schema), columns.collect())?)
}

fn texts<'a>(from: usize, count: usize, text: impl Fn(usize) -> &'a str) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((from..from + count).map(text)))
}
