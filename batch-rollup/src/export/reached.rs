//! How far the archive and the rollups have come: a day that has ended by the clock may still be on its way into the tables.

use std::collections::BTreeSet;

use cloudping_model::{Pane, UtcMicros};
use cloudping_schemas::tables::Origin;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::Add;

use super::ExportError;
use super::plan::{Source, last_day};
use crate::archive::transaction;
use crate::checkpoint::{ROLLUP_APP, ROLLUP_DAYS_APP, ROLLUP_DAYS_END_APP};
use crate::hours::{date_of, panes_of};
use crate::parquet_file::listed;
use crate::replay::SampleRounds;
use crate::rollup::files::added_since;
use crate::rollup::fold::TIME;
use crate::rollup::pending::Pending;
use crate::{Table, TableError, Tables};

/// What is still to come into the tables. Days are in days since 1970-01-01.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reached {
    /// The newest day of which there are samples of this archive's own producers; `None` where there are none to wait for.
    samples: Option<i32>,
    /// Days whose hours do not follow the samples yet.
    hours_behind: BTreeSet<i32>,
    /// Days that do not follow the samples yet.
    days_behind: BTreeSet<i32>,
}

impl Reached {
    /// What the tables say. Rows of `origins` are wanted.
    ///
    /// # Errors
    /// [`TableError`] when a table's log or the samples cannot be read.
    pub(crate) async fn of(tables: &Tables, origins: &BTreeSet<Origin>, today: i32) -> Result<Self, ExportError> {
        // The rollups first: the samples are then no older than what they were computed from.
        let hours = tables.open(Table::Rollup1h).await?;
        let days = tables.open(Table::Rollup1d).await?;
        let Some(samples) = tables.open(Table::Samples).await? else {
            return Ok(Self::default());
        };
        let files = listed(&samples).map_err(tables.error(Table::Samples, "list its files"))?;
        let files: Vec<Add> = files.into_iter().map(|file| file.add).collect();
        let hours_behind = match &hours {
            Some(hours) => behind(tables, Level::hours(hours), &samples, &files).await?,
            None => BTreeSet::new(),
        };
        let days_behind = match &days {
            Some(days) => behind(tables, Level::days(days), &samples, &files).await?,
            None => BTreeSet::new(),
        };
        Ok(Self { samples: newest(tables, origins, today).await?, hours_behind, days_behind })
    }

    /// Whether nothing of a partition is still on its way: samples have come that are later than it, and the rollups have followed.
    pub(crate) fn is_past(&self, source: &Source) -> bool {
        let (Some(first), Some(last)) = (source.days(), last_day(source)) else { return true };
        let behind = match source.table {
            Table::Rollup1h => &self.hours_behind,
            Table::Rollup1d => &self.days_behind,
            Table::Samples | Table::Changes | Table::Regions => &BTreeSet::new(),
        };
        self.samples.is_none_or(|newest| newest > last) && behind.range(first..=last).next().is_none()
    }
}

/// The newest day that has samples of this archive's own producers, of those that are wanted. What was imported tells nothing of the archiver.
async fn newest(tables: &Tables, origins: &BTreeSet<Origin>, today: i32) -> Result<Option<i32>, TableError> {
    let own: Vec<Origin> =
        [Origin::Measured, Origin::Simulated].into_iter().filter(|origin| origins.contains(origin)).collect();
    match SampleRounds::open(tables, &own).await? {
        Some(samples) if !own.is_empty() => samples.newest_day(today).await,
        _ => Ok(None),
    }
}

/// A rollup, and the applications by which it says how far it is.
struct Level<'a> {
    table: Table,
    pane: Pane,
    open: &'a DeltaTable,
    computed: &'static str,
    end: Option<&'static str>,
}

impl<'a> Level<'a> {
    fn hours(open: &'a DeltaTable) -> Self {
        Self { table: Table::Rollup1h, pane: Pane::Hour, open, computed: ROLLUP_APP, end: None }
    }

    fn days(open: &'a DeltaTable) -> Self {
        let end = Some(ROLLUP_DAYS_END_APP);
        Self { table: Table::Rollup1d, pane: Pane::Day, open, computed: ROLLUP_DAYS_APP, end }
    }
}

/// The days of the samples that a rollup does not follow yet: files were added to them since it was computed, or it says so itself.
async fn behind(
    tables: &Tables,
    level: Level<'_>,
    samples: &DeltaTable,
    files: &[Add],
) -> Result<BTreeSet<i32>, TableError> {
    let failed = tables.error(level.table, "read what it was computed from");
    let computed = transaction(level.open, level.computed).await.map_err(&failed)?;
    let end = match level.end {
        Some(end) => Some(transaction(level.open, end).await.map_err(&failed)?),
        None => None,
    };
    let pending = Pending::read(level.open, level.pane).await.map_err(&failed)?;
    let added = added_since(samples, computed).await;
    let added = added.map_err(tables.error(Table::Samples, "list what was added"))?;
    let panes = |file: &Add| panes_of(file, TIME, level.pane);
    let days = |panes: Vec<UtcMicros>| panes.into_iter().map(date_of);
    // Without a list of what was added, it is all.
    let mut behind: BTreeSet<i32> =
        added.as_deref().unwrap_or(files).iter().flat_map(|file| days(panes(file))).collect();
    behind.extend(pending.among(files.iter().flat_map(panes)).into_iter().map(date_of));
    if let Some(end) = end {
        let open = files.iter().flat_map(|file| days(panes(file)));
        behind.extend(open.filter(|day| end.is_none_or(|end| i64::from(*day) >= end)));
    }
    Ok(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(reached: &Reached, table: Table, date: &str) -> bool {
        reached.is_past(&Source { table, date: date.parse().ok(), files: String::new() })
    }

    #[test]
    fn a_partition_waits_for_later_samples_and_for_its_rollup() {
        let day = |text| crate::hours::parse_date(text).unwrap();
        let reached = Reached {
            samples: Some(day("2026-03-02")),
            hours_behind: [day("2026-02-28")].into(),
            days_behind: [day("2026-02-03")].into(),
        };
        assert!(past(&reached, Table::Samples, "2026-03-01") && !past(&reached, Table::Samples, "2026-03-02"));
        assert!(past(&reached, Table::Rollup1h, "2026-02-27") && !past(&reached, Table::Rollup1h, "2026-02-28"));
        assert!(past(&reached, Table::Samples, "2026-02-28"), "which waits for no rollup");
        assert!(past(&reached, Table::Rollup1d, "2026-01-01") && !past(&reached, Table::Rollup1d, "2026-02-01"));
        assert!(past(&reached, Table::Changes, "2026-02-01") && !past(&reached, Table::Changes, "2026-03-01"));
        assert!(past(&reached, Table::Regions, ""));
        let imported = Reached::default();
        assert!(past(&imported, Table::Samples, "2026-03-02"), "no producer of ours is waited for");
    }
}
