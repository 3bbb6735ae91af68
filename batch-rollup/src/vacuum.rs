//! The vacuum: deletes files that no reader needs any more.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use chrono::Duration;
use cloudping_model::UtcMicros;
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::object_store::{Error as ObjectError, ObjectMeta, ObjectStore, ObjectStoreExt};
use deltalake_core::operations::vacuum::{Clock, VacuumMode};
use deltalake_core::{DeltaResult, DeltaTable};
use futures::future::ready;
use futures::{StreamExt, TryStreamExt, stream};

use crate::unfinished::{Unfinished, unfinished};
use crate::{Progress, Table, TableError, Tables};

/// Shorter retentions are refused unless forced: writers need this long at most from a file to its commit, and readers for a query.
const FLOOR_US: i64 = 3_600_000_000;
/// Longer ones are refused: Delta's log remembers for so long which files left a table and when.
const CEILING_US: i64 = 7 * 24 * 3_600_000_000;
/// Deletions under way at once.
const AT_ONCE: usize = 16;
/// In a table's folder, where no reader looks: when a vacuum was last here, by the storage's clock.
const MARK: &str = "_vacuum";
const MARK_SAYS: &str =
    "What is older than this file has been seen by a vacuum. The next one may delete of it what no version needs.\n";
/// What every file of rows ends with. Files of other names are nobody's business here.
const SUFFIX: &str = ".parquet";

/// What may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VacuumOptions {
    /// For so long, in microseconds, a file is kept after it left its table, and one that never belonged to it after it was written. Whoever opened
    /// the table less long ago can read it to the end.
    pub retention_us: i64,
    /// Allow retentions of less than an hour, and delete what no vacuum has seen before: only where no writer or reader is older.
    pub force: bool,
    /// Only list what would be deleted.
    pub dry_run: bool,
}

impl Default for VacuumOptions {
    /// Seven days.
    fn default() -> Self {
        Self { retention_us: CEILING_US, force: false, dry_run: false }
    }
}

/// What one run deleted, or with `dry_run` would delete.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VacuumReport {
    /// Tables that were looked through.
    pub tables: u64,
    /// Files that were deleted.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that nobody needs either, but that no vacuum has seen before: they stay for now.
    pub new: u64,
    /// The paths of those deleted, from the tables' root on, in order.
    pub paths: Vec<String>,
}

/// Why not everything was deleted. What is left over is deleted by a later run.
#[derive(Debug, thiserror::Error)]
pub enum VacuumError {
    /// A table failed.
    #[error("vacuum: {0}")]
    Table(#[from] TableError),
    /// The retention could break readers.
    #[error(
        "vacuum: a retention of {0} s, expected 3600 at least: younger readers would lose their files (force it where there are none)"
    )]
    TooShort(i64),
    /// The log would have forgotten.
    #[error("vacuum: a retention of {0} s, expected 604800 at most: the tables' logs tell no longer when a file left")]
    TooLong(i64),
}

/// Deletes files that no version within the retention needs, and what failed commits left behind, once it is as old.
///
/// Only files of rows (`*.parquet`) in the tables' partitions are deleted; folders that begin with `_` or `.` are never looked into. Their logs
/// clean up after themselves. In a folder of this machine half-written files (`NAME#1`) go, too, from the logs' folders as well.
///
/// A file goes in the second vacuum that sees it at the earliest, unless forced. A clock that was set forward makes everything look old, also what is
/// being committed at this moment; the time from one vacuum to the next is far more than a commit takes, whatever the clock says.
pub struct Vacuum {
    tables: Tables,
}

impl Vacuum {
    /// A vacuum of these tables.
    #[must_use]
    pub fn new(tables: Tables) -> Self {
        Self { tables }
    }

    /// Deletes what nobody needs at `now`. Any number may run at once, beside all others. May be dropped at any point and run again.
    ///
    /// `now` is held against times that the storage and Delta's log took from the wall clock.
    ///
    /// # Errors
    /// [`VacuumError`].
    pub async fn run_once(
        &self,
        now: UtcMicros,
        options: &VacuumOptions,
        progress: &dyn Progress,
    ) -> Result<VacuumReport, VacuumError> {
        let retention = options.retention_us;
        if retention < 0 || (retention < FLOOR_US && !options.force) {
            return Err(VacuumError::TooShort(retention / 1_000_000));
        }
        if retention > CEILING_US {
            return Err(VacuumError::TooLong(retention / 1_000_000));
        }
        let mut report = VacuumReport::default();
        for table in Table::ALL {
            if let Some(open) = self.tables.open(table).await? {
                self.table(table, &open, now, options, progress, &mut report).await?;
            }
        }
        report.paths.sort();
        Ok(report)
    }

    async fn table(
        &self,
        table: Table,
        open: &DeltaTable,
        now: UtcMicros,
        options: &VacuumOptions,
        progress: &dyn Progress,
        report: &mut VacuumReport,
    ) -> Result<(), VacuumError> {
        let store = open.object_store();
        let seen = self.seen(table, &store, options.dry_run).await?;
        let listed = unneeded(open, now, options.retention_us).await;
        let mut found = listed.map_err(self.tables.error(table, "list unneeded files"))?;
        found.extend(self.half_written(table, now - options.retention_us).await?);
        let (unneeded, new): (Vec<File>, Vec<File>) = found.into_iter().partition(|file| {
            // In the storage's own time, which may be another than `now`.
            options.force || seen.is_some_and(|seen| file.modified_us < seen)
        });
        progress.stage(&format!("vacuum {}", table.name()), unneeded.len() as u64, "files");
        if !options.dry_run {
            let deleted = delete(&store, &unneeded, progress).await;
            deleted.map_err(self.tables.error(table, "delete unneeded files"))?;
        }
        report.tables += 1;
        report.files += unneeded.len() as u64;
        report.bytes += unneeded.iter().map(|file| file.bytes).sum::<u64>();
        report.new += new.len() as u64;
        report.paths.extend(unneeded.iter().map(|file| format!("{}/{}", table.name(), file.name)));
        Ok(())
    }

    /// When a vacuum was last here, in µs of the storage's clock; and unless nothing may be written, takes down that one is here now.
    async fn seen(
        &self,
        table: Table,
        store: &Arc<dyn ObjectStore>,
        dry_run: bool,
    ) -> Result<Option<i64>, VacuumError> {
        let mark = Path::from(MARK);
        let seen = match store.head(&mark).await {
            Ok(found) => Some(found.last_modified.timestamp_micros()),
            Err(ObjectError::NotFound { .. }) => None,
            Err(error) => return Err(self.tables.error(table, "look when it was last vacuumed")(error).into()),
        };
        if !dry_run {
            let put = store.put(&mark, MARK_SAYS.into()).await;
            put.map_err(self.tables.error(table, "take down that it is vacuumed"))?;
        }
        Ok(seen)
    }

    /// What the storage was writing when its process ended before `until`. Only a folder of this machine keeps such.
    async fn half_written(&self, table: Table, until: UtcMicros) -> Result<Vec<File>, TableError> {
        let Some(folder) = self.tables.folder(table) else { return Ok(Vec::new()) };
        let failed = self.tables.error(table, "list half-written files");
        let look = move || unfinished(&folder);
        let found = tokio::task::spawn_blocking(look).await.map_err(std::io::Error::other);
        let found = found.and_then(|found| found).map_err(failed)?;
        Ok(found.into_iter().map(File::from).filter(|file| file.modified_us <= until.0).collect())
    }
}

/// A file that nobody needs.
#[derive(Debug)]
struct File {
    /// Within the table's folder.
    name: String,
    bytes: u64,
    modified_us: i64,
    /// Where it lies if it was never finished: the storage does not know it by its name.
    unfinished: Option<PathBuf>,
}

impl From<ObjectMeta> for File {
    fn from(object: ObjectMeta) -> Self {
        let modified_us = object.last_modified.timestamp_micros();
        Self { name: object.location.to_string(), bytes: object.size, modified_us, unfinished: None }
    }
}

impl From<Unfinished> for File {
    fn from(file: Unfinished) -> Self {
        let since_1970 = file.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified_us = i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX);
        Self { name: file.name, bytes: file.bytes, modified_us, unfinished: Some(file.path) }
    }
}

/// The time that Delta's vacuum is to take for the present.
#[derive(Debug)]
struct At(UtcMicros);

impl Clock for At {
    fn current_timestamp_millis(&self) -> i64 {
        self.0.0.div_euclid(1_000)
    }
}

/// The files of rows that no version since `now` less the retention needs.
///
/// Delta's own vacuum says which; it is not asked to delete them, as it would take foreign files along and make two commits to say so.
async fn unneeded(open: &DeltaTable, now: UtcMicros, retention_us: i64) -> DeltaResult<Vec<File>> {
    let (_, found) = open
        .clone()
        .vacuum()
        .with_mode(VacuumMode::Full)
        .with_retention_period(Duration::microseconds(retention_us))
        .with_enforce_retention_duration(false)
        .with_clock(Arc::new(At(now)))
        .with_dry_run(true)
        .await?;
    let unneeded: HashSet<String> = found.files_deleted.into_iter().filter(|path| path.ends_with(SUFFIX)).collect();
    if unneeded.is_empty() {
        return Ok(Vec::new());
    }
    // The log goes on telling of files that left, also of those that an earlier vacuum has deleted.
    let there = open.object_store().list(None).try_filter(|object| ready(unneeded.contains(object.location.as_ref())));
    Ok(there.map_ok(File::from).try_collect().await?)
}

/// Deletes files; those that are gone already, since another vacuum was faster, are fine.
async fn delete(store: &Arc<dyn ObjectStore>, files: &[File], progress: &dyn Progress) -> Result<(), ObjectError> {
    let one = |file: &File| {
        let (store, path, unfinished) = (Arc::clone(store), Path::from(file.name.as_str()), file.unfinished.clone());
        async move {
            match unfinished {
                Some(path) => std::fs::remove_file(&path).or_else(|error| match error.kind() {
                    ErrorKind::NotFound => Ok(()),
                    _ => Err(ObjectError::Generic { store: "folder", source: error.into() }),
                }),
                None => store.delete(&path).await,
            }
        }
    };
    let mut deleted = stream::iter(files).map(one).buffer_unordered(AT_ONCE);
    while let Some(deleted) = deleted.next().await {
        match deleted {
            Ok(()) | Err(ObjectError::NotFound { .. }) => progress.advance(1),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
