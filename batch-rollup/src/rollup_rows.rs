//! Samples, sorted by series, into rows of a rollup.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use arrow::error::ArrowError;
use cloudping_digest::trino::to_trino_bytes;
use cloudping_model::{Outcome, UtcMicros};
use cloudping_schemas::tables::{self, PERCENTILES};

use crate::hours::date_of;
use crate::statistics::{HourStatistics, SeriesHour};

/// The columns of the samples that a rollup is computed from, in the order that [`HourFold::push`] takes them.
pub(crate) const INPUT: [&str; 7] = ["source", "target", "protocol", "family", "origin", "outcome", "rtt_us"];
/// Those of them that name a series: the samples are sorted by them.
pub(crate) const SERIES: [&str; 5] = ["source", "target", "protocol", "family", "origin"];

/// One series, as the tables spell it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Series {
    source: String,
    target: String,
    protocol: String,
    family: i32,
    origin: Option<String>,
}

/// The columns of [`SERIES`].
type Names<'a> = (&'a str, &'a str, &'a str, i32, Option<&'a str>);

impl Series {
    fn is(&self, (source, target, protocol, family, origin): Names) -> bool {
        self.target == target
            && self.source == source
            && self.family == family
            && self.protocol == protocol
            && self.origin.as_deref() == origin
    }
}

/// Folds the samples of one hour, which come sorted by series, into rows: it holds one series' samples at a time.
pub(crate) struct HourFold {
    hour: UtcMicros,
    running: Option<(Series, SeriesHour)>,
    finished: Vec<(Series, HourStatistics)>,
}

impl HourFold {
    /// A fold of the hour that starts then.
    pub(crate) fn new(hour: UtcMicros) -> Self {
        Self { hour, running: None, finished: Vec::new() }
    }

    /// Takes samples in the columns of [`INPUT`].
    ///
    /// # Errors
    /// [`ArrowError`] when a column has another type, or an outcome is unknown.
    pub(crate) fn push(&mut self, samples: &RecordBatch) -> Result<(), ArrowError> {
        let text = |column: usize| cast(samples.column(column), &DataType::Utf8);
        let (source, target, protocol) = (text(0)?, text(1)?, text(2)?);
        let (origin, outcome) = (text(4)?, text(5)?);
        let [source, target, protocol, origin, outcome] =
            [&source, &target, &protocol, &origin, &outcome].map(|column| column.as_string::<i32>());
        let family = samples.column(3).as_primitive::<Int32Type>();
        let rtt = samples.column(6).as_primitive::<Int32Type>();
        for row in 0..samples.num_rows() {
            let origin = origin.is_valid(row).then(|| origin.value(row));
            let series = (source.value(row), target.value(row), protocol.value(row), family.value(row), origin);
            let rtt_us = rtt.is_valid(row).then(|| rtt.value(row).cast_unsigned());
            self.series(series).record(outcome_of(outcome.value(row))?, rtt_us);
        }
        Ok(())
    }

    fn series(&mut self, names: Names) -> &mut SeriesHour {
        let same = |(running, _): &(Series, SeriesHour)| running.is(names);
        if !self.running.as_ref().is_some_and(same) {
            self.finish_series();
        }
        let (_, hour) = self.running.get_or_insert_with(|| {
            let (source, target, protocol, family, origin) = names;
            let [source, target, protocol] = [source, target, protocol].map(str::to_owned);
            (Series { source, target, protocol, family, origin: origin.map(str::to_owned) }, SeriesHour::default())
        });
        hour
    }

    fn finish_series(&mut self) {
        if let Some((series, hour)) = self.running.take()
            && let Some(statistics) = hour.finish()
        {
            self.finished.push((series, statistics));
        }
    }

    /// Ends the last series: no samples follow.
    pub(crate) fn end(&mut self) {
        self.finish_series();
    }

    /// How many rows are ready.
    pub(crate) fn ready(&self) -> usize {
        self.finished.len()
    }

    /// The rows that are ready; they are forgotten here.
    ///
    /// # Errors
    /// [`ArrowError`] when the rows are not of the table's schema, which no sample can cause.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = std::mem::take(&mut self.finished);
        RecordBatch::try_new(tables::rollup_1h(), columns(self.hour, &rows))
    }
}

fn outcome_of(name: &str) -> Result<Outcome, ArrowError> {
    let known = Outcome::ALL.into_iter().find(|outcome| outcome.name() == name);
    known.ok_or_else(|| ArrowError::ParseError(format!("outcome is {name:?}, expected one of the event's")))
}

fn columns(hour: UtcMicros, rows: &[(Series, HourStatistics)]) -> Vec<ArrayRef> {
    let texts = |text: fn(&Series) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(series, _)| text(series))))
    };
    let counts = |count: fn(&HourStatistics) -> u64| -> ArrayRef {
        let values = rows.iter().map(|(_, statistics)| count(statistics).cast_signed());
        Arc::new(Int64Array::from_iter_values(values))
    };
    let extremes = |extreme: fn(&HourStatistics) -> Option<u32>| -> ArrayRef {
        let values = rows.iter().map(|(_, statistics)| extreme(statistics).map(u32::cast_signed));
        Arc::new(Int32Array::from_iter(values))
    };
    let numbers = |number: &dyn Fn(&HourStatistics) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(rows.iter().map(|(_, statistics)| number(statistics))))
    };
    let digests = rows.iter().map(|(_, statistics)| statistics.digest.as_ref().map(to_trino_bytes));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from_value(date_of(hour), rows.len())),
        Arc::new(TimestampMicrosecondArray::from_value(hour.0, rows.len()).with_timezone("UTC")),
        texts(|series| &series.source),
        texts(|series| &series.target),
        texts(|series| &series.protocol),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|(series, _)| series.family))),
        counts(|statistics| statistics.sent),
        counts(|statistics| statistics.received),
        counts(|statistics| statistics.lost),
        counts(|statistics| statistics.retransmitted),
        counts(|statistics| statistics.unknown),
        extremes(|statistics| statistics.min_us),
        extremes(|statistics| statistics.max_us),
        numbers(&|statistics| statistics.mean_us),
        numbers(&|statistics| statistics.stddev_us),
    ];
    columns.extend((0..PERCENTILES.len()).map(|at| numbers(&|statistics| statistics.percentiles_us[at])));
    columns.push(Arc::new(BinaryArray::from_iter(digests)));
    columns.push(Arc::new(StringArray::from_iter(rows.iter().map(|(series, _)| series.origin.as_deref()))));
    columns
}
