//! Read-only, bounded SQL over the archive, on threads of its own: a heavy statement never delays a live answer.
//!
//! A statement is one `SELECT` (with `WITH`, `VALUES`, set operations) or `DESCRIBE`. It sees the tables `samples`, `rollup_1h`,
//! `rollup_1d`, `changes` and `regions` and nothing else: no files, no network, no settings, no plans (which would show the server's paths).

mod error;
mod parse;
mod render;
mod session;
mod stream;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{Field, Schema};
use cloudping_model::UtcMicros;
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{DescribeTable, LogicalPlan};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

pub use error::SqlError;
pub use render::{Answer, Format};
pub(crate) use stream::Encode;

use crate::SqlLimits;
use crate::archive::Archive;
use parse::parse;
use render::{Writer, shown};
use session::Sessions;

/// Planning recurses once for each level of a statement, and a chain of operators has as many levels as operators.
/// The memory is reserved, not used, until a statement needs it.
const STACK_BYTES: usize = 128 << 20;

/// Runs statements within the limits.
pub struct SqlDoor {
    engine: Arc<Engine>,
    permits: Arc<Semaphore>,
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

impl SqlDoor {
    /// A door to the archive; starts its threads.
    ///
    /// # Errors
    /// The operating system's when the threads cannot be started, or DataFusion's when the session cannot be built.
    pub fn new(archive: Archive, limits: SqlLimits) -> Result<Self, SqlError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits.threads.max(1))
            .thread_stack_size(STACK_BYTES)
            .thread_name("cloudping-sql")
            .enable_all()
            .build()
            .map_err(|error| SqlError::Failed(error.to_string()))?;
        let sessions = Sessions::new(&limits)?;
        Ok(Self {
            permits: Arc::new(Semaphore::new(limits.concurrency)),
            downloads: Arc::new(Semaphore::new(limits.downloads)),
            engine: Arc::new(Engine { archive, sessions, limits }),
            runtime: OwnRuntime(Some(runtime)),
        })
    }

    /// Answers one statement. Dropping the future cancels it.
    ///
    /// # Errors
    /// [`SqlError`], which says what the user can do about it.
    pub async fn query(&self, text: String, format: Format, clock: fn() -> UtcMicros) -> Result<Answer, SqlError> {
        let engine = Arc::clone(&self.engine);
        self.run(move |session| async move { engine.answer(&session, &text, format, clock).await }).await
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
        let permits = Arc::clone(&self.permits);
        let permit =
            permits.try_acquire_owned().map_err(|_| SqlError::Busy { limit: self.engine.limits.concurrency })?;
        let engine = Arc::clone(&self.engine);
        let work = async move {
            // Held until the work has truly ended, also when nobody waits for it any more.
            let _permit = permit;
            let session = engine.sessions.open(&engine.archive).await?;
            match job(session).await {
                Err(SqlError::Failed(reason)) => Err(engine.blame(reason).await),
                done => done,
            }
        };
        self.within_time(self.spawn(work)?).await
    }

    /// Starts work on the door's threads; it ends when its handle is dropped.
    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<SpawnedTask<T>, SqlError> {
        let Some(runtime) = &self.runtime.0 else {
            return Err(SqlError::Failed("the SQL door is closed".to_owned()));
        };
        let _inside = runtime.enter();
        Ok(SpawnedTask::spawn(work))
    }

    async fn within_time<T: Send + 'static>(&self, task: SpawnedTask<Result<T, SqlError>>) -> Result<T, SqlError> {
        let limit: Duration = self.engine.limits.wall_time;
        match tokio::time::timeout(limit, task.join()).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(SqlError::Failed(error.to_string())),
            Err(_) => Err(SqlError::TooSlow { limit }),
        }
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

    async fn answer(
        &self,
        session: &SessionContext,
        text: &str,
        format: Format,
        clock: fn() -> UtcMicros,
    ) -> Result<Answer, SqlError> {
        let started = clock();
        let state = session.state();
        let statement = parse(text, &self.limits)?;
        let plan = with_shown_types(state.statement_to_plan(statement).await?);
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan)?;
        let mut batches = session.execute_logical_plan(plan).await?.execute_stream().await?;
        let mut writer = Writer::new(format, &batches.schema(), &self.limits);
        while let Some(batch) = batches.next().await {
            if !writer.write(&batch?)? {
                break;
            }
        }
        Ok(writer.finish(clock().since(started)))
    }
}

/// A description of a table with the types that the answers show.
fn with_shown_types(plan: LogicalPlan) -> LogicalPlan {
    let LogicalPlan::DescribeTable(DescribeTable { schema, output_schema }) = plan else {
        return plan;
    };
    let fields = schema.fields().iter().map(|field| Field::clone(field).with_data_type(shown(field.data_type())));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    LogicalPlan::DescribeTable(DescribeTable { schema, output_schema })
}
