//! Proves that the tables are whole, and that the rollups are a function of the samples.

mod files;
mod rows;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use cloudping_model::{Pane, UtcMicros};
use deltalake_core::DeltaTable;
use futures::StreamExt;

use crate::archive::transaction;
use crate::checkpoint::{ROLLUP_APP, ROLLUP_DAYS_APP, ROLLUP_DAYS_END_APP};
use crate::hours::{date_of, date_text, hours_of, panes_of, partition_span, start_of_date};
use crate::parquet_file::{Listed, listed};
use crate::query::{rows, session, sorted_windows};
use crate::rollup::files::added_since;
use crate::rollup::fold::{TIME, Windows};
use crate::rollup::pending::Pending as Listing;
use crate::rollup::rows::{Input, rollup_rows};
use crate::{FileError, Progress, Table, TableError, Tables};
use files::{check_file, repeated_rounds};
use rows::compare;

/// So many differences are told one by one; all are counted.
const TOLD: usize = 1_000;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of which table.
    pub table: &'static str,
    /// Which file, round, or series, window and column.
    pub place: String,
    /// What should be there.
    pub expected: String,
    /// What is.
    pub found: String,
}

/// What was checked, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// Files that the tables' logs list, whose presence, size, footer, columns, rows and partition were checked.
    pub files: u64,
    /// Samples that the rollups were computed from anew; one that is in an hour and a day counts twice.
    pub samples: u64,
    /// Hours computed anew and compared.
    pub hours: u64,
    /// Days computed anew and compared.
    pub days: u64,
    /// Rows of rollups compared.
    pub rows: u64,
    /// Hours and days that the next run of the rollup computes: they are not compared.
    pub pending: u64,
    /// How many differences there are.
    pub differences: u64,
    /// The first 1,000 of them.
    pub told: Vec<Difference>,
}

impl CheckReport {
    /// Notes a difference.
    pub(crate) fn differs(&mut self, difference: Difference) {
        self.differences += 1;
        if self.told.len() < TOLD {
            self.told.push(difference);
        }
    }

    /// Notes a file that cannot be used.
    pub(crate) fn broken(&mut self, table: Table, error: &FileError) {
        let (place, found) = match error {
            FileError::Broken(file) => (format!("file {}", file.path), file.fault.to_string()),
            other => ("files".to_owned(), other.to_string()),
        };
        self.differs(Difference {
            table: table.name(),
            place,
            expected: "a whole file of the table".to_owned(),
            found,
        });
    }
}

/// Checks the archive; it writes nothing.
pub struct Check {
    tables: Tables,
}

/// A table as it is now.
struct Opened {
    open: DeltaTable,
    files: Vec<Listed>,
}

/// Windows that are not to be compared.
#[derive(Default)]
struct Pending {
    hours: BTreeSet<UtcMicros>,
    days: BTreeSet<i32>,
    /// The first day that was not over when the days were computed; none was computed yet without it.
    end: Option<i32>,
}

impl Check {
    /// A check of these tables.
    #[must_use]
    pub fn new(tables: Tables) -> Self {
        Self { tables }
    }

    /// Checks every file of the tables that may hold something of these dates (days since 1970-01-01), that no round's sample is there twice, and
    /// every row of the rollups of these dates against one computed anew.
    ///
    /// Memory is bounded as it is for a rollup. Tables that are not there yet have nothing to check.
    ///
    /// # Errors
    /// [`TableError`] when a table's log or the storage cannot be read. A broken file is no error but a difference.
    pub async fn run(&self, dates: RangeInclusive<i32>, progress: &dyn Progress) -> Result<CheckReport, TableError> {
        let mut report = CheckReport::default();
        // The rollups first: the samples are then no older than what they were computed from.
        let hours = self.open(Table::Rollup1h, &dates).await?;
        let days = self.open(Table::Rollup1d, &dates).await?;
        let samples = self.open(Table::Samples, &dates).await?;
        let mut unusable = BTreeSet::new();
        let others = [self.open(Table::Changes, &dates).await?, self.open(Table::Regions, &dates).await?];
        let [changes, regions] = &others;
        for (table, opened) in [
            (Table::Samples, &samples),
            (Table::Rollup1h, &hours),
            (Table::Rollup1d, &days),
            (Table::Changes, changes),
            (Table::Regions, regions),
        ] {
            if let Some(opened) = opened {
                unusable.extend(files(table, opened, &mut report, progress).await);
            }
        }
        let Some(samples) = samples else {
            return Ok(report);
        };
        let pending = self.pending(&samples, hours.as_ref(), days.as_ref()).await?;
        let dated = samples.files.iter().chain(hours.iter().flat_map(|opened| &opened.files));
        let checked: BTreeSet<i32> = dated.flat_map(|file| hours_of(&file.add, TIME)).map(date_of).collect();
        for date in checked.into_iter().filter(|date| dates.contains(date) && !unusable.contains(date)) {
            progress.stage(&format!("check {}", date_text(date)), rows_of(&samples, date), "rows");
            self.no_round_twice(&samples, date, &mut report).await?;
            if let Some(hours) = &hours {
                self.hours(&samples, hours, date, &pending, &mut report, progress).await?;
            }
            if let Some(days) = &days {
                self.day(&samples, days, date, &pending, &mut report, progress).await?;
            }
        }
        Ok(report)
    }

    async fn open(&self, table: Table, dates: &RangeInclusive<i32>) -> Result<Option<Opened>, TableError> {
        let Some(open) = self.tables.open(table).await? else {
            return Ok(None);
        };
        let (first, last) = (start_of_date(*dates.start()), start_of_date(*dates.end()) + (Pane::Day.micros() - 1));
        let within = |file: &Listed| partition_span(&file.add).is_none_or(|(from, to)| from <= last && to >= first);
        let mut files = listed(&open).map_err(self.tables.error(table, "list its files"))?;
        files.retain(within);
        Ok(Some(Opened { open, files }))
    }

    /// What the next run of the rollup computes.
    async fn pending(
        &self,
        samples: &Opened,
        hours: Option<&Opened>,
        days: Option<&Opened>,
    ) -> Result<Pending, TableError> {
        let mut pending = Pending::default();
        for (table, opened, app) in [(Table::Rollup1h, hours, ROLLUP_APP), (Table::Rollup1d, days, ROLLUP_DAYS_APP)] {
            let Some(opened) = opened else { continue };
            let error = |doing| self.tables.error(table, doing);
            let computed = transaction(&opened.open, app).await.map_err(error("read what it was computed from"))?;
            let added = added_since(&samples.open, computed).await.map_err(error("list what was added since"))?;
            let added = added.unwrap_or_else(|| samples.files.iter().map(|file| file.add.clone()).collect());
            let pane = if table == Table::Rollup1h { Pane::Hour } else { Pane::Day };
            let left = Listing::read(&opened.open, pane).await.map_err(error("read what is still to be computed"))?;
            let left = left.among(samples.files.iter().flat_map(|file| panes_of(&file.add, TIME, pane)));
            if table == Table::Rollup1h {
                pending.hours = added.iter().flat_map(|file| hours_of(file, TIME)).chain(left).collect();
            } else {
                let end = transaction(&opened.open, ROLLUP_DAYS_END_APP).await;
                let end = end.map_err(error("read which days it holds"))?;
                pending.end = end.and_then(|end| i32::try_from(end).ok());
                let added = added.iter().flat_map(|file| panes_of(file, TIME, Pane::Day));
                pending.days = added.chain(left).map(date_of).collect();
            }
        }
        Ok(pending)
    }

    async fn no_round_twice(&self, samples: &Opened, date: i32, report: &mut CheckReport) -> Result<(), TableError> {
        let found = repeated_rounds(&samples.open, date).await;
        for (place, times) in
            found.map_err(self.tables.error(Table::Samples, "look for rounds that are there twice"))?
        {
            let (expected, found) = ("1 row".to_owned(), format!("{times} rows"));
            report.differs(Difference { table: Table::Samples.name(), place, expected, found });
        }
        Ok(())
    }

    async fn hours(
        &self,
        samples: &Opened,
        hours: &Opened,
        date: i32,
        pending: &Pending,
        report: &mut CheckReport,
        progress: &dyn Progress,
    ) -> Result<(), TableError> {
        let all = (0..24).map(|nth| start_of_date(date) + nth * Pane::Hour.micros());
        let (wait, wanted): (BTreeSet<_>, BTreeSet<_>) = all.partition(|hour| pending.hours.contains(hour));
        report.pending += wait.len() as u64;
        report.hours += wanted.len() as u64;
        let windows = Windows::hours(date, &wanted);
        self.windows(samples, hours, windows, &wanted, report, progress).await
    }

    async fn day(
        &self,
        samples: &Opened,
        days: &Opened,
        date: i32,
        pending: &Pending,
        report: &mut CheckReport,
        progress: &dyn Progress,
    ) -> Result<(), TableError> {
        if pending.days.contains(&date) || pending.end.is_none_or(|end| date >= end) {
            report.pending += 1;
            return Ok(());
        }
        report.days += 1;
        let wanted = BTreeSet::from([start_of_date(date)]);
        self.windows(samples, days, Windows::day(date), &wanted, report, progress).await
    }

    /// Compares windows of a date with those computed anew.
    async fn windows(
        &self,
        samples: &Opened,
        stored: &Opened,
        windows: Windows,
        wanted: &BTreeSet<UtcMicros>,
        report: &mut CheckReport,
        progress: &dyn Progress,
    ) -> Result<(), TableError> {
        let (table, date) = (windows.table(), windows.date());
        let of_date = |file: &&Listed| panes_of(&file.add, TIME, Pane::Day).contains(&start_of_date(date));
        let files: Vec<Listed> = samples.files.iter().filter(of_date).cloned().collect();
        report.samples += files.iter().filter_map(Listed::rows).sum::<u64>();
        let expected = rollup_rows(Input { storage: samples.open.object_store(), files, windows }, progress);
        let found = async {
            let session = session()?;
            let all = rows(&session, &stored.open, None).await?;
            sorted_windows(all, table, wanted)?.execute_stream().await
        };
        let found = found.await.map_err(self.tables.error(table, "read its rows"))?;
        compare(table, expected, found.boxed(), report).await.map_err(self.tables.error(table, "compare its rows"))
    }
}

/// Checks each file; answers the dates that cannot be compared, since a file of theirs is broken.
async fn files(table: Table, opened: &Opened, report: &mut CheckReport, progress: &dyn Progress) -> BTreeSet<i32> {
    progress.stage(&format!("files of {}", table.name()), opened.files.len() as u64, "files");
    let mut unusable = BTreeSet::new();
    for file in &opened.files {
        report.files += 1;
        if let Err(error) = check_file(table, opened.open.object_store(), file).await {
            report.broken(table, &error);
            let span = partition_span(&file.add)
                .filter(|_| matches!(table, Table::Samples | Table::Rollup1h | Table::Rollup1d));
            unusable.extend(span.into_iter().flat_map(|(from, to)| date_of(from)..=date_of(to)));
        }
        progress.advance(1);
    }
    unusable
}

fn rows_of(samples: &Opened, date: i32) -> u64 {
    let of_date = |file: &&Listed| panes_of(&file.add, TIME, Pane::Day).contains(&start_of_date(date));
    samples.files.iter().filter(of_date).filter_map(Listed::rows).sum::<u64>() * 2
}
