//! The rollup: from the table of samples into the table of hours.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use cloudping_model::{Outcome, Pane, UtcMicros};
use cloudping_schemas::tables::Origin;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{col, lit};
use deltalake_core::kernel::{Action, Add, LogicalFileView, Remove, Transaction, Version};
use deltalake_core::logstore::get_actions;
use deltalake_core::protocol::SaveMode;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use crate::archive::transaction;
use crate::checkpoint::ROLLUP_APP;
use crate::commit::{Commit, commit, lost_race, write_files};
use crate::hours::{date_of, hours_of, touched_hours};
use crate::query::{dates, moment, rows, session};
use crate::rollup_rows::{HourFold, INPUT, SERIES};
use crate::{RollupError, Table, TableError, Tables};

/// After so many commits in a row that lost to another writer a run gives up. Each of them was another's success.
const MAX_LOST_RACES: u32 = 20;
/// Rows that are handed to the writer together; a digest has up to 8 kB.
const ROWS_PER_BATCH: usize = 1024;

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RollupReport {
    /// Hours computed.
    pub hours: u64,
    /// Rows written: series and hours.
    pub rows: u64,
    /// Commits made: one for each date with such hours.
    pub commits: u64,
}

/// Keeps the hourly rollup equal to a function of the samples, also for the hour that is still running and for samples that come late.
///
/// The rollup remembers the version of `samples` that it was computed from, in the same commit as its rows. The hours that files added since then hold are
/// computed anew and take the place of the old ones, so a run that is cut off is made good by the next. Files that leave `samples` (expiry,
/// compaction) change no hour.
pub struct Rollup {
    tables: Tables,
}

/// How one attempt ended.
enum Attempt {
    Done(RollupReport),
    LostRace,
}

impl Rollup {
    /// A rollup of these tables.
    #[must_use]
    pub fn new(tables: Tables) -> Self {
        Self { tables }
    }

    /// Computes every hour that samples were added to since the last run.
    ///
    /// Any number of rollups may run at once, also beside archivers. May be dropped at any point and run again.
    ///
    /// # Errors
    /// [`RollupError`]. What was committed before it stays.
    pub async fn run_once(&self) -> Result<RollupReport, RollupError> {
        for _ in 0..MAX_LOST_RACES {
            if let Attempt::Done(report) = self.attempt().await? {
                return Ok(report);
            }
        }
        Err(RollupError::Contended(MAX_LOST_RACES))
    }

    async fn attempt(&self) -> Result<Attempt, TableError> {
        // In this order: whatever version of the samples the rollup was computed from, the one read here is no older.
        let mut rollup = self.tables.open_or_create(Table::Rollup1h).await?;
        let samples = self.tables.open_or_create(Table::Samples).await?;
        let computed = transaction(&rollup, ROLLUP_APP).await.map_err(self.error("read what it was computed from"))?;
        let version = samples.version().unwrap_or(0);
        let added = added_since(&samples, computed, version)
            .await
            .map_err(self.tables.error(Table::Samples, "list what was added"))?;
        let touched = touched_hours(&added, "ts");
        let mut report = RollupReport::default();
        let last = touched.keys().next_back().copied();
        for (&date, hours) in &touched {
            // Only the last commit claims the whole version; the hours of the others would just be computed again.
            let claim = (Some(date) == last).then(|| Transaction::new(ROLLUP_APP, version.cast_signed()));
            let Some((version, rows)) = self.replace(&samples, &rollup, date, hours, claim).await? else {
                return Ok(Attempt::LostRace);
            };
            // This version exactly: were a newer one loaded, the next commit would not notice it.
            rollup.load_version(version).await.map_err(self.error("load its new version"))?;
            report.hours += hours.len() as u64;
            report.rows += rows;
            report.commits += 1;
        }
        Ok(Attempt::Done(report))
    }

    /// Puts hours of a date in the place of the old ones, in one commit; `None` when any other commit came first.
    async fn replace(
        &self,
        samples: &DeltaTable,
        rollup: &DeltaTable,
        date: i32,
        hours: &BTreeSet<UtcMicros>,
        claim: Option<Transaction>,
    ) -> Result<Option<(Version, u64)>, TableError> {
        let old = holders(rollup, hours).map_err(self.error("list its files"))?;
        let computed = hours.iter().map(|&hour| hour_rows(samples.clone(), hour)).collect::<Vec<_>>();
        let computed = stream::iter(computed).then(|hour| hour).try_flatten().boxed();
        let kept = kept_rows(rollup, &old, date, hours).await.map_err(self.error("read the hours to keep"))?;
        let mut count = 0;
        let new = computed.inspect_ok(|rows| count += rows.num_rows() as u64).chain(kept).map_err(Failure::Query);
        let files = write_files(Table::Rollup1h, rollup, new.boxed()).await.map_err(|failure| match failure {
            Failure::Query(error) => self.error("compute hours")(error),
            Failure::Table(error) => self.error("write files")(error),
        })?;
        let removed = old.into_iter().map(|file| Action::Remove(file.remove));
        let write = Commit {
            table: Table::Rollup1h,
            actions: removed.chain(files.into_iter().map(Action::Add)).collect(),
            transactions: claim.into_iter().collect(),
            mode: SaveMode::Overwrite,
            // A compaction changes no row, so Delta would let it pass, but here it would bring back the hours being replaced.
            alone: true,
        };
        match commit(rollup, write).await {
            Ok(version) => Ok(Some((version, count))),
            Err(error) if lost_race(&error) => Ok(None),
            Err(error) => Err(self.error("commit")(error)),
        }
    }

    fn error<E>(&self, doing: &'static str) -> impl Fn(E) -> TableError + use<E>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.tables.error(Table::Rollup1h, doing)
    }
}

/// Which part of writing failed.
enum Failure {
    Query(DataFusionError),
    Table(DeltaTableError),
}

impl From<DeltaTableError> for Failure {
    fn from(error: DeltaTableError) -> Self {
        Self::Table(error)
    }
}

/// A file of the rollup, as it is added and as it is removed.
struct OldFile {
    add: Add,
    remove: Remove,
}

/// The files whose rows were added after the version `computed`; all files if there is none, or if the log does not reach back so far.
async fn added_since(
    samples: &DeltaTable,
    computed: Option<i64>,
    version: Version,
) -> Result<Vec<Add>, DeltaTableError> {
    let computed = computed.and_then(|computed| Version::try_from(computed).ok());
    if let Some(computed) = computed.filter(|computed| *computed <= version) {
        let mut added = Vec::new();
        let mut complete = true;
        for version in computed + 1..=version {
            let Some(bytes) = samples.log_store().read_commit_entry(version).await? else {
                complete = false;
                break;
            };
            added.extend(get_actions(version, &bytes)?.into_iter().filter_map(|action| match action {
                Action::Add(add) if add.data_change => Some(add),
                _ => None,
            }));
        }
        if complete {
            return Ok(added);
        }
    }
    let files = samples.snapshot()?.log_data();
    Ok(files.iter().map(|file| facts(&file)).collect())
}

/// What the table's log says about an active file, as far as it matters here.
fn facts(file: &LogicalFileView) -> Add {
    Add {
        path: file.path().into_owned(),
        partition_values: file.partition_values_map(),
        stats: file.stats(),
        ..Add::default()
    }
}

/// The files of the rollup that may hold one of the hours.
fn holders(rollup: &DeltaTable, hours: &BTreeSet<UtcMicros>) -> Result<Vec<OldFile>, DeltaTableError> {
    let files = rollup.snapshot()?.log_data();
    Ok(files
        .iter()
        .map(|file| OldFile { add: facts(&file), remove: file.remove_action(true) })
        .filter(|file| hours_of(&file.add, "hour").iter().any(|hour| hours.contains(hour)))
        .collect())
}

/// The rows of files about to be removed that belong to other hours.
async fn kept_rows(
    rollup: &DeltaTable,
    old: &[OldFile],
    date: i32,
    replaced: &BTreeSet<UtcMicros>,
) -> Result<BoxStream<'static, Result<RecordBatch, DataFusionError>>, DataFusionError> {
    let others = |file: &&OldFile| hours_of(&file.add, "hour").iter().any(|hour| !replaced.contains(hour));
    let mixed: Vec<Add> = old.iter().filter(others).map(|file| file.add.clone()).collect();
    if mixed.is_empty() {
        return Ok(stream::empty().boxed());
    }
    let schema = Table::Rollup1h.schema();
    let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let session = session()?;
    let replaced = replaced.iter().map(|&hour| moment(hour)).collect();
    let kept = rows(&session, rollup, Some(mixed))
        .await?
        .filter(dates(date, date))?
        .filter(col("hour").in_list(replaced, true))?
        .select_columns(&columns)?
        .execute_stream()
        .await?;
    let conform = move |batch: RecordBatch| {
        let cast = |(column, field): (&Arc<dyn arrow::array::Array>, &Arc<arrow::datatypes::Field>)| {
            arrow::compute::cast(column, field.data_type())
        };
        let columns = batch.columns().iter().zip(schema.fields()).map(cast);
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        Ok(RecordBatch::try_new(schema.clone(), columns)?)
    };
    Ok(kept.map(move |batch| batch.and_then(&conform)).boxed())
}

/// The rollup's rows of one hour, computed as they are asked for.
async fn hour_rows(
    samples: DeltaTable,
    hour: UtcMicros,
) -> Result<BoxStream<'static, Result<RecordBatch, DataFusionError>>, DataFusionError> {
    let sorted = sorted_samples(&samples, hour).await?;
    let state = (sorted, HourFold::new(hour), false);
    let rows = stream::try_unfold(state, async |(mut sorted, mut fold, mut ended)| {
        while !ended && fold.ready() < ROWS_PER_BATCH {
            match sorted.try_next().await? {
                Some(samples) => fold.push(&samples)?,
                None => {
                    fold.end();
                    ended = true;
                }
            }
        }
        if fold.ready() == 0 {
            return Ok(None);
        }
        let rows = fold.take()?;
        Ok(Some((rows, (sorted, fold, ended))))
    });
    Ok(rows.boxed())
}

/// The samples of an hour that were sent, sorted by series.
async fn sorted_samples(samples: &DeltaTable, hour: UtcMicros) -> Result<SendableRecordBatchStream, DataFusionError> {
    let end = hour + Pane::Hour.micros();
    let date = date_of(hour);
    let unsent = Outcome::ALL.into_iter().filter(|outcome| !outcome.was_sent());
    let unsent = unsent.map(|outcome| lit(outcome.name())).collect();
    let averages = Origin::ALL.into_iter().filter(|origin| !origin.is_of_samples());
    let averages = averages.filter_map(Origin::stored).map(lit).collect();
    let order = SERIES.map(|column| col(column).sort(true, false)).to_vec();
    rows(&session()?, samples, None)
        .await?
        .filter(dates(date, date))?
        .filter(col("ts").gt_eq(moment(hour)))?
        .filter(col("ts").lt(moment(end)))?
        .filter(col("outcome").in_list(unsent, true))?
        .filter(col("origin").is_null().or(col("origin").in_list(averages, true)))?
        .select_columns(&INPUT)?
        .sort(order)?
        .execute_stream()
        .await
}
