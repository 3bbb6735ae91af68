//! Which hours and days a change of the samples touched.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Months, NaiveDate};
use cloudping_model::{Pane, UtcMicros};
use cloudping_schemas::tables::{MONTH, PARTITION};
use deltalake_core::kernel::Add;

/// The UTC day of a moment of the years 1970 to 9999, in days since 1970-01-01.
#[must_use]
pub fn date_of(at: UtcMicros) -> i32 {
    i32::try_from(at.0.div_euclid(Pane::Day.micros())).expect("a day before the year 10000")
}

/// The first day of the month of a day, both in days since 1970-01-01.
#[must_use]
pub fn month_of(date: i32) -> i32 {
    // chrono knows the days of 260,000 years.
    NaiveDate::from_epoch_days(date).map_or(date, |day| date - day.day0().cast_signed())
}

/// A day, given in days since 1970-01-01, as `YYYY-MM-DD`: so partitions and statistics name it. `None` beyond the calendar.
pub(crate) fn calendar_date(date: i32) -> Option<String> {
    NaiveDate::from_epoch_days(date).map(|day| day.to_string())
}

/// The same for people, who see the number of a day beyond the calendar.
#[must_use]
pub fn date_text(date: i32) -> String {
    calendar_date(date).unwrap_or_else(|| date.to_string())
}

/// A day as `YYYY-MM-DD`, in days since 1970-01-01; `None` if it is none.
#[must_use]
pub fn parse_date(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.to_epoch_days())
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

/// The hours that one file may hold rows of; none if it is in no partition of a day.
#[must_use]
pub fn hours_of(file: &Add, time: &str) -> Vec<UtcMicros> {
    panes_of(file, time, Pane::Hour)
}

/// The starts of the panes that one file may hold rows of: from the least to the greatest value of the column `time` (a time or a date) that its
/// statistics tell, or its whole partition (a day or a month) where they do not; none without either.
#[must_use]
pub fn panes_of(file: &Add, time: &str, pane: Pane) -> Vec<UtcMicros> {
    // Engines may cut statistics to milliseconds: that never crosses an hour.
    let Some((first, last)) = span(file, time).or_else(|| partition_span(file)) else {
        return Vec::new();
    };
    let start = pane.start_of(first);
    (0..).map(|nth| start + nth * pane.micros()).take_while(|pane| *pane <= last).collect()
}

/// The first day of a file's partition, in days since 1970-01-01; `None` if it is in none.
#[must_use]
pub fn partition_of(file: &Add) -> Option<i32> {
    let value = |column: &str| parse_date(file.partition_values.get(column)?.as_deref()?);
    value(PARTITION).or_else(|| value(MONTH))
}

/// The first and the last microsecond of a file's partition.
pub(crate) fn partition_span(file: &Add) -> Option<(UtcMicros, UtcMicros)> {
    let first = partition_of(file)?;
    let days = match file.partition_values.contains_key(MONTH) {
        true => NaiveDate::from_epoch_days(first)?
            .checked_add_months(Months::new(1))
            .map(|next| next.to_epoch_days() - first)?,
        false => 1,
    };
    let start = start_of_date(first);
    Some((start, start + (i64::from(days) * Pane::Day.micros() - 1)))
}

fn span(file: &Add, time: &str) -> Option<(UtcMicros, UtcMicros)> {
    let statistics = file.get_stats().ok()??;
    let moment = |value: Option<&deltalake_core::protocol::ColumnValueStat>| {
        let text = value?.as_value()?.as_str()?;
        let moment = || Some(UtcMicros(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros()));
        parse_date(text).map(start_of_date).or_else(moment)
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
    fn a_month_has_its_days() {
        let mut add =
            Add { partition_values: [(MONTH.to_owned(), Some("1972-02-01".to_owned()))].into(), ..Add::default() };
        let days: Vec<String> = panes_of(&add, "day", Pane::Day).iter().map(|day| date_text(date_of(*day))).collect();
        assert_eq!((days.len(), days[0].as_str(), days[28].as_str()), (29, "1972-02-01", "1972-02-29"));
        let statistics =
            r#"{"numRecords":1,"minValues":{"day":"1972-02-28"},"maxValues":{"day":"1972-02-29"},"nullCount":{}}"#;
        add.stats = Some(statistics.to_owned());
        assert_eq!(panes_of(&add, "day", Pane::Day), [788, 789].map(start_of_date));
    }

    #[test]
    fn a_day_is_of_the_month_that_starts_before_it() {
        for (day, month) in [("1970-01-01", "1970-01-01"), ("2024-02-29", "2024-02-01"), ("2026-12-31", "2026-12-01")] {
            let first = month_of(parse_date(day).unwrap());
            assert_eq!(date_text(first), month);
        }
        assert_eq!(parse_date("2026-02-30"), None);
        assert_eq!((parse_date("1970-01-01"), parse_date("2026-03-01")), (Some(0), Some(20_513)));
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
