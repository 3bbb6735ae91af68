//! Samples, in any order, gathered by series and window within a bounded memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Int32Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use cloudping_model::{Outcome, Pane, UtcMicros};
use cloudping_schemas::tables::Origin;

use crate::Table;
use crate::hours::start_of_date;
use crate::statistics::SeriesWindow;

/// The columns of the samples that a window is computed from, apart from the time.
pub(crate) const INPUT: [&str; 7] = ["source", "target", "protocol", "family", "origin", "outcome", "rtt_us"];
/// Those of them that name a series: rollups are sorted by them.
pub(crate) const SERIES: [&str; 5] = ["source", "target", "protocol", "family", "origin"];
/// The time of a sample.
pub(crate) const TIME: &str = "ts";

/// One series, as the tables spell it, in the order of the tables.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Series {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) protocol: String,
    pub(crate) family: i32,
    pub(crate) origin: Option<String>,
}

/// Source and target: what a pass over the samples begins and ends at.
pub(crate) type Pair = (String, String);

/// Windows of one date that are to be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Windows {
    pane: Pane,
    starts: Vec<UtcMicros>,
    /// For each pane of the date which window it is.
    slots: Vec<Option<usize>>,
    date: i32,
}

impl Windows {
    /// Hours of a date (days since 1970-01-01); those of other dates are left out.
    pub(crate) fn hours(date: i32, hours: &BTreeSet<UtcMicros>) -> Self {
        Self::new(Pane::Hour, date, hours)
    }

    /// The whole date.
    pub(crate) fn day(date: i32) -> Self {
        Self::new(Pane::Day, date, &BTreeSet::from([start_of_date(date)]))
    }

    fn new(pane: Pane, date: i32, wanted: &BTreeSet<UtcMicros>) -> Self {
        let mut starts = Vec::new();
        let panes = (0..Pane::Day.micros() / pane.micros()).map(|nth| start_of_date(date) + nth * pane.micros());
        let slots = panes.map(|pane| {
            wanted.contains(&pane).then(|| {
                starts.push(pane);
                starts.len() - 1
            })
        });
        let slots = slots.collect();
        Self { pane, starts, slots, date }
    }

    /// The table that they belong to.
    pub(crate) fn table(&self) -> Table {
        if self.pane == Pane::Day { Table::Rollup1d } else { Table::Rollup1h }
    }

    /// The date that they are of, in days since 1970-01-01.
    pub(crate) fn date(&self) -> i32 {
        self.date
    }

    /// The start of the `nth` of them.
    pub(crate) fn start(&self, nth: usize) -> UtcMicros {
        self.starts[nth]
    }

    /// Whether every moment of the date is in one.
    fn cover_the_date(&self) -> bool {
        self.starts.len() == self.slots.len()
    }

    /// Whether they need the time of a sample, given that it is of the date.
    pub(crate) fn need_times(&self) -> bool {
        self.slots.len() > 1
    }

    fn place(&self, at: i64) -> Option<usize> {
        let pane = (at - start_of_date(self.date).0).div_euclid(self.pane.micros());
        self.slots.get(usize::try_from(pane).ok()?).copied().flatten()
    }

    /// Whether one of them holds a moment of `first` to `last`.
    pub(crate) fn overlap(&self, first: UtcMicros, last: UtcMicros) -> bool {
        self.cover_the_date() || self.starts.iter().any(|&start| start <= last && start + self.pane.micros() > first)
    }
}

/// The windows of one series, in their order.
pub(crate) type Gathered = (Series, Vec<SeriesWindow>);

/// Gathers the samples of pairs from some pair on, of as many as fit into its bound: where they are more, it forgets the last pairs, and they are the
/// next pass's. A single pair may exceed the bound.
pub(crate) struct Fold<'a> {
    windows: &'a Windows,
    from: Option<Pair>,
    until: Option<Pair>,
    places: HashMap<Series, usize>,
    gathered: Vec<Gathered>,
    held: usize,
    /// With so many values pairs are forgotten.
    limit: usize,
}

impl<'a> Fold<'a> {
    /// A fold of the pairs from `from` on that holds about `limit` values.
    pub(crate) fn new(windows: &'a Windows, from: Option<Pair>, limit: usize) -> Self {
        Self { windows, from, until: None, places: HashMap::new(), gathered: Vec::new(), held: 0, limit }
    }

    /// Whether samples of sources from `first` to `last` may matter.
    pub(crate) fn wants_sources(&self, first: &str, last: &str) -> bool {
        self.from.as_ref().is_none_or(|(from, _)| last >= from.as_str())
            && self.until.as_ref().is_none_or(|(until, _)| first <= until.as_str())
    }

    /// Whether it leaves out some sources.
    pub(crate) fn is_partial(&self) -> bool {
        self.from.is_some() || self.until.is_some()
    }

    /// Takes samples that have the columns of [`INPUT`], texts as dictionaries, and [`TIME`] where the windows need it. `origin` may be absent.
    ///
    /// # Errors
    /// [`ArrowError`] when a column is absent or of another type, or an outcome is unknown.
    pub(crate) fn push(&mut self, samples: &RecordBatch) -> Result<(), ArrowError> {
        let columns = Columns::of(samples, self.windows.need_times())?;
        let outcomes = columns.outcomes()?;
        let mut last = None;
        let mut place = None;
        for row in 0..samples.num_rows() {
            let key = columns.key(row);
            if last != Some(key) {
                last = Some(key);
                place = self.place(columns.series(row)?);
            }
            let window = match &columns.time {
                Some(times) => self.windows.place(times[row]),
                None => Some(0),
            };
            if let (Some(place), Some(window)) = (place, window) {
                let outcome = outcomes[columns.outcome.key(row).ok_or_else(|| absent("outcome"))?];
                let rtt = columns.rtt_us(row).map(i32::cast_unsigned);
                self.held += usize::from(outcome == Outcome::Answered && rtt.is_some());
                self.gathered[place].1[window].record(outcome, rtt);
            }
        }
        if self.held > self.limit {
            self.forget_the_last();
        }
        Ok(())
    }

    /// Where a series is gathered; `None` if its samples are not counted, or belong to another pass.
    fn place(&mut self, series: Series) -> Option<usize> {
        if let Some(&place) = self.places.get(&series) {
            return Some(place);
        }
        let pair = (&series.source, &series.target);
        let counted = Origin::from_stored(series.origin.as_deref()).map_or(true, Origin::is_of_samples);
        let before = self.from.as_ref().is_some_and(|(source, target)| pair < (source, target));
        let after = self.until.as_ref().is_some_and(|(source, target)| pair >= (source, target));
        if !counted || before || after {
            return None;
        }
        self.places.insert(series.clone(), self.gathered.len());
        let windows = std::iter::repeat_with(SeriesWindow::default).take(self.windows.starts.len());
        self.gathered.push((series, windows.collect()));
        Some(self.gathered.len() - 1)
    }

    fn forget_the_last(&mut self) {
        let mut pairs: BTreeMap<Pair, usize> = BTreeMap::new();
        for (series, windows) in &self.gathered {
            let held: usize = windows.iter().map(SeriesWindow::held).sum();
            *pairs.entry((series.source.clone(), series.target.clone())).or_default() += held;
        }
        self.until = first_beyond(&pairs, self.limit / 4 * 3).or(self.until.take());
        let until = &self.until;
        self.gathered.retain(|(series, _)| {
            until.as_ref().is_none_or(|(source, target)| (&series.source, &series.target) < (source, target))
        });
        let places = self.gathered.iter().enumerate().map(|(place, (series, _))| (series.clone(), place));
        self.places = places.collect();
        self.held = self.gathered.iter().flat_map(|(_, windows)| windows).map(SeriesWindow::held).sum();
        // A pair that exceeds the bound alone is looked at again only when it has doubled.
        self.limit = self.limit.max(self.held * 2);
    }

    /// The series in order, and the pair that the next pass begins at, if any is left.
    pub(crate) fn finish(mut self) -> (Vec<Gathered>, Option<Pair>) {
        self.gathered.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        (self.gathered, self.until)
    }
}

/// The first pair, but the very first, with which they hold more than `most` values.
fn first_beyond(pairs: &BTreeMap<Pair, usize>, most: usize) -> Option<Pair> {
    let mut held = 0;
    let mut beyond = pairs.iter().enumerate().skip_while(|(nth, (_, values))| {
        held += **values;
        held <= most || *nth == 0
    });
    beyond.next().map(|(_, (pair, _))| pair.clone())
}

/// The columns of a batch, ready to be read by row.
struct Columns<'a> {
    source: &'a DictionaryArray<Int32Type>,
    target: &'a DictionaryArray<Int32Type>,
    protocol: &'a DictionaryArray<Int32Type>,
    origin: Option<&'a DictionaryArray<Int32Type>>,
    outcome: &'a DictionaryArray<Int32Type>,
    family: Vec<i32>,
    rtt: ArrayRef,
    time: Option<Vec<i64>>,
}

impl<'a> Columns<'a> {
    fn of(samples: &'a RecordBatch, times: bool) -> Result<Self, ArrowError> {
        let text = |name| {
            let column = samples.column_by_name(name).ok_or_else(|| absent(name))?;
            column.as_dictionary_opt::<Int32Type>().ok_or_else(|| absent(name))
        };
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let rtt = match samples.column_by_name("rtt_us") {
            Some(column) => cast(column, &DataType::Int32)?,
            None => new_null_array(&DataType::Int32, samples.num_rows()),
        };
        Ok(Self {
            source: text("source")?,
            target: text("target")?,
            protocol: text("protocol")?,
            origin: samples.column_by_name("origin").map(|_| text("origin")).transpose()?,
            outcome: text("outcome")?,
            family: numbers::<Int32Type>(samples, "family", &DataType::Int32)?,
            rtt,
            time: times.then(|| numbers::<TimestampMicrosecondType>(samples, TIME, &micros)).transpose()?,
        })
    }

    fn outcomes(&self) -> Result<Vec<Outcome>, ArrowError> {
        let names = cast(self.outcome.values(), &DataType::Utf8)?;
        names.as_string::<i32>().iter().map(|name| outcome_of(name.unwrap_or_default())).collect()
    }

    fn rtt_us(&self, row: usize) -> Option<i32> {
        self.rtt.is_valid(row).then(|| self.rtt.as_primitive::<Int32Type>().value(row))
    }

    /// What tells neighbours of different series apart.
    fn key(&self, row: usize) -> (i32, i32, i32, i32, Option<usize>) {
        let key = |column: &DictionaryArray<Int32Type>| column.keys().value(row);
        let origin = self.origin.and_then(|origin| origin.key(row));
        (key(self.source), key(self.target), key(self.protocol), self.family[row], origin)
    }

    fn series(&self, row: usize) -> Result<Series, ArrowError> {
        let text = |column: &DictionaryArray<Int32Type>| {
            column.key(row).map(|key| column.values().as_string::<i32>().value(key).to_owned())
        };
        Ok(Series {
            source: text(self.source).ok_or_else(|| absent("source"))?,
            target: text(self.target).ok_or_else(|| absent("target"))?,
            protocol: text(self.protocol).ok_or_else(|| absent("protocol"))?,
            family: self.family[row],
            origin: self.origin.and_then(text),
        })
    }
}

fn numbers<T: ArrowPrimitiveType>(
    samples: &RecordBatch,
    name: &str,
    data_type: &DataType,
) -> Result<Vec<T::Native>, ArrowError> {
    let column = cast(samples.column_by_name(name).ok_or_else(|| absent(name))?, data_type)?;
    if column.null_count() > 0 {
        return Err(absent(name));
    }
    Ok(column.as_primitive::<T>().values().to_vec())
}

fn absent(column: &str) -> ArrowError {
    ArrowError::SchemaError(format!("column {column} is absent, null somewhere or of another type"))
}

fn outcome_of(name: &str) -> Result<Outcome, ArrowError> {
    let known = Outcome::ALL.into_iter().find(|outcome| outcome.name() == name);
    known.ok_or_else(|| ArrowError::ParseError(format!("outcome is {name:?}, expected one of the event's")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    /// Source, target, minute of 1970-01-02, RTT.
    type Sample = (u8, u8, i64, i32);

    fn batch(samples: &[Sample]) -> RecordBatch {
        let text = |value: &dyn Fn(&Sample) -> String| -> ArrayRef {
            let values: Vec<String> = samples.iter().map(value).collect();
            Arc::new(values.iter().map(String::as_str).collect::<DictionaryArray<Int32Type>>())
        };
        let constant = |value: &str| text(&|_| value.to_owned());
        let times = samples.iter().map(|(_, _, minute, _)| start_of_date(1).0 + minute * MINUTE);
        let columns: Vec<(&str, ArrayRef)> = vec![
            (TIME, Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))),
            ("source", text(&|sample| format!("s{}", sample.0))),
            ("target", text(&|sample| format!("t{}", sample.1))),
            ("protocol", constant("tcp")),
            ("family", Arc::new(Int32Array::from_value(4, samples.len()))),
            ("outcome", constant("answered")),
            ("rtt_us", Arc::new(samples.iter().map(|sample| Some(sample.3)).collect::<Int32Array>())),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    /// Every pass's series with their windows' counts and sums of RTTs.
    fn passes(windows: &Windows, batches: &[RecordBatch], limit: usize) -> Vec<(Pair, Vec<(u64, f64)>)> {
        let (mut all, mut from) = (Vec::new(), None);
        loop {
            let mut fold = Fold::new(windows, from.clone(), limit);
            for batch in batches {
                fold.push(batch).unwrap();
            }
            let (gathered, next) = fold.finish();
            assert!(gathered.len() > 1 || next.is_some() || from.is_some() || all.is_empty());
            for (series, windows) in gathered {
                let numbers = windows.into_iter().map(|window| {
                    window.finish().map_or((0, 0.0), |found| {
                        (found.received, found.mean_us.unwrap_or(0.0) * found.received as f64)
                    })
                });
                all.push(((series.source, series.target), numbers.map(|(n, sum)| (n, sum.round())).collect()));
            }
            if next.is_none() {
                return all;
            }
            assert!(next > from, "each pass gets on");
            from = next;
        }
    }

    proptest! {
        #[test]
        fn whatever_fits_into_memory_each_series_comes_once_and_whole(
            samples in prop::collection::vec((0..4_u8, 0..3_u8, 0..1440_i64, 1..1000_i32), 1..300),
            limit in 4..400_usize,
            rows in 1..40_usize,
        ) {
            let batches: Vec<_> = samples.chunks(rows).map(batch).collect();
            let wanted = BTreeSet::from([1, 5, 23].map(|hour| start_of_date(1) + hour * 60 * MINUTE));
            let windows = Windows::hours(1, &wanted);
            let mut plain: BTreeMap<Pair, Vec<(u64, f64)>> = BTreeMap::new();
            for (source, target, minute, rtt) in &samples {
                let numbers = plain.entry((format!("s{source}"), format!("t{target}"))).or_insert(vec![(0, 0.0); 3]);
                if let Some(at) = [1, 5, 23].iter().position(|hour| minute / 60 == *hour) {
                    numbers[at].0 += 1;
                    numbers[at].1 += f64::from(*rtt);
                }
            }
            prop_assert_eq!(passes(&windows, &batches, limit), plain.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_day_needs_no_times_and_hours_know_their_span() {
        let day = Windows::day(1);
        assert!(!day.need_times() && day.overlap(UtcMicros(0), UtcMicros(0)) && day.table() == Table::Rollup1d);
        let hours = Windows::hours(1, &BTreeSet::from([start_of_date(1) + 60 * MINUTE, start_of_date(3)]));
        assert_eq!((hours.starts.len(), hours.date(), hours.start(0)), (1, 1, start_of_date(1) + 60 * MINUTE));
        let at = |minute: i64| start_of_date(1) + minute * MINUTE;
        assert!(hours.overlap(at(0), at(60)) && hours.overlap(at(119), at(300)));
        assert!(!hours.overlap(at(0), at(59)) && !hours.overlap(at(120), at(300)));
    }

    #[test]
    fn what_is_no_sample_is_refused_and_averages_are_not_counted() {
        let windows = Windows::day(1);
        let mut fold = Fold::new(&windows, None, 10);
        let rows = batch(&[(0, 0, 0, 7)]);
        let without = rows.project(&[0, 1, 2, 3, 4]).unwrap();
        assert!(fold.push(&without).unwrap_err().to_string().contains("outcome"));
        let origin: ArrayRef =
            Arc::new([Origin::CloudPingAverage.stored()].into_iter().collect::<DictionaryArray<Int32Type>>());
        let mut fields = rows.schema().fields().to_vec();
        fields.push(Arc::new(Field::new("origin", origin.data_type().clone(), true)));
        let columns = rows.columns().iter().cloned().chain([origin]).collect();
        fold.push(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()).unwrap();
        assert!(fold.finish().0.is_empty());
    }
}
