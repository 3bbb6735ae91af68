//! The rollups: from the table of samples into those of hours and days.

pub(crate) mod files;
pub(crate) mod fold;
pub(crate) mod pending;
pub mod plan;
pub(crate) mod rows;

use std::collections::{BTreeMap, BTreeSet};

use cloudping_model::{Pane, UtcMicros};
use deltalake_core::kernel::{Action, Add, Transaction, Version};
use deltalake_core::protocol::SaveMode;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::{StreamExt, TryStreamExt};

use crate::archive::transaction;
use crate::checkpoint::{ROLLUP_APP, ROLLUP_DAYS_APP, ROLLUP_DAYS_END_APP};
use crate::commit::{Commit, MAX_LOST_RACES, commit, lost_race, write_files};
use crate::hours::{date_of, hours_of, panes_of, touched_hours};
use crate::parquet_file::{Listed, listed};
use crate::{FileError, Progress, RollupError, Table, TableError, Tables};
use files::{OldFile, added_since, holders, kept_rows};
use fold::{TIME, Windows};
use pending::Pending;
use plan::{batches, by_month, claim_is_due, due_days, open_day};
use rows::{Input, rollup_rows};

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RollupReport {
    /// Hours computed.
    pub hours: u64,
    /// Days computed.
    pub days: u64,
    /// Rows written: series and hours, series and days.
    pub rows: u64,
    /// Commits made: one for each date with such hours, and each week of a month with such days.
    pub commits: u64,
}

/// Keeps the rollups equal to a function of the samples: hours also while they run, days from [half an hour](crate::rollup_plan::DAY_GRACE_US) after
/// their end, and both when samples come late.
///
/// A rollup remembers the version of `samples` that it was computed from, in the same commit as its rows. The windows that files added since then hold
/// are computed anew and take the place of the old ones, the newest first. Each commit also lists the windows that are still to come, so the next run
/// goes on where one was cut off. Files that leave `samples` (expiry, compaction) change no window.
///
/// Windows that need a broken file stay as they were, and in that list: the next runs try them again, and no others, until the file is mended.
pub struct Rollup {
    tables: Tables,
}

/// How one attempt ended.
enum Attempt {
    Done,
    LostRace,
}

/// The windows of one partition that are to be computed, and what becomes true with them.
struct Work<'a> {
    windows: &'a BTreeSet<UtcMicros>,
    claims: Vec<Transaction>,
}

/// What a run has to compute of a level, and to say with it.
struct Due {
    /// By partition.
    windows: BTreeMap<i32, BTreeSet<UtcMicros>>,
    /// The version of the samples that the level was computed from.
    computed: Option<i64>,
    claims: Vec<Transaction>,
    /// What the table's loaded version lists as pending.
    pending: Pending,
}

/// The table that is written, and what is read for it.
struct Level<'a> {
    table: Table,
    pane: Pane,
    time: &'static str,
    open: DeltaTable,
    samples: &'a DeltaTable,
    files: &'a [Listed],
}

/// What a run has done so far, and who is told of it.
struct Done<'a> {
    report: RollupReport,
    broken: Vec<TableError>,
    progress: &'a dyn Progress,
}

impl Due {
    /// What is true with a commit after which these windows are pending.
    fn claims(&self, pending: &Pending) -> Vec<Transaction> {
        let changed = (*pending != self.pending).then(|| pending.transactions());
        self.claims.iter().cloned().chain(changed.into_iter().flatten()).collect()
    }
}

impl Done<'_> {
    fn count(&mut self, pane: Pane, windows: u64, rows: u64) {
        let counted = if pane == Pane::Day { &mut self.report.days } else { &mut self.report.hours };
        *counted += windows;
        self.progress.advance(windows);
        self.report.rows += rows;
        self.report.commits += 1;
    }
}

impl Rollup {
    /// A rollup of these tables.
    #[must_use]
    pub fn new(tables: Tables) -> Self {
        Self { tables }
    }

    /// Computes every hour that samples were added to since the last run, and every such day that is over at `now`.
    ///
    /// Any number of rollups may run at once, also beside archivers. May be dropped at any point and run again.
    ///
    /// # Errors
    /// [`RollupError`]. What was committed before it stays.
    pub async fn run_once(&self, now: UtcMicros) -> Result<RollupReport, RollupError> {
        self.run_watched(now, &()).await
    }

    /// The same, telling how far it is.
    ///
    /// # Errors
    /// [`RollupError`]. What was committed before it stays.
    pub async fn run_watched(&self, now: UtcMicros, progress: &dyn Progress) -> Result<RollupReport, RollupError> {
        let mut done = Done { report: RollupReport::default(), broken: Vec::new(), progress };
        for _ in 0..MAX_LOST_RACES {
            // What was committed stays. A file that was broken is tried again.
            done.broken.clear();
            if let Attempt::Done = self.attempt(now, &mut done).await? {
                let Done { report, broken, .. } = done;
                return if broken.is_empty() { Ok(report) } else { Err(RollupError::Broken { report, broken }) };
            }
        }
        Err(RollupError::Contended(MAX_LOST_RACES))
    }

    async fn attempt(&self, now: UtcMicros, done: &mut Done<'_>) -> Result<Attempt, TableError> {
        // In this order: whatever version of the samples a rollup was computed from, the one read here is no older.
        let hours = self.tables.open_or_create(Table::Rollup1h).await?;
        let days = self.tables.open_or_create(Table::Rollup1d).await?;
        let samples = self.tables.open_or_create(Table::Samples).await?;
        let files = listed(&samples).map_err(self.tables.error(Table::Samples, "list its files"))?;
        let level = |table, pane, time, open| Level { table, pane, time, open, samples: &samples, files: &files };
        if let Attempt::LostRace = self.hours(level(Table::Rollup1h, Pane::Hour, "hour", hours), done).await? {
            return Ok(Attempt::LostRace);
        }
        self.days(level(Table::Rollup1d, Pane::Day, "day", days), open_day(now), done).await
    }

    async fn hours(&self, level: Level<'_>, done: &mut Done<'_>) -> Result<Attempt, TableError> {
        let computed = self.claimed(&level, ROLLUP_APP).await?;
        let pending = self.pending(&level).await?;
        let mut due = touched_hours(&self.added(&level, computed).await?, TIME);
        for hour in level.among(&pending) {
            due.entry(date_of(hour)).or_default().insert(hour);
        }
        let claims = vec![Transaction::new(ROLLUP_APP, level.version().cast_signed())];
        self.partitions(level, Due { windows: due, computed, claims, pending }, done).await
    }

    async fn days(&self, level: Level<'_>, open: i32, done: &mut Done<'_>) -> Result<Attempt, TableError> {
        let computed = self.claimed(&level, ROLLUP_DAYS_APP).await?;
        let end = self.claimed(&level, ROLLUP_DAYS_END_APP).await?.and_then(|end| i32::try_from(end).ok());
        let pending = self.pending(&level).await?;
        let added = self.added(&level, computed).await?;
        let mut due = due_days(&added, level.files.iter().map(|file| &file.add), end, open);
        // One that is open again, since the clock was set back, comes with its end.
        due.extend(level.among(&pending).into_iter().map(date_of).filter(|day| *day < open));
        let claims = vec![
            Transaction::new(ROLLUP_DAYS_APP, level.version().cast_signed()),
            // Also when the clock was ahead before: days that were computed too early are then computed again at their end.
            Transaction::new(ROLLUP_DAYS_END_APP, open.into()),
        ];
        self.partitions(level, Due { windows: by_month(&due), computed, claims, pending }, done).await
    }

    /// Computes windows by partition. Each commit says what it was computed from, and which windows are still to come.
    async fn partitions(&self, mut level: Level<'_>, mut due: Due, done: &mut Done<'_>) -> Result<Attempt, TableError> {
        let mut rest: BTreeSet<UtcMicros> = due.windows.values().flatten().copied().collect();
        let mut left = batches(&due.windows, level.pane);
        done.progress.stage(level.doing(), rest.len() as u64, level.unit());
        let mut said = false;
        while let Some(windows) = left.pop_front() {
            let missing = rest.difference(&windows).copied().collect();
            let pending = Pending::of(&missing, level.pane);
            match self.replace(&level, Work { windows: &windows, claims: due.claims(&pending) }).await {
                Ok(Some((version, rows))) => {
                    // This version exactly: were a newer one loaded, the next commit would not notice it.
                    let loaded = level.open.load_version(version).await;
                    loaded.map_err(self.tables.error(level.table, "load its new version"))?;
                    (rest, due.pending, said) = (missing, pending, true);
                    done.count(level.pane, windows.len() as u64, rows);
                }
                Ok(None) => return Ok(Attempt::LostRace),
                // Some of them may do without the file.
                Err(error) if error.broken_file().is_some() && windows.len() > 1 => {
                    left.extend(windows.into_iter().map(|window| BTreeSet::from([window])));
                }
                Err(error) if error.broken_file().is_some() => done.broken.push(error),
                Err(error) => return Err(error),
            }
        }
        // Of an archive without samples there is nothing to say.
        if said || level.files.is_empty() || !claim_is_due(due.computed, level.version()) {
            return Ok(Attempt::Done);
        }
        let claims = due.claims(&Pending::of(&rest, level.pane));
        let said = self.commit(&level, Vec::new(), claims).await?;
        Ok(said.map_or(Attempt::LostRace, |_| Attempt::Done))
    }

    /// Puts the windows of a partition in the place of the old ones, in one commit; `None` when any other commit came first.
    async fn replace(&self, level: &Level<'_>, work: Work<'_>) -> Result<Option<(Version, u64)>, TableError> {
        let old = holders(&level.open, work.windows, level.time, level.pane);
        let old = old.map_err(self.error(level, "list its files"))?;
        let (mut files, mut count) = (Vec::new(), 0);
        for windows in by_date(level.pane, work.windows) {
            let rows = rollup_rows(level.input(windows), &());
            let rows = rows.inspect_ok(|batch| count += batch.num_rows() as u64).map_err(Failure::File);
            let written = write_files(level.table, &level.open, rows.boxed()).await;
            files.extend(written.map_err(|failure| self.failed(level, "compute its rows")(failure))?);
        }
        for file in &old {
            let kept = self.keep(level, file, work.windows).await;
            files.extend(kept.map_err(self.failed(level, "keep rows of other windows"))?);
        }
        let removed = old.into_iter().map(|file| Action::Remove(file.remove));
        let actions = removed.chain(files.into_iter().map(Action::Add)).collect();
        Ok(self.commit(level, actions, work.claims).await?.map(|version| (version, count)))
    }

    /// Writes an old file's rows of other windows anew.
    async fn keep(
        &self,
        level: &Level<'_>,
        old: &OldFile,
        replaced: &BTreeSet<UtcMicros>,
    ) -> Result<Vec<Add>, Failure> {
        match kept_rows(level.table, level.open.object_store(), old, level.time, replaced).await? {
            Some(kept) => write_files(level.table, &level.open, kept.map_err(Failure::File).boxed()).await,
            None => Ok(Vec::new()),
        }
    }

    /// `None` when any other commit came first.
    async fn commit(
        &self,
        level: &Level<'_>,
        actions: Vec<Action>,
        transactions: Vec<Transaction>,
    ) -> Result<Option<Version>, TableError> {
        let write = Commit {
            table: level.table,
            actions,
            transactions,
            mode: SaveMode::Overwrite,
            // A compaction changes no row, so Delta would let it pass, but here it would bring back the windows being replaced.
            alone: true,
        };
        match commit(&level.open, write).await {
            Ok(version) => Ok(Some(version)),
            Err(lost) if lost_race(&lost) => Ok(None),
            Err(failed) => Err(self.error(level, "commit")(failed)),
        }
    }

    /// What the rollup's loaded version says of an application.
    async fn claimed(&self, level: &Level<'_>, app: &str) -> Result<Option<i64>, TableError> {
        transaction(&level.open, app).await.map_err(self.error(level, "read what it was computed from"))
    }

    /// What the rollup's loaded version lists as pending.
    async fn pending(&self, level: &Level<'_>) -> Result<Pending, TableError> {
        Pending::read(&level.open, level.pane).await.map_err(self.error(level, "read what is still to be computed"))
    }

    /// The files of samples that came since some version.
    async fn added(&self, level: &Level<'_>, computed: Option<i64>) -> Result<Vec<Add>, TableError> {
        let added = added_since(level.samples, computed).await;
        let added = added.map_err(self.tables.error(Table::Samples, "list what was added"))?;
        Ok(added.unwrap_or_else(|| level.files.iter().map(|file| file.add.clone()).collect()))
    }

    fn error<E>(&self, level: &Level<'_>, doing: &'static str) -> impl Fn(E) -> TableError + use<E>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.tables.error(level.table, doing)
    }

    fn failed(&self, level: &Level<'_>, doing: &'static str) -> impl Fn(Failure) -> TableError + use<> {
        let (file, table) = (self.error(level, doing), self.error(level, "write files"));
        move |failure| match failure {
            Failure::File(error) => file(error),
            Failure::Table(error) => table(error),
        }
    }
}

impl Level<'_> {
    fn doing(&self) -> &'static str {
        if self.pane == Pane::Day { "computing days" } else { "computing hours" }
    }

    fn unit(&self) -> &'static str {
        if self.pane == Pane::Day { "days" } else { "hours" }
    }

    /// Of the samples.
    fn version(&self) -> Version {
        self.samples.version().unwrap_or(0)
    }

    /// The pending windows that there may be samples of. Those of samples that have expired stay as they are.
    fn among(&self, pending: &Pending) -> BTreeSet<UtcMicros> {
        pending.among(self.files.iter().flat_map(|file| panes_of(&file.add, TIME, self.pane)))
    }

    /// The files that may hold samples of some windows.
    fn input(&self, windows: Windows) -> Input {
        let holds = |file: &&Listed| {
            let hours = hours_of(&file.add, TIME);
            hours.iter().any(|&hour| date_of(hour) == windows.date() && windows.overlap(hour, hour))
        };
        let files = self.files.iter().filter(holds).cloned().collect();
        Input { storage: self.samples.object_store(), files, windows }
    }
}

/// The windows of a partition, date by date.
fn by_date(pane: Pane, starts: &BTreeSet<UtcMicros>) -> Vec<Windows> {
    let dates: BTreeSet<i32> = starts.iter().map(|&start| date_of(start)).collect();
    let windows = |date| if pane == Pane::Day { Windows::day(date) } else { Windows::hours(date, starts) };
    dates.into_iter().map(windows).collect()
}

/// Which part of writing failed.
enum Failure {
    File(FileError),
    Table(DeltaTableError),
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<DeltaTableError> for Failure {
    fn from(error: DeltaTableError) -> Self {
        Self::Table(error)
    }
}
