//! The archiver: from the event log into the table of samples.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use cloudping_ports::{EventLog, SequenceNumber, ShardId};
use cloudping_schemas::tables::Origin;
use datafusion::error::DataFusionError;

use deltalake_core::kernel::{Action, Transaction, Version};
use deltalake_core::protocol::SaveMode;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::{TryStreamExt, stream};
use tracing::warn;

use crate::batch::Batch;
use crate::changes::append_changes;
use crate::checkpoint::{ARCHIVE_APP, LIMBS, from_limbs, limb_apps, to_limbs};
use crate::commit::{Commit, MAX_LOST_RACES, commit, lost_race, write_files};
use crate::query::{rows, session, within};
use crate::sample_arrays::sample_arrays;
use crate::{ArchiveError, Table, TableError, Tables};

/// Bytes of records at which a commit is made, however few rows they are: records may be of one target each, or unreadable.
const BYTES_PER_COMMIT: usize = 64 << 20;

/// Bounds of the archiver's memory, and what it archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveOptions {
    /// A commit is made as soon as it has this many rows, or records without any. It exceeds them by one read of the log at most.
    pub rows_per_commit: usize,
    /// Records that one read of the log asks for.
    pub records_per_read: usize,
    /// Where the log's rounds come from.
    pub origin: Origin,
}

impl Default for ArchiveOptions {
    /// Half a million rows, about 150 MB while they are written, and 256 records, as measured.
    fn default() -> Self {
        Self { rows_per_commit: 500_000, records_per_read: 256, origin: Origin::Measured }
    }
}

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArchiveReport {
    /// Records read from the log.
    pub records: u64,
    /// Rounds appended to the table.
    pub rounds: u64,
    /// Rows appended to the table: samples of those rounds.
    pub rows: u64,
    /// Route changes appended to theirs.
    pub changes: u64,
    /// Records whose round was in the table or in the log before.
    pub duplicates: u64,
    /// Records skipped because they are no events.
    pub unreadable: u64,
    /// Gaps that are in no row, since their rounds have no sample. Producers of older releases reported such; the ledger has counted them.
    pub rowless_gaps: u64,
    /// Commits made.
    pub commits: u64,
}

/// Appends what the event log holds to the table of samples: each round once, whatever was delivered twice and wherever a run was cut off.
///
/// A commit holds the rows and, as Delta application transactions, the place in the log that they reach. Rounds are known by their rows: those of a
/// batch's stretch of time are looked up before it is appended, so there is no other state to keep or to lose.
pub struct Archiver {
    log: Arc<dyn EventLog>,
    tables: Tables,
    options: ArchiveOptions,
}

/// How far each shard is archived.
type Positions = BTreeMap<ShardId, SequenceNumber>;

impl Archiver {
    /// An archiver with default bounds.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, tables: Tables) -> Self {
        Self::with_options(log, tables, ArchiveOptions::default())
    }

    /// An archiver with bounds of one's own.
    #[must_use]
    pub fn with_options(log: Arc<dyn EventLog>, tables: Tables, options: ArchiveOptions) -> Self {
        Self { log, tables, options }
    }

    /// Appends everything that the log holds now, in as many commits as the bounds ask for.
    ///
    /// Any number of archivers may run at once; they take turns. May be dropped at any point and run again.
    ///
    /// # Errors
    /// [`ArchiveError`]. What was committed before it stays.
    pub async fn run_once(&self) -> Result<ArchiveReport, ArchiveError> {
        let mut report = ArchiveReport::default();
        let mut lost_races = 0;
        let mut table = self.tables.open_or_create(Table::Samples).await?;
        let shards = self.shards().await?;
        let mut positions = self.positions(&table, &shards).await?;
        loop {
            let batch = self.gather(&shards, &positions).await?;
            if batch.is_empty() {
                return Ok(report);
            }
            // Less than a commit's worth: the log was read to its end.
            let caught_up = !self.is_full(&batch);
            match self.append(&table, batch, &mut report).await? {
                Some((version, reached)) => {
                    lost_races = 0;
                    positions.extend(reached);
                    table.load_version(version).await.map_err(self.error("load its new version"))?;
                }
                None => {
                    lost_races += 1;
                    if lost_races == MAX_LOST_RACES {
                        return Err(ArchiveError::Contended(lost_races));
                    }
                    table.load().await.map_err(self.error("load its newest version"))?;
                    positions = self.positions(&table, &shards).await?;
                    continue;
                }
            }
            if caught_up {
                return Ok(report);
            }
        }
    }

    /// The last record of each shard that is archived; shards of which nothing is are absent. Only reads.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn reached(&self) -> Result<BTreeMap<ShardId, SequenceNumber>, ArchiveError> {
        let Some(table) = self.tables.open(Table::Samples).await? else {
            return Ok(Positions::new());
        };
        let shards = self.shards().await?;
        self.positions(&table, &shards).await
    }

    async fn shards(&self) -> Result<Vec<ShardId>, ArchiveError> {
        Ok(self.log.shards().await?.into_iter().map(|shard| shard.id).collect())
    }

    /// The checkpoints in the table's loaded version.
    async fn positions(&self, table: &DeltaTable, shards: &[ShardId]) -> Result<Positions, ArchiveError> {
        let mut positions = Positions::new();
        for shard in shards {
            let mut limbs = [None; LIMBS];
            for (limb, app) in limbs.iter_mut().zip(limb_apps(shard)) {
                *limb = transaction(table, &app).await.map_err(self.error("read its checkpoint"))?;
                if limb.is_none() {
                    break;
                }
            }
            if let Some(sequence) = from_limbs(shard, &limbs)? {
                positions.insert(shard.clone(), sequence);
            }
        }
        Ok(positions)
    }

    /// Reads all shards in turn, from where they are archived, until there is a commit's worth or no more.
    async fn gather(&self, shards: &[ShardId], positions: &Positions) -> Result<Batch, ArchiveError> {
        let mut batch = Batch::default();
        let mut open: Vec<&ShardId> = shards.iter().collect();
        while !open.is_empty() {
            for shard in std::mem::take(&mut open) {
                if self.is_full(&batch) {
                    return Ok(batch);
                }
                let after = batch.reached().get(shard).or_else(|| positions.get(shard)).cloned();
                let limit = self.options.records_per_read;
                let records = self.log.read(shard, after.as_ref(), limit).await?;
                for record in &records {
                    if let Err(reason) = batch.take(shard, record) {
                        warn!(%shard, sequence = %record.sequence, %reason, "record not archived");
                    }
                }
                if !records.is_empty() {
                    open.push(shard);
                }
            }
        }
        Ok(batch)
    }

    fn is_full(&self, batch: &Batch) -> bool {
        let (rows, bytes) = batch.size();
        rows >= self.options.rows_per_commit || bytes >= BYTES_PER_COMMIT
    }

    /// Commits a batch, without the rounds that the table holds; `None` when another archiver came first.
    ///
    /// A batch without rows is committed too: the log would be read again from its old place otherwise, for ever if nothing readable follows.
    async fn append(
        &self,
        table: &DeltaTable,
        mut batch: Batch,
        report: &mut ArchiveReport,
    ) -> Result<Option<(Version, Positions)>, ArchiveError> {
        self.leave_out_known(table, &mut batch).await?;
        report.changes += append_changes(&self.tables, batch.changes()).await?;
        let mut actions = Vec::new();
        if batch.samples().rows() > 0 {
            let rows = sample_arrays(batch.samples(), self.options.origin).map_err(self.error("form rows"))?;
            let written = write_files(Table::Samples, table, stream::iter([Ok::<_, DeltaTableError>(rows)])).await;
            let files = written.map_err(self.error("write files"))?;
            actions.extend(files.into_iter().map(Action::Add));
        }
        let version = table.version().unwrap_or(0).cast_signed();
        let mut transactions = vec![Transaction::new(ARCHIVE_APP, version)];
        for (shard, sequence) in batch.reached() {
            let limbs = limb_apps(shard).into_iter().zip(to_limbs(shard, sequence)?);
            transactions.extend(limbs.map(|(app, limb)| Transaction::new(app, limb)));
        }
        let write = Commit { table: Table::Samples, actions, transactions, mode: SaveMode::Append, alone: false };
        match commit(table, write).await {
            Ok(version) => {
                count(report, &batch);
                Ok(Some((version, batch.reached().clone())))
            }
            Err(error) if lost_race(&error) => Ok(None),
            Err(error) => Err(self.error("commit")(error).into()),
        }
    }

    /// Leaves out those of the batch's rounds that the table's loaded version holds.
    ///
    /// Reads identities only, and only in files whose statistics overlap with the batch's time: a round delivered twice has the same times.
    async fn leave_out_known(&self, table: &DeltaTable, batch: &mut Batch) -> Result<(), TableError> {
        let stretches = batch.stretches();
        if stretches.is_empty() {
            return Ok(());
        }
        let found = async {
            let session = session()?;
            let mut stored = rows(&session, table, None)
                .await?
                .filter(within(&stretches))?
                .select_columns(&["source", "epoch", "round"])?
                .execute_stream()
                .await?;
            while let Some(rows) = stored.try_next().await? {
                leave_out(batch, &rows)?;
            }
            Ok::<_, DataFusionError>(())
        };
        found.await.map_err(self.error("look up rounds"))
    }

    fn error<E>(&self, doing: &'static str) -> impl Fn(E) -> TableError + use<E>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.tables.error(Table::Samples, doing)
    }
}

/// The version of an application in the table's loaded version.
pub(crate) async fn transaction(table: &DeltaTable, app: &str) -> Result<Option<i64>, DeltaTableError> {
    let log_store = table.log_store();
    table.snapshot()?.transaction_version(log_store.as_ref(), app).await
}

fn count(report: &mut ArchiveReport, batch: &Batch) {
    if batch.rowless_gaps() > 0 {
        warn!(gaps = batch.rowless_gaps(), "gaps of rounds without a probe are in no row of the archive");
    }
    let (records, duplicates, unreadable) = batch.counts();
    report.records += records;
    report.duplicates += duplicates;
    report.unreadable += unreadable;
    report.rowless_gaps += batch.rowless_gaps();
    report.rounds += batch.samples().live_rounds().count() as u64;
    report.rows += batch.samples().rows() as u64;
    report.commits += 1;
}

/// Leaves out the rounds that rows of (source, epoch, round) are of.
fn leave_out(batch: &mut Batch, stored: &RecordBatch) -> Result<(), ArrowError> {
    let source = cast(stored.column(0), &DataType::Utf8)?;
    let source = source.as_string::<i32>();
    let epoch = stored.column(1).as_primitive::<Int64Type>();
    let number = stored.column(2).as_primitive::<Int64Type>();
    for row in 0..stored.num_rows() {
        batch.leave_out(source.value(row), epoch.value(row).cast_unsigned(), number.value(row).cast_unsigned());
    }
    Ok(())
}
