//! Which partitions there are to export, and which of them were exported already.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Months, NaiveDate};
use cloudping_model::UtcMicros;
use cloudping_schemas::tables::{MONTH, Origin};
use deltalake_core::{DeltaTable, DeltaTableError};
use sha2::{Digest, Sha256};

use super::hex;
use super::manifest::PartitionEntry;
use super::origins::has_origin;
use crate::Table;
use crate::hours::start_of_date;

/// A partition of a table, as the table's log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Of which table.
    pub(crate) table: Table,
    /// The partition's first day; `None` where the table has no partitions.
    pub(crate) date: Option<NaiveDate>,
    /// Stands for the files that hold its rows, and for the origins that are wanted of them: while it is the same, so are the rows.
    pub(crate) files: String,
}

impl Source {
    /// Its folder below the table's.
    pub(crate) fn folder(&self) -> String {
        match (self.table.partition(), self.date) {
            (Some(column), Some(date)) => format!("{column}={date}"),
            _ => String::new(),
        }
    }

    /// Its first day, in days since 1970-01-01.
    pub(crate) fn days(&self) -> Option<i32> {
        self.date.map(|date| date.to_epoch_days())
    }
}

/// The partitions of a table's loaded version, in the order of time; rows of `origins` are wanted.
///
/// # Errors
/// [`DeltaTableError`] when the log cannot be read or a folder is no date.
pub(crate) fn sources(
    table: Table,
    open: &DeltaTable,
    origins: &BTreeSet<Origin>,
) -> Result<Vec<Source>, DeltaTableError> {
    let mut files: BTreeMap<Option<NaiveDate>, Vec<String>> = BTreeMap::new();
    for file in open.snapshot()?.log_data().iter() {
        let values = file.partition_values_map();
        let date = match table.partition() {
            None => None,
            Some(column) => Some(date_of(column, values.get(column).and_then(Option::as_deref))?),
        };
        files.entry(date).or_default().push(file.path().into_owned());
    }
    let source = |(date, mut paths): (Option<NaiveDate>, Vec<String>)| {
        paths.sort();
        let mut sum = Sha256::new();
        for path in paths {
            sum.update(path.as_bytes());
            sum.update(b"\n");
        }
        for origin in origins.iter().filter(|_| has_origin(table)) {
            sum.update(format!("origin {origin}\n").as_bytes());
        }
        Source { table, date, files: hex(&sum.finalize()) }
    };
    Ok(files.into_iter().map(source).collect())
}

fn date_of(column: &str, value: Option<&str>) -> Result<NaiveDate, DeltaTableError> {
    let date = value.and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
    date.ok_or_else(|| DeltaTableError::Generic(format!("partition {column} is {value:?}, expected a date")))
}

/// Whether nothing more is to be expected in a partition: its day or month ended `lateness_us` ago. A table without partitions never ends; what is
/// in it now is exported.
pub(crate) fn is_closed(source: &Source, now: UtcMicros, lateness_us: i64) -> bool {
    match (source.date, last_day(source)) {
        (None, _) => true,
        (_, last) => last.is_some_and(|last| start_of_date(last + 1) + lateness_us <= now),
    }
}

/// The last day of a partition, in days since 1970-01-01; `None` without partitions, and beyond the calendar.
pub(crate) fn last_day(source: &Source) -> Option<i32> {
    let end = match source.table.partition() {
        Some(MONTH) => source.date?.checked_add_months(Months::new(1)),
        _ => source.date?.succ_opt(),
    };
    Some(end?.to_epoch_days() - 1)
}

/// Whether a partition touches the days `from` to `to`, both included.
pub(crate) fn is_within(source: &Source, from: Option<NaiveDate>, to: Option<NaiveDate>) -> bool {
    let Some(first) = source.date else { return true };
    let last = match source.table.partition() {
        Some(MONTH) => first.checked_add_months(Months::new(1)).and_then(|next| next.pred_opt()).unwrap_or(first),
        _ => first,
    };
    from.is_none_or(|from| from <= last) && to.is_none_or(|to| first <= to)
}

/// What becomes of a partition that was written anew: the entry as it was if its bytes are the same, else one with the next revision.
pub(crate) fn revised(before: Option<PartitionEntry>, new: PartitionEntry) -> PartitionEntry {
    use super::manifest::Superseded;
    let Some(before) = before else { return new };
    if before.files == new.files {
        return before;
    }
    let mut superseded = before.superseded;
    superseded.push(Superseded { revision: before.revision, table_version: before.table_version, files: before.files });
    PartitionEntry { revision: before.revision + 1, superseded, ..new }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{ExportFormat, FileEntry};
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn source(table: Table, date: &str) -> Source {
        Source { table, date: date.parse().ok(), files: String::new() }
    }

    fn at(moment: &str) -> UtcMicros {
        UtcMicros(moment.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros())
    }

    #[test]
    fn a_day_is_closed_when_it_ended_long_enough_ago_and_a_month_likewise() {
        let day = source(Table::Samples, "2026-02-28");
        assert!(!is_closed(&day, at("2026-03-01T00:59:59.999999Z"), HOUR));
        assert!(is_closed(&day, at("2026-03-01T01:00:00Z"), HOUR));
        let month = source(Table::Rollup1d, "2026-02-01");
        assert!(!is_closed(&month, at("2026-02-28T12:00:00Z"), HOUR));
        assert!(is_closed(&month, at("2026-03-01T01:00:00Z"), HOUR));
        assert!(is_closed(&source(Table::Regions, ""), UtcMicros(0), HOUR));
    }

    #[test]
    fn a_range_takes_each_partition_that_it_touches() {
        let date = |text: &str| text.parse().ok();
        let month = source(Table::Changes, "2026-02-01");
        assert!(is_within(&month, date("2026-02-28"), None));
        assert!(!is_within(&month, date("2026-03-01"), None));
        assert!(is_within(&month, None, date("2026-02-01")));
        assert!(!is_within(&month, None, date("2026-01-31")));
        let day = source(Table::Samples, "2026-02-03");
        assert!(is_within(&day, date("2026-02-03"), date("2026-02-03")));
        assert!(!is_within(&day, date("2026-02-04"), date("2026-02-05")));
    }

    #[test]
    fn other_bytes_are_a_new_revision_and_the_same_bytes_none() {
        let entry = |sum: &str, version| PartitionEntry {
            table: "samples".to_owned(),
            format: ExportFormat::Parquet,
            partition: "date=2026-02-03".to_owned(),
            revision: 1,
            table_version: version,
            rows: 1,
            origins: Default::default(),
            files: vec![FileEntry {
                path: "p".to_owned(),
                bytes: 1,
                rows: 1,
                first_ts: None,
                last_ts: None,
                sha256: sum.to_owned(),
            }],
            superseded: Vec::new(),
        };
        assert_eq!(revised(None, entry("a", 3)), entry("a", 3));
        assert_eq!(revised(Some(entry("a", 3)), entry("a", 9)), entry("a", 3));
        let second = revised(Some(entry("a", 3)), entry("b", 9));
        assert_eq!((second.revision, second.table_version, &second.files), (2, 9, &entry("b", 9).files));
        let third = revised(Some(second), entry("c", 12));
        let replaced: Vec<_> = third.superseded.iter().map(|old| (old.revision, old.table_version)).collect();
        assert_eq!((third.revision, replaced), (3, vec![(1, 3), (2, 9)]));
    }
}
