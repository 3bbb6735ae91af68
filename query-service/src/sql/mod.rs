//! Read-only, bounded SQL over the archive, on threads of its own: a heavy statement never delays a live answer.
//!
//! A statement is one `SELECT` (with `WITH`, `VALUES`, set operations) or `DESCRIBE`. It sees the tables `samples`, `rollup_1h`,
//! `rollup_1d`, `changes`, `regions`, `live` and `ledger`, the list of these in `information_schema`, and nothing else: no files, no network, no
//! settings, no plans (which would show the server's paths).

mod catalog;
mod download;
mod error;
mod feed;
mod parse;
mod pauses;
mod plain;
mod priority;
mod render;
mod session;
mod statement;
mod tongue;
mod width;
mod windows;

use std::future::Future;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Bytes;
use cloudping_model::UtcMicros;
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::Instrument;

pub(crate) use download::Encode;
pub use error::SqlError;
pub use feed::{ByteStream, RowStream};
pub use render::Format;
pub use statement::{Description, Statement};
pub use tongue::Tongue;

use crate::archive::{Archive, Table};
use crate::live_tables::Views;
use crate::metrics::{Running, Statements};
use crate::{Settings, SqlLimits};
use feed::{Begun, Feeder, Whole, feed};
use render::{Writer, parts};
use session::Sessions;
use statement::{described, planned};

/// Planning recurses once for each level of a statement, and a chain of operators has as many levels as operators.
/// The memory is reserved, not used, until a statement needs it.
const STACK_BYTES: usize = 128 << 20;

/// Bytes of an answer that are made before the first one goes out.
const HEAD_BYTES: usize = 1 << 20;

/// Runs statements within the limits.
pub struct SqlDoor {
    engine: Arc<Engine>,
    /// Places to run.
    permits: Arc<Semaphore>,
    /// Places to run or to wait for one.
    places: Arc<Semaphore>,
    statements: Statements,
    /// Places for answers of any size.
    downloads: Arc<Semaphore>,
    runtime: OwnRuntime,
}

struct Engine {
    archive: Archive,
    sessions: Sessions,
    limits: SqlLimits,
}

/// A runtime that may be dropped inside another one.
struct OwnRuntime(Option<Runtime>);

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A place to run, held until the work has truly ended, also when nobody waits for it any more.
struct Permit {
    _place: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
    _counted: Running,
}

impl SqlDoor {
    /// A door to the archive and to the live views; starts its threads.
    ///
    /// # Errors
    /// The operating system's when the threads cannot be started, or DataFusion's when the session cannot be built.
    pub(crate) fn new(
        archive: Archive,
        live: Views,
        settings: &Settings,
        statements: Statements,
    ) -> Result<Self, SqlError> {
        let limits = settings.sql.clone();
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits.threads.max(1))
            .thread_stack_size(STACK_BYTES)
            .thread_name("cloudping-sql")
            .on_thread_start(priority::stand_back)
            .enable_all()
            .build()
            .map_err(|error| SqlError::Failed(error.to_string()))?;
        let sessions = Sessions::new(settings, &archive, live)?;
        Ok(Self {
            permits: Arc::new(Semaphore::new(limits.concurrency)),
            places: Arc::new(Semaphore::new(limits.concurrency.saturating_add(limits.queue))),
            downloads: Arc::new(Semaphore::new(limits.downloads)),
            engine: Arc::new(Engine { archive, sessions, limits }),
            statements,
            runtime: OwnRuntime(Some(runtime)),
        })
    }

    /// Runs one statement; `now` is the present that it sees. The rows come as they are made, no faster than they are taken, and end
    /// with an error where a bound is broken. Dropping the future or the stream cancels the statement.
    ///
    /// # Errors
    /// [`SqlError`], which says what the user can do about it; so do those of the stream.
    pub async fn stream(&self, statement: impl Into<Statement>, now: UtcMicros) -> Result<RowStream, SqlError> {
        self.stream_in(None, statement.into(), now).await
    }

    /// [`stream`](Self::stream) of a statement in another tongue.
    ///
    /// # Errors
    /// As there.
    pub async fn stream_in(
        &self,
        tongue: Option<Arc<dyn Tongue>>,
        statement: Statement,
        now: UtcMicros,
    ) -> Result<RowStream, SqlError> {
        let permit = self.admit().await?;
        let work = |feeder| move |engine: Arc<Engine>| async move { engine.rows(tongue, statement, now, feeder).await };
        let start = |feeder| self.spawn(permit, work(feeder));
        let (schema, rows) = feed(&self.engine.limits, start).await?;
        Ok(RowStream::new(schema, rows))
    }

    /// What one statement takes and gives; it is planned, not run.
    ///
    /// # Errors
    /// [`SqlError`], which says what the user can do about it.
    pub async fn describe(&self, text: &str, now: UtcMicros) -> Result<Description, SqlError> {
        self.describe_in(None, text, now).await
    }

    /// [`describe`](Self::describe) of a statement in another tongue.
    ///
    /// # Errors
    /// As there.
    pub async fn describe_in(
        &self,
        tongue: Option<Arc<dyn Tongue>>,
        text: &str,
        now: UtcMicros,
    ) -> Result<Description, SqlError> {
        let (text, engine) = (text.to_owned(), Arc::clone(&self.engine));
        let described =
            move |session| async move { described(&session, tongue.as_deref(), &text, &engine.limits, now).await };
        self.run(described).await
    }

    /// The tables that statements may read.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        self.engine.sessions.tables()
    }

    /// The versions of the archive's tables that were read last.
    pub(crate) fn table_versions(&self) -> Vec<(&'static str, i64)> {
        self.engine.archive.versions()
    }

    /// Runs one statement and writes its answer; the bytes come as they are made, no faster than they are taken. An answer in JSON is cut
    /// off at its bounds, and says so; one in another form ends with an error there, so that no part of an answer looks whole.
    ///
    /// # Errors
    /// [`SqlError`], which says what the user can do about it; so do those of the stream.
    pub async fn answer(
        &self,
        statement: impl Into<Statement>,
        format: Format,
        clock: fn() -> UtcMicros,
    ) -> Result<ByteStream, SqlError> {
        let statement = statement.into();
        let permit = self.admit().await?;
        let start = |feeder| {
            self.spawn(permit, move |engine| async move { engine.bytes(statement, format, clock, feeder).await })
        };
        let (begun, rest) = feed(&self.engine.limits, start).await?;
        Ok(ByteStream::new(begun, rest))
    }

    /// Runs a job on the door's threads, within its time, memory and concurrency.
    ///
    /// # Errors
    /// The job's, or [`SqlError::Busy`] or [`SqlError::TooSlow`].
    pub async fn run<T, F>(&self, job: impl FnOnce(SessionContext) -> F + Send + 'static) -> Result<T, SqlError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SqlError>> + Send,
    {
        let permit = self.admit().await?;
        let work = |engine: Arc<Engine>| async move { job(engine.sessions.open(&engine.archive)?).await };
        let task = self.spawn(permit, work)?;
        let limit = self.engine.limits.wall_time;
        match timeout(limit, task.join()).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(SqlError::Failed(error.to_string())),
            Err(_) => Err(self.counted(SqlError::TooSlow { limit })),
        }
    }

    fn counted(&self, error: SqlError) -> SqlError {
        self.statements.failed(&error);
        error
    }

    /// A place to run, at once or after a short wait.
    async fn admit(&self) -> Result<Permit, SqlError> {
        let limits = &self.engine.limits;
        let busy = || self.counted(SqlError::Busy { limit: limits.concurrency });
        let _waiting = self.statements.queued();
        let _place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let running = timeout(limits.queue_time, Arc::clone(&self.permits).acquire_owned()).await;
        let _running = running.map_err(|_| busy())?.map_err(|_| busy())?;
        Ok(Permit { _place, _running, _counted: self.statements.running() })
    }

    /// Starts work on the door's threads.
    fn spawn<P, T, F>(
        &self,
        permit: P,
        work: impl FnOnce(Arc<Engine>) -> F + Send + 'static,
    ) -> Result<SpawnedTask<Result<T, SqlError>>, SqlError>
    where
        P: Send + 'static,
        T: Send + 'static,
        F: Future<Output = Result<T, SqlError>> + Send,
    {
        let (engine, statements) = (Arc::clone(&self.engine), self.statements.clone());
        let Some(runtime) = &self.runtime.0 else {
            return Err(SqlError::Failed("the SQL door is closed".to_owned()));
        };
        let _inside = runtime.enter();
        let work = async move {
            let _permit = permit;
            match work(Arc::clone(&engine)).await {
                Err(SqlError::Failed(reason)) => Err(engine.blame(reason).await),
                done => done.inspect_err(|error| statements.failed(error)),
            }
        };
        Ok(SpawnedTask::spawn(work.instrument(tracing::debug_span!("sql"))))
    }
}

impl Engine {
    /// A failure that is nobody's fault may be that of a file.
    async fn blame(&self, reason: String) -> SqlError {
        match self.archive.broken_file().await {
            Some((path, fault)) => {
                // What is wrong with the file need not be what went wrong.
                tracing::error!("{reason}");
                SqlError::Broken { path, fault }
            }
            None => SqlError::Failed(reason),
        }
    }

    /// Plans a statement, and begins to run it.
    async fn begin(
        &self,
        tongue: Option<&dyn Tongue>,
        statement: Statement,
        now: UtcMicros,
    ) -> Result<SendableRecordBatchStream, SqlError> {
        let session = self.sessions.open(&self.archive)?;
        let plan = planned(&session, tongue, statement, &self.limits, now).await?;
        Ok(plan.execute_stream().await?)
    }

    /// Makes the rows of an answer.
    async fn rows(
        &self,
        tongue: Option<Arc<dyn Tongue>>,
        statement: Statement,
        now: UtcMicros,
        mut feeder: Feeder<SchemaRef, RecordBatch>,
    ) -> Result<(), SqlError> {
        let mut bounds = Bounds::new(&statement, &self.limits);
        let begun = self.begin(tongue.as_deref(), statement, now);
        let mut batches = feeder.within(begun).await??;
        let schema = plain::schema(&batches.schema());
        feeder.head(Arc::clone(&schema));
        while let Some(batch) = feeder.within(batches.next()).await? {
            let (batch, broken) = bounds.cut(plain::batch(&batch?, &schema)?);
            if batch.num_rows() > 0 && !feeder.send(batch).await? {
                return Ok(());
            }
            broken?;
        }
        Ok(())
    }

    /// Makes the bytes of an answer. The first ones wait until they are many, or all: so long an error can still be told in place of them.
    async fn bytes(
        &self,
        statement: Statement,
        format: Format,
        clock: fn() -> UtcMicros,
        mut feeder: Feeder<Begun, Bytes>,
    ) -> Result<(), SqlError> {
        let started = clock();
        let mut bounds = Bounds::new(&statement, &self.limits);
        let mut batches = feeder.within(self.begin(None, statement, started)).await??;
        let schema = plain::schema(&batches.schema());
        let mut writer = Writer::new(format, &schema, &self.limits)?;
        let mut begun = Some(Vec::new());
        'answer: while let Some(batch) = feeder.within(batches.next()).await? {
            let (batch, broken) = bounds.cut(plain::batch(&batch?, &schema)?);
            for part in parts(&batch) {
                let more = writer.write(&part)?;
                let piece = writer.take();
                match &mut begun {
                    Some(first) if first.len() + piece.len() < HEAD_BYTES => first.extend(piece),
                    _ => {
                        if let Some(first) = begun.take() {
                            feeder.head(Begun { bytes: first.into(), whole: None });
                        }
                        if !piece.is_empty() && !feeder.send(piece.into()).await? {
                            return Ok(());
                        }
                    }
                }
                if !more {
                    break 'answer;
                }
            }
            broken?;
        }
        let (rest, truncated) = writer.finish(clock().since(started))?;
        match begun {
            Some(first) => {
                feeder.head(Begun { bytes: [first, rest].concat().into(), whole: Some(Whole { truncated }) })
            }
            None => drop(feeder.send(rest.into()).await?),
        }
        Ok(())
    }
}

/// What is left of an answer's bounds.
struct Bounds {
    rows: usize,
    bytes: usize,
    limits: (usize, usize),
}

impl Bounds {
    fn new(statement: &Statement, limits: &SqlLimits) -> Self {
        let (rows, bytes) = (statement.rows.unwrap_or(usize::MAX).min(limits.stream_rows), limits.stream_bytes);
        Self { rows, bytes, limits: (rows, bytes) }
    }

    /// The part of the batch that is within them, and the bound that the rest breaks.
    fn cut(&mut self, batch: RecordBatch) -> (RecordBatch, Result<(), SqlError>) {
        let bytes = plain::bytes(&batch);
        if bytes > self.bytes {
            return (batch.slice(0, 0), Err(SqlError::TooManyBytes { limit: self.limits.1 }));
        }
        self.bytes -= bytes;
        let fit = batch.num_rows().min(self.rows);
        self.rows -= fit;
        let whole = fit == batch.num_rows();
        let broken = if whole { Ok(()) } else { Err(SqlError::TooManyRows { limit: self.limits.0 }) };
        (batch.slice(0, fit), broken)
    }
}
