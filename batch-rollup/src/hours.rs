//! Which hours a change of the samples touched.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate};
use cloudping_model::{Pane, UtcMicros};
use cloudping_schemas::tables::PARTITION;
use deltalake_core::kernel::Add;

/// The start of the Unix epoch as a day of the common era.
const EPOCH_DAY: i32 = 719_163;

/// The UTC day of a moment of the years 1970 to 9999, in days since 1970-01-01.
#[must_use]
pub fn date_of(at: UtcMicros) -> i32 {
    i32::try_from(at.0.div_euclid(Pane::Day.micros())).expect("a day before the year 10000")
}

/// The start of a day, given in days since 1970-01-01.
#[must_use]
pub fn start_of_date(date: i32) -> UtcMicros {
    UtcMicros(i64::from(date) * Pane::Day.micros())
}

/// The hours that files may hold rows of, by date (days since 1970-01-01): from the least to the greatest value of the column `time` that a
/// file's statistics tell, or its whole day where they do not.
#[must_use]
pub fn touched_hours<'a>(files: impl IntoIterator<Item = &'a Add>, time: &str) -> BTreeMap<i32, BTreeSet<UtcMicros>> {
    let mut touched: BTreeMap<i32, BTreeSet<UtcMicros>> = BTreeMap::new();
    for file in files {
        for hour in hours_of(file, time) {
            touched.entry(date_of(hour)).or_default().insert(hour);
        }
    }
    touched
}

/// The hours that one file may hold rows of; none if it is in no date's partition.
#[must_use]
pub fn hours_of(file: &Add, time: &str) -> Vec<UtcMicros> {
    let day = partition(file).map(|date| {
        let start = start_of_date(date);
        (start, start + (Pane::Day.micros() - 1))
    });
    // Engines may cut statistics to milliseconds: that never crosses an hour.
    let Some((first, last)) = span(file, time).or(day) else {
        return Vec::new();
    };
    let start = Pane::Hour.start_of(first);
    (0..).map(|nth| start + nth * Pane::Hour.micros()).take_while(|hour| *hour <= last).collect()
}

fn partition(file: &Add) -> Option<i32> {
    let text = file.partition_values.get(PARTITION)?.as_deref()?;
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(chrono::Datelike::num_days_from_ce(&date) - EPOCH_DAY)
}

fn span(file: &Add, time: &str) -> Option<(UtcMicros, UtcMicros)> {
    let statistics = file.get_stats().ok()??;
    let moment = |value: Option<&deltalake_core::protocol::ColumnValueStat>| {
        let moment = DateTime::parse_from_rfc3339(value?.as_value()?.as_str()?).ok()?;
        Some(UtcMicros(moment.timestamp_micros()))
    };
    let first = moment(statistics.min_values.get(time))?;
    let last = moment(statistics.max_values.get(time))?;
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn file(date: &str, statistics: Option<(&str, &str)>) -> Add {
        Add {
            partition_values: [(PARTITION.to_owned(), Some(date.to_owned()))].into(),
            stats: statistics.map(|(min, max)| {
                format!(
                    r#"{{"numRecords":1,"minValues":{{"ts":"{min}"}},"maxValues":{{"ts":"{max}"}},"nullCount":{{}}}}"#
                )
            }),
            ..Add::default()
        }
    }

    #[test]
    fn a_file_touches_the_hours_between_its_first_and_its_last_row() {
        let add = file("1970-01-02", Some(("1970-01-02T01:59:59.999Z", "1970-01-02T03:00:00Z")));
        let day = 24 * HOUR;
        assert_eq!(hours_of(&add, "ts"), [1, 2, 3].map(|hour| UtcMicros(day + hour * HOUR)));
    }

    #[test]
    fn without_statistics_it_touches_its_day() {
        let hours = hours_of(&file("2026-01-01", None), "ts");
        assert_eq!(hours.len(), 24);
        assert!(hours.iter().all(|hour| date_of(*hour) == 20_454));
        let upside_down = file("2026-01-01", Some(("2026-01-01T05:00:00Z", "2026-01-01T04:00:00Z")));
        assert_eq!(hours_of(&upside_down, "ts"), hours);
        assert_eq!(hours_of(&Add::default(), "ts"), []);
    }

    #[test]
    fn hours_are_gathered_by_date() {
        let files = [
            file("1970-01-01", Some(("1970-01-01T23:10:00Z", "1970-01-01T23:20:00Z"))),
            file("1970-01-01", Some(("1970-01-01T23:30:00Z", "1970-01-01T23:40:00Z"))),
            file("1970-01-02", Some(("1970-01-02T00:00:00Z", "1970-01-02T00:00:01Z"))),
        ];
        let touched = touched_hours(&files, "ts");
        let expected =
            BTreeMap::from([(0, BTreeSet::from([UtcMicros(23 * HOUR)])), (1, BTreeSet::from([UtcMicros(24 * HOUR)]))]);
        assert_eq!(touched, expected);
        assert_eq!(date_of(start_of_date(20_454)), 20_454);
    }
}
