//! The rows of the rollups, computed from the files of samples that hold their windows.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use cloudping_digest::trino::to_trino_bytes;
use cloudping_model::UtcMicros;
use cloudping_schemas::tables::PERCENTILES;
use deltalake_core::logstore::object_store::ObjectStore;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::fold::{Fold, Gathered, INPUT, Pair, Series, TIME, Windows};
use crate::hours::{date_of, month_of};
use crate::parquet_file::{Listed, ParquetFile};
use crate::statistics::WindowStatistics;
use crate::{FileError, FileFault, Progress, Table};

/// Rows that are made together: few, since the work on them is not interrupted; a digest has up to 8 kB.
const ROWS_PER_BATCH: usize = 256;
/// Round-trip times that are held in memory at a time, 64 MB of them.
const VALUES_HELD: usize = 16_000_000;
/// Files whose footers are read ahead.
const OPEN_AHEAD: usize = 8;

/// One series and window.
struct Row {
    series: Series,
    start: UtcMicros,
    statistics: WindowStatistics,
}

/// What a computation reads: the files that may hold samples of its windows.
pub(crate) struct Input {
    pub(crate) storage: Arc<dyn ObjectStore>,
    pub(crate) files: Vec<Listed>,
    pub(crate) windows: Windows,
}

/// Where the computation is.
struct State<'a> {
    input: Input,
    progress: &'a dyn Progress,
    gathered: std::vec::IntoIter<Gathered>,
    /// The pair that the next pass begins at; `None` after the last pass.
    next: Option<Option<Pair>>,
}

/// The rollup's rows of some windows, in the order of series and windows, computed as they are asked for.
///
/// Holds the round-trip times of as many pairs as fit into [`VALUES_HELD`], and reads the files once for each such part, without the row groups and
/// pages of other parts: files that are sorted by series are read about once in all. The rows read are the progress' steps.
pub(crate) fn rollup_rows(input: Input, progress: &dyn Progress) -> BoxStream<'_, Result<RecordBatch, FileError>> {
    let state = State { input, progress, gathered: Vec::new().into_iter(), next: Some(None) };
    let rows = stream::try_unfold(state, async |mut state| {
        loop {
            let rows = ready(&state.input.windows, &mut state.gathered);
            if !rows.is_empty() {
                let table = state.input.windows.table();
                let batch = RecordBatch::try_new(table.schema(), columns(table, &rows))?;
                return Ok(Some((batch, state)));
            }
            let Some(from) = state.next.take() else {
                return Ok(None);
            };
            let (gathered, next) = pass(&state.input, from, state.progress).await?;
            state.gathered = gathered.into_iter();
            state.next = next.map(Some);
        }
    });
    rows.boxed()
}

/// A batch's worth of rows of the series gathered.
fn ready(windows: &Windows, gathered: &mut std::vec::IntoIter<Gathered>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (series, samples) in gathered {
        let statistics = samples.into_iter().enumerate().filter_map(|(nth, window)| Some((nth, window.finish()?)));
        rows.extend(statistics.map(|(nth, statistics)| Row {
            series: series.clone(),
            start: windows.start(nth),
            statistics,
        }));
        if rows.len() >= ROWS_PER_BATCH {
            break;
        }
    }
    rows
}

/// One pass over the files: pairs from `from` on, and where the next pass begins.
async fn pass(
    input: &Input,
    from: Option<Pair>,
    progress: &dyn Progress,
) -> Result<(Vec<Gathered>, Option<Pair>), FileError> {
    let mut fold = Fold::new(&input.windows, from, VALUES_HELD);
    let (storage, files) = (Arc::clone(&input.storage), input.files.clone());
    let opening = files.into_iter().map(move |file| ParquetFile::open(Arc::clone(&storage), Table::Samples, file));
    let mut files = stream::iter(opening).buffered(OPEN_AHEAD);
    while let Some(file) = files.try_next().await? {
        let all = || vec![true; file.groups()];
        let in_time = match file.extremes(TIME).filter(|_| input.windows.need_times()) {
            Some((min, max)) => times(&input.windows, &min, &max),
            None => all(),
        };
        let extremes = file.extremes("source");
        for group in (0..file.groups()).filter(|group| in_time[*group]) {
            let of_group =
                |(min, max): &(ArrayRef, ArrayRef)| sources(&fold, &min.slice(group, 1), &max.slice(group, 1))[0];
            if extremes.as_ref().is_none_or(of_group) {
                fold_group(&file, group, &input.windows, &mut fold, progress).await?;
            }
        }
    }
    Ok(fold.finish())
}

async fn fold_group(
    file: &ParquetFile,
    group: usize,
    windows: &Windows,
    fold: &mut Fold<'_>,
    progress: &dyn Progress,
) -> Result<(), FileError> {
    let mut columns = INPUT.to_vec();
    let by_time = windows.need_times().then(|| {
        columns.push(TIME);
        file.pages(group, TIME, |min, max| times(windows, min, max))
    });
    let by_source = fold.is_partial().then(|| file.pages(group, "source", |min, max| sources(fold, min, max)));
    let pages = match (by_time.flatten(), by_source.flatten()) {
        (Some(a), Some(b)) => Some(a.intersection(&b)),
        (a, b) => a.or(b),
    };
    let mut batches = file.read(group, &columns, pages).await?;
    while let Some(samples) = batches.try_next().await? {
        let unreadable = |error: ArrowError| file.listed().broken(FileFault::Unreadable(error.to_string()));
        fold.push(&samples).map_err(unreadable)?;
        progress.advance(samples.num_rows() as u64);
    }
    Ok(())
}

/// Of parts of a file with these least and greatest sources, which may matter; one that does not tell does.
fn sources(fold: &Fold<'_>, min: &ArrayRef, max: &ArrayRef) -> Vec<bool> {
    let (Some(min), Some(max)) = (min.as_string_opt::<i32>(), max.as_string_opt::<i32>()) else {
        return vec![true; min.len()];
    };
    let wants = |(min, max): (Option<&str>, Option<&str>)| match (min, max) {
        (Some(min), Some(max)) => fold.wants_sources(min, max),
        _ => true,
    };
    min.iter().zip(max.iter()).map(wants).collect()
}

/// Of parts of a file with these least and greatest times, which may matter; one that does not tell does.
fn times(windows: &Windows, min: &ArrayRef, max: &ArrayRef) -> Vec<bool> {
    let times = |column: &ArrayRef| column.as_primitive_opt::<TimestampMicrosecondType>().cloned();
    let (Some(min), Some(max)) = (times(min), times(max)) else {
        return vec![true; min.len()];
    };
    let overlap = |(min, max): (Option<i64>, Option<i64>)| match (min, max) {
        (Some(min), Some(max)) => windows.overlap(UtcMicros(min), UtcMicros(max)),
        _ => true,
    };
    min.iter().zip(max.iter()).map(overlap).collect()
}

fn columns(table: Table, rows: &[Row]) -> Vec<ArrayRef> {
    let texts = |text: fn(&Series) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| text(&row.series))))
    };
    let counts = |count: fn(&WindowStatistics) -> u64| -> ArrayRef {
        let values = rows.iter().map(|row| count(&row.statistics).cast_signed());
        Arc::new(Int64Array::from_iter_values(values))
    };
    let extremes = |extreme: fn(&WindowStatistics) -> Option<u32>| -> ArrayRef {
        let values = rows.iter().map(|row| extreme(&row.statistics).map(u32::cast_signed));
        Arc::new(Int32Array::from_iter(values))
    };
    let numbers = |number: &dyn Fn(&WindowStatistics) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(rows.iter().map(|row| number(&row.statistics))))
    };
    let digests = rows.iter().map(|row| row.statistics.digest.as_ref().map(to_trino_bytes));
    let dates = |date: fn(i32) -> i32| -> ArrayRef {
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| date(date_of(row.start)))))
    };
    let times = match table {
        Table::Rollup1d => [dates(month_of), dates(|date| date)],
        _ => {
            let hours = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.start.0));
            [dates(|date| date), Arc::new(hours.with_timezone("UTC")) as ArrayRef]
        }
    };
    let mut columns: Vec<ArrayRef> = times.to_vec();
    columns.extend([
        texts(|series| &series.source),
        texts(|series| &series.target),
        texts(|series| &series.protocol),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.series.family))),
        counts(|statistics| statistics.sent),
        counts(|statistics| statistics.received),
        counts(|statistics| statistics.lost),
        counts(|statistics| statistics.retransmitted),
        counts(|statistics| statistics.unknown),
        extremes(|statistics| statistics.min_us),
        extremes(|statistics| statistics.max_us),
        numbers(&|statistics| statistics.mean_us),
        numbers(&|statistics| statistics.stddev_us),
    ]);
    columns.extend((0..PERCENTILES.len()).map(|at| numbers(&|statistics| statistics.percentiles_us[at])));
    columns.push(Arc::new(BinaryArray::from_iter(digests)));
    columns.push(Arc::new(StringArray::from_iter(rows.iter().map(|row| row.series.origin.as_deref()))));
    columns
}
