//! Rounds that come by another way than the log, appended to the table of samples.

use std::collections::{HashMap, HashSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use cloudping_model::{Round, RoundId, UtcMicros};
use cloudping_schemas::tables::Origin;
use datafusion::error::DataFusionError;
use datafusion::prelude::{col, lit};
use deltalake_core::DeltaTable;
use futures::TryStreamExt;

use crate::commit::{MAX_LOST_RACES, append_in_turn};
use crate::query::{rows, session, within};
use crate::sample_rows::sample_rows;
use crate::stretches::Stretches;
use crate::{ArchiveError, Table, TableError, Tables};

/// What became of rounds that were to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AppendReport {
    /// Rounds appended.
    pub rounds: u64,
    /// Rows appended: samples of those rounds.
    pub rows: u64,
    /// Rounds that the table holds already, or that were given twice.
    pub duplicates: u64,
    /// Commits made.
    pub commits: u64,
}

/// Appends rounds to the table of samples, each once, beside archivers and other appenders.
///
/// As the [`Archiver`](crate::Archiver) does: rounds are known by their rows, so there is no other state to keep, and of two writers at once the second
/// looks again. The checkpoints of the log stay as they are.
pub struct Appender {
    tables: Tables,
}

impl Appender {
    /// An appender to these tables.
    #[must_use]
    pub fn new(tables: Tables) -> Self {
        Self { tables }
    }

    /// Appends those of the rounds that the table does not hold, in one commit. All of them are in memory: whoever calls bounds their number.
    ///
    /// A round is known by its identity and by its time: the same identity at another time is another round here.
    ///
    /// # Errors
    /// [`ArchiveError`]; then none of the rounds was appended, unless the storage lost the answer to a commit. Given again, they take effect once.
    pub async fn append(&self, rounds: Vec<Round>, origin: Origin) -> Result<AppendReport, ArchiveError> {
        let (mut rounds, mut report) = distinct(rounds);
        let mut table = self.tables.open_or_create(Table::Samples).await?;
        for _ in 0..MAX_LOST_RACES {
            let known = self.known(&table, &rounds, origin).await?;
            report.duplicates += known.len() as u64;
            rounds.retain(|round| !known.contains(&round.id));
            if rounds.is_empty() {
                return Ok(report);
            }
            let batch = sample_rows(&rounds, origin).map_err(self.error("form rows"))?;
            if append_in_turn(&self.tables, Table::Samples, &table, batch).await? {
                count(&mut report, &rounds);
                report.commits = 1;
                return Ok(report);
            }
            table.load().await.map_err(self.error("load its newest version"))?;
        }
        Err(ArchiveError::Contended(MAX_LOST_RACES))
    }

    /// What [`append`](Self::append) would do now, without doing it.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn would_append(&self, rounds: Vec<Round>, origin: Origin) -> Result<AppendReport, ArchiveError> {
        let (mut rounds, mut report) = distinct(rounds);
        if let Some(table) = self.tables.open(Table::Samples).await? {
            let known = self.known(&table, &rounds, origin).await?;
            report.duplicates += known.len() as u64;
            rounds.retain(|round| !known.contains(&round.id));
        }
        count(&mut report, &rounds);
        Ok(report)
    }

    /// Those of the rounds that the table's loaded version holds. Reads identities only, of rows of this origin and of the rounds' stretch of time.
    async fn known(
        &self,
        table: &DeltaTable,
        rounds: &[Round],
        origin: Origin,
    ) -> Result<HashSet<RoundId>, TableError> {
        let stretches = stretches(rounds);
        if stretches.is_empty() {
            return Ok(HashSet::new());
        }
        let wanted = Wanted::new(rounds);
        let found = async {
            let session = session()?;
            let of_origin = match origin.stored() {
                Some(stored) => col("origin").eq(lit(stored)),
                None => col("origin").is_null(),
            };
            let mut stored = rows(&session, table, None)
                .await?
                .filter(within(&stretches))?
                .filter(of_origin)?
                .select_columns(&["source", "epoch", "round"])?
                .execute_stream()
                .await?;
            let mut known = HashSet::new();
            while let Some(batch) = stored.try_next().await? {
                wanted.find(&batch, &mut known)?;
            }
            Ok::<_, DataFusionError>(known)
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

/// Rounds by the numbers of their identity, to be looked for in rows.
struct Wanted<'a> {
    by_number: HashMap<(u64, u64), Vec<&'a RoundId>>,
}

impl<'a> Wanted<'a> {
    fn new(rounds: &'a [Round]) -> Self {
        let mut by_number: HashMap<(u64, u64), Vec<&RoundId>> = HashMap::with_capacity(rounds.len());
        for Round { id, .. } in rounds {
            by_number.entry((id.epoch, id.number)).or_default().push(id);
        }
        Self { by_number }
    }

    /// Adds those that rows of (source, epoch, round) tell of.
    fn find(&self, batch: &RecordBatch, known: &mut HashSet<RoundId>) -> Result<(), ArrowError> {
        let source = cast(batch.column(0), &DataType::Utf8)?;
        let source = source.as_string::<i32>();
        let epoch = batch.column(1).as_primitive::<Int64Type>().values();
        let number = batch.column(2).as_primitive::<Int64Type>().values();
        for (row, (epoch, number)) in epoch.iter().zip(number).enumerate() {
            let found = self.by_number.get(&(epoch.cast_unsigned(), number.cast_unsigned()));
            for &id in found.into_iter().flatten() {
                if id.vantage.as_str() == source.value(row) && !known.contains(id) {
                    known.insert(id.clone());
                }
            }
        }
        Ok(())
    }
}

/// The rounds that make rows, each once.
fn distinct(mut rounds: Vec<Round>) -> (Vec<Round>, AppendReport) {
    let (before, mut ids) = (rounds.len(), HashSet::with_capacity(rounds.len()));
    rounds.retain(|round| ids.insert(round.id.clone()));
    let duplicates = (before - rounds.len()) as u64;
    rounds.retain(|round| !round.samples.is_empty());
    (rounds, AppendReport { duplicates, ..AppendReport::default() })
}

fn count(report: &mut AppendReport, rounds: &[Round]) {
    report.rounds = rounds.len() as u64;
    report.rows = rounds.iter().map(|round| round.samples.len() as u64).sum();
}

/// When the samples were sent.
fn stretches(rounds: &[Round]) -> Vec<(UtcMicros, UtcMicros)> {
    let mut stretches = Stretches::default();
    for round in rounds {
        let times = || round.samples.iter().map(|sample| round.sent_at(sample));
        if let Some((first, last)) = times().min().zip(times().max()) {
            stretches.add(first, last);
        }
    }
    stretches.joined()
}
