//! Compaction: few large files in the place of many small ones.

mod file;
mod fingerprint;
mod merge;
mod plan;

use std::collections::BTreeSet;
use std::sync::PoisonError;

use cloudping_model::{Pane, UtcMicros};
use datafusion::error::DataFusionError;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::kernel::{Action, Add, LogicalFileView, Transaction, Version};
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::TryStreamExt;
use tracing::{debug, warn};

use crate::commit::{MAX_LOST_RACES, lost_race, write_sorted_files};
use crate::file_writer::FILE_BYTES;
use crate::hours::hours_of;
use crate::{Progress, Table, TableError, Tables};
use file::{FileError, TableFile};
use fingerprint::Fingerprint;
use merge::{Input, Merge, fingerprint, merge, sort};
use plan::{Bounds, Candidate, Job, plan};

/// The application whose transaction each compaction writes: of two that read the same version one is refused. Delta's own check lets a file be
/// removed twice if no row changes, and both results would stay.
const COMPACT_APP: &str = "cloudping.compact";
/// A size that no file has; twice as much is still a number.
const NEVER_CUT: u64 = u64::MAX / 2;
/// The tables whose files pile up.
const COMPACTED: [Table; 4] = [Table::Samples, Table::Rollup1h, Table::Rollup1d, Table::Changes];

/// What is compacted, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactOptions {
    /// An hour of samples is merged so long after its end, in microseconds.
    pub hour_grace_us: i64,
    /// A day is merged so long after its end, in microseconds.
    pub day_grace_us: i64,
    /// Where a day's file may end and another begin, in bytes. A day whose hours have half as many each stays in files by the hour.
    pub file_bytes: u64,
    /// Files that are merged at once at most. Each takes the memory of a row group.
    pub fan_in: usize,
    /// Only say what would be done first; what that makes possible is not foreseen.
    pub dry_run: bool,
}

impl Default for CompactOptions {
    /// A quarter of an hour, as live windows wait for late rounds; an hour; 256 MiB; 64 files.
    fn default() -> Self {
        Self {
            hour_grace_us: Pane::Hour.micros() / 4,
            day_grace_us: Pane::Hour.micros(),
            file_bytes: FILE_BYTES,
            fan_in: 64,
            dry_run: false,
        }
    }
}

/// What one run did, or with `dry_run` would do first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactReport {
    /// Commits made.
    pub commits: u64,
    /// Files that were merged.
    pub files_before: u64,
    /// Files that took their place; 0 in a dry run.
    pub files_after: u64,
    /// Rows that were written again.
    pub rows: u64,
    /// Bytes of the files that were merged.
    pub bytes_before: u64,
    /// Bytes of the files that took their place; 0 in a dry run.
    pub bytes_after: u64,
    /// Commits that lost to another writer and were made anew.
    pub lost_races: u64,
}

/// Why not all was compacted. The tables are as good as before: what was committed stays, and the next run does the rest.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// A table failed.
    #[error("compact: {0}")]
    Table(#[from] TableError),
    /// Some partitions could not be merged; all others were.
    #[error("compact: {partitions} partitions stay as they are, the first {first}: {source}")]
    Partitions {
        /// How many.
        partitions: u64,
        /// The first of them.
        first: String,
        /// Why that one.
        source: TableError,
        /// What was done to the others.
        report: CompactReport,
    },
    /// Other writers won every time.
    #[error("compact: {0} commits in a row lost to other writers, expected one compactor")]
    Contended(u32),
}

/// Makes few large files, in the order of pairs, of the many small ones that archivers and rollups write. No row changes: a reader sees the same
/// before and after, and at no moment anything else.
///
/// The rows that are written are read back and compared with those that were read, before the commit.
pub struct Compactor {
    tables: Tables,
}

/// A file of a table's loaded version.
struct Listed {
    candidate: Candidate,
    input: Input,
    view: LogicalFileView,
    rows: Option<u64>,
    /// Whether some of its rows are deleted without it being written again. This archive never does so.
    partly_deleted: bool,
}

/// How one job ended.
enum Attempt {
    Done(Version),
    LostRace,
}

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Query(#[from] DataFusionError),
    #[error(transparent)]
    Table(#[from] DeltaTableError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("file {0}: has a deletion vector, expected none in this archive")]
    PartlyDeleted(String),
    #[error(
        "{written} rows were written of {read} read, and the log promises {listed}, expected the same rows in each: nothing was committed"
    )]
    Differs { written: u64, read: u64, listed: String },
}

impl Failure {
    /// Whether a file's rows are in another order than the table's.
    fn is_out_of_order(&self) -> bool {
        let Self::Query(error) = self else {
            return false;
        };
        match error.find_root() {
            DataFusionError::External(source) => matches!(source.downcast_ref(), Some(FileError::OutOfOrder(_))),
            _ => false,
        }
    }
}

impl Compactor {
    /// A compactor of these tables.
    #[must_use]
    pub fn new(tables: Tables) -> Self {
        Self { tables }
    }

    /// Merges what is closed at `now`. Any number may run at once, beside archivers, rollups and readers. May be dropped at any point and run again.
    ///
    /// # Errors
    /// [`CompactError`]. A partition that cannot be merged, as one with a broken file, does not keep the others from being merged.
    pub async fn run_once(
        &self,
        now: UtcMicros,
        options: &CompactOptions,
        progress: &dyn Progress,
    ) -> Result<CompactReport, CompactError> {
        let mut report = CompactReport::default();
        let mut failed: Vec<(String, TableError)> = Vec::new();
        for table in COMPACTED {
            let run = Run { tables: &self.tables, table, now, options, progress };
            run.all(&mut report, &mut failed).await?;
        }
        let partitions = failed.len() as u64;
        match failed.into_iter().next() {
            Some((first, source)) => Err(CompactError::Partitions { partitions, first, source, report }),
            None => Ok(report),
        }
    }
}

/// The compaction of one table.
struct Run<'a> {
    tables: &'a Tables,
    table: Table,
    now: UtcMicros,
    options: &'a CompactOptions,
    progress: &'a dyn Progress,
}

impl Run<'_> {
    async fn all(
        &self,
        report: &mut CompactReport,
        failed: &mut Vec<(String, TableError)>,
    ) -> Result<(), CompactError> {
        let Some(mut open) = self.tables.open(self.table).await? else {
            return Ok(());
        };
        let mut given_up = BTreeSet::new();
        let mut lost_races = 0;
        loop {
            let files = list(self.table, &open).map_err(self.error("list its files"))?;
            let mut jobs = self.plan(&files);
            jobs.retain(|job| !given_up.contains(&job.partition));
            if jobs.is_empty() {
                return Ok(());
            }
            self.announce(&jobs);
            for job in jobs {
                if self.options.dry_run {
                    count(report, &job, &files);
                    continue;
                }
                match self.attempt(&open, &job, &files, report).await {
                    Ok(Attempt::Done(version)) => {
                        lost_races = 0;
                        self.progress.advance(job.files.len() as u64);
                        count(report, &job, &files);
                        let next = open.version().map_or(0, |version| version + 1);
                        // This version exactly: were a newer one loaded, the next commit would not notice it.
                        open.load_version(version).await.map_err(self.error("load its new version"))?;
                        // Where others came between, what they did is not in the plan.
                        if version != next {
                            break;
                        }
                    }
                    Ok(Attempt::LostRace) => {
                        lost_races += 1;
                        report.lost_races += 1;
                        if lost_races == MAX_LOST_RACES {
                            return Err(CompactError::Contended(lost_races));
                        }
                        break;
                    }
                    Err(error) => {
                        warn!(table = self.table.name(), partition = job.partition, %error, "partition not compacted");
                        let named = format!("{} of {}", job.partition, self.table.name());
                        if given_up.insert(job.partition) {
                            failed.push((named, self.error("merge files")(error)));
                        }
                    }
                }
            }
            if self.options.dry_run {
                return Ok(());
            }
            open.load().await.map_err(self.error("load its newest version"))?;
        }
    }

    fn announce(&self, jobs: &[Job]) {
        let steps = jobs.iter().map(|job| job.files.len() as u64).sum();
        self.progress.stage(&format!("compact {}", self.table.name()), steps, "files");
    }

    fn plan(&self, files: &[Listed]) -> Vec<Job> {
        let CompactOptions { hour_grace_us, day_grace_us, file_bytes, fan_in, .. } = *self.options;
        let bounds = Bounds { hour_grace_us, day_grace_us, file_bytes, fan_in };
        let candidates: Vec<Candidate> = files.iter().map(|file| file.candidate.clone()).collect();
        plan(self.table, &candidates, self.now, &bounds)
    }

    /// Does one job.
    async fn attempt(
        &self,
        open: &DeltaTable,
        job: &Job,
        files: &[Listed],
        report: &mut CompactReport,
    ) -> Result<Attempt, Failure> {
        let inputs: Vec<&Listed> = job.files.iter().map(|file| &files[*file]).collect();
        if let Some(file) = inputs.iter().find(|file| file.partly_deleted) {
            return Err(Failure::PartlyDeleted(file.input.file.location.to_string()));
        }
        let to_merge = || inputs.iter().map(|file| file.input.clone()).collect::<Vec<_>>();
        let merged = match merge(self.table, to_merge()).await {
            Ok(merge) => self.write(open, job.cut, &inputs, merge).await,
            Err(error) => Err(error.into()),
        };
        let written = match merged {
            Err(failure) if failure.is_out_of_order() => {
                debug!(table = self.table.name(), partition = job.partition, %failure, "sorting instead of merging");
                let sorted = sort(self.table, open, to_merge()).await?;
                self.write(open, job.cut, &inputs, sorted).await?
            }
            merged => merged?,
        };
        let (after, bytes) = (written.len() as u64, written.iter().map(|add| add.size.unsigned_abs()).sum::<u64>());
        match self.commit(open, &inputs, written).await {
            Ok(version) => {
                report.files_after += after;
                report.bytes_after += bytes;
                Ok(Attempt::Done(version))
            }
            Err(error) if lost_race(&error) => Ok(Attempt::LostRace),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the merged rows into new files, and proves that they are those that were read.
    async fn write(&self, open: &DeltaTable, cut: bool, inputs: &[&Listed], merge: Merge) -> Result<Vec<Add>, Failure> {
        let Merge { rows, read } = merge;
        let file_bytes = if cut { self.options.file_bytes } else { NEVER_CUT };
        let written = write_sorted_files(self.table, open, rows.err_into::<Failure>(), file_bytes).await?;
        let read = read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let back = written.iter().map(|add| table_file(self.table, open, add)).collect::<Result<Vec<_>, _>>()?;
        let back = fingerprint(self.table, back).await?;
        prove(&read, &back, inputs)?;
        Ok(written)
    }

    async fn commit(
        &self,
        open: &DeltaTable,
        inputs: &[&Listed],
        written: Vec<Add>,
    ) -> Result<Version, DeltaTableError> {
        let version = open.version().unwrap_or(0).cast_signed();
        // Says when: not before the merge, since the vacuum counts from then.
        let removed = inputs.iter().map(|file| Action::Remove(file.view.remove_action(false)));
        let added = written.into_iter().map(|add| Action::Add(Add { data_change: false, ..add }));
        let properties =
            CommitProperties::default().with_application_transaction(Transaction::new(COMPACT_APP, version));
        let operation =
            DeltaOperation::Optimize { predicate: None, target_size: self.options.file_bytes.cast_signed() };
        let done = CommitBuilder::from(properties)
            .with_actions(removed.chain(added).collect())
            .build(Some(open.snapshot()?), open.log_store(), operation)
            .await?;
        Ok(done.version())
    }

    fn error<E>(&self, doing: &'static str) -> impl Fn(E) -> TableError + use<E>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.tables.error(self.table, doing)
    }
}

fn count(report: &mut CompactReport, job: &Job, files: &[Listed]) {
    report.commits += 1;
    for file in job.files.iter().map(|file| &files[*file]) {
        report.files_before += 1;
        report.bytes_before += file.candidate.bytes;
        report.rows += file.rows.unwrap_or(0);
    }
}

/// The rows written are those read, and as many as the log says that there are.
fn prove(read: &Fingerprint, written: &Fingerprint, inputs: &[&Listed]) -> Result<(), Failure> {
    let listed: Option<u64> = inputs.iter().map(|file| file.rows).sum();
    if read == written && listed.is_none_or(|listed| listed == read.rows) {
        return Ok(());
    }
    let listed = listed.map_or_else(|| "no number".to_owned(), |listed| listed.to_string());
    Err(Failure::Differs { written: written.rows, read: read.rows, listed })
}

/// The files of a table's loaded version.
fn list(table: Table, open: &DeltaTable) -> Result<Vec<Listed>, DeltaTableError> {
    open.snapshot()?.log_data().iter().map(|file| listed(table, open, file)).collect()
}

fn listed(table: Table, open: &DeltaTable, file: LogicalFileView) -> Result<Listed, DeltaTableError> {
    let add = Add {
        path: file.path().into_owned(),
        partition_values: file.partition_values_map(),
        size: file.size(),
        modification_time: file.modification_time(),
        stats: file.stats(),
        ..Add::default()
    };
    let input = table_file(table, open, &add)?;
    let rows = file.num_records().map(|rows| rows as u64);
    let candidate = Candidate {
        partition: input.partition.clone().unwrap_or_default(),
        last_hour: (table == Table::Samples).then(|| hours_of(&add, "ts").last().copied()).flatten(),
        bytes: input.bytes,
        // Where another engine did not say, its bytes are the best guess that needs no reading.
        rows: rows.unwrap_or(input.bytes),
    };
    Ok(Listed {
        candidate,
        input: Input { file: input, add },
        rows,
        partly_deleted: file.deletion_vector_descriptor().is_some(),
        view: file,
    })
}

fn table_file(table: Table, open: &DeltaTable, add: &Add) -> Result<TableFile, DeltaTableError> {
    let partition = table.partition().and_then(|column| add.partition_values.get(column).cloned().flatten());
    let location = Path::parse(&add.path).map_err(|error| DeltaTableError::generic(error.to_string()))?;
    Ok(TableFile { store: open.object_store(), location, bytes: add.size.unsigned_abs(), partition })
}
