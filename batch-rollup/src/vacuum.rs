//! The vacuum: deletes files that no reader needs any more.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::Duration;
use cloudping_model::UtcMicros;
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::object_store::{Error as ObjectError, ObjectMeta, ObjectStore, ObjectStoreExt};
use deltalake_core::operations::vacuum::{Clock, VacuumMode};
use deltalake_core::{DeltaResult, DeltaTable};
use futures::future::ready;
use futures::{StreamExt, TryStreamExt, stream};

use crate::{Progress, Table, TableError, Tables};

/// Shorter retentions are refused unless forced: writers need this long at most from a file to its commit, and readers for a query.
const FLOOR_US: i64 = 3_600_000_000;
/// Longer ones are refused: Delta's log remembers for so long which files left a table and when.
const CEILING_US: i64 = 7 * 24 * 3_600_000_000;
/// Deletions under way at once.
const AT_ONCE: usize = 16;
/// What every file of rows ends with. Files of other names are nobody's business here.
const SUFFIX: &str = ".parquet";

/// What may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VacuumOptions {
    /// For so long, in microseconds, a file is kept after it left its table, and one that never belonged to it after it was written. Whoever opened
    /// the table less long ago can read it to the end.
    pub retention_us: i64,
    /// Allow retentions of less than an hour: only where no writer or reader is older.
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
    /// Their paths, from the tables' root on, in order.
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
/// clean up after themselves.
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
            let Some(open) = self.tables.open(table).await? else {
                continue;
            };
            report.tables += 1;
            let unneeded =
                unneeded(&open, now, retention).await.map_err(self.tables.error(table, "list unneeded files"))?;
            progress.stage(&format!("vacuum {}", table.name()), unneeded.len() as u64, "files");
            if !options.dry_run {
                let paths = unneeded.iter().map(|object| object.location.clone()).collect();
                let deleted = delete(open.object_store(), paths, progress).await;
                deleted.map_err(self.tables.error(table, "delete unneeded files"))?;
            }
            report.files += unneeded.len() as u64;
            report.bytes += unneeded.iter().map(|object| object.size).sum::<u64>();
            report.paths.extend(unneeded.iter().map(|object| format!("{}/{}", table.name(), object.location)));
        }
        report.paths.sort();
        Ok(report)
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
async fn unneeded(open: &DeltaTable, now: UtcMicros, retention_us: i64) -> DeltaResult<Vec<ObjectMeta>> {
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
    Ok(there.try_collect().await?)
}

/// Deletes files; those that are gone already, since another vacuum was faster, are fine.
async fn delete(store: Arc<dyn ObjectStore>, paths: Vec<Path>, progress: &dyn Progress) -> Result<(), ObjectError> {
    let one = move |path: Path| {
        let store = Arc::clone(&store);
        async move { store.delete(&path).await }
    };
    let mut deleted = stream::iter(paths).map(one).buffer_unordered(AT_ONCE);
    while let Some(deleted) = deleted.next().await {
        match deleted {
            Ok(()) | Err(ObjectError::NotFound { .. }) => progress.advance(1),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
