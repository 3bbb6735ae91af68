//! Answers that are made on the door's threads and taken elsewhere, a few pieces at a time: whoever takes them slowly slows the
//! statement down, and whoever leaves ends it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Bytes;
use datafusion::common::runtime::SpawnedTask;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::SqlError;
use crate::Admission;
use crate::SqlLimits;

/// Pieces that wait to be taken.
const WAITING: usize = 2;
/// How much longer the taker waits than the maker may work: the maker knows better what went wrong, if it still can say so.
const GRACE: Duration = Duration::from_secs(1);

/// The present of the runtime's timer.
fn timer() -> Instant {
    sleep(Duration::ZERO).deadline()
}

/// The making of an answer. To drop it ends it.
type Making = SpawnedTask<Result<(), SqlError>>;

/// The end at which pieces are made. It knows how long may be worked, and how long the taker may keep it waiting.
pub(super) struct Feeder<H, T> {
    head: Option<oneshot::Sender<H>>,
    pieces: mpsc::Sender<T>,
    work_until: Instant,
    waits: Duration,
    limits: SqlLimits,
}

impl<H, T> Feeder<H, T> {
    /// What comes before the first piece.
    pub(super) fn head(&mut self, head: H) {
        if let Some(sender) = self.head.take() {
            // Whoever does not take it has left, and ends this task.
            let _ = sender.send(head);
        }
    }

    /// Works within the statement's time.
    pub(super) async fn within<O>(&self, work: impl Future<Output = O>) -> Result<O, SqlError> {
        let late = |_| SqlError::TooSlow { limit: self.limits.wall_time };
        timeout_at(self.work_until, work).await.map_err(late)
    }

    /// Hands a piece over; false when nobody takes it any more. The time that this takes is not the statement's.
    pub(super) async fn send(&mut self, piece: T) -> Result<bool, SqlError> {
        let before = timer();
        let sent = timeout_at(before + self.waits, self.pieces.send(piece)).await;
        let waited = timer() - before;
        self.work_until += waited;
        self.waits = self.waits.saturating_sub(waited);
        sent.map(|sent| sent.is_ok()).map_err(|_| SqlError::SlowReader { limit: self.limits.reader_time })
    }
}

/// The end at which pieces are taken. To drop it ends the statement.
pub(super) struct Fed<T>(BoxStream<'static, Result<T, SqlError>>);

impl<T> Stream for Fed<T> {
    type Item = Result<T, SqlError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

/// Starts the making by `spawn`, and waits for the head.
pub(super) async fn feed<H: Send + 'static, T: Send + 'static>(
    limits: &SqlLimits,
    spawn: impl FnOnce(Feeder<H, T>) -> Result<Making, SqlError>,
) -> Result<(H, Fed<T>), SqlError> {
    let (head, head_taken) = oneshot::channel();
    let (pieces, taken) = mpsc::channel(WAITING);
    let work_until = timer() + limits.wall_time;
    let waits = limits.reader_time;
    let task = spawn(Feeder { head: Some(head), pieces, work_until, waits, limits: limits.clone() })?;
    let too_slow = || SqlError::TooSlow { limit: limits.wall_time };
    match timeout(limits.wall_time + GRACE, head_taken).await {
        Ok(Ok(head)) => Ok((head, taking(taken, task, limits.wall_time))),
        Ok(Err(_)) => match ended(task).await {
            Err(error) => Err(error),
            Ok(()) => Err(SqlError::Failed("a statement ended before it began to answer".to_owned())),
        },
        Err(_) => Err(too_slow()),
    }
}

fn taking<T: Send + 'static>(taken: mpsc::Receiver<T>, task: Making, limit: Duration) -> Fed<T> {
    let pieces = stream::unfold(Some((taken, task)), move |state| async move {
        let (mut taken, task) = state?;
        match timeout(limit + GRACE, taken.recv()).await {
            Ok(Some(piece)) => Some((Ok(piece), Some((taken, task)))),
            // The pieces end also where the maker failed or panicked: only its own word makes the answer a whole one.
            Ok(None) => ended(task).await.err().map(|error| (Err(error), None)),
            Err(_) => Some((Err(SqlError::TooSlow { limit }), None)),
        }
    });
    Fed(pieces.boxed())
}

async fn ended(task: Making) -> Result<(), SqlError> {
    task.join().await.map_err(|error| SqlError::Failed(error.to_string()))?
}

/// The rows of an answer as they are made. To drop it ends the statement.
pub struct RowStream {
    schema: SchemaRef,
    rows: Fed<RecordBatch>,
    _admission: Admission,
}

impl RowStream {
    pub(super) fn new(schema: SchemaRef, rows: Fed<RecordBatch>) -> Self {
        Self { schema, rows, _admission: Admission::default() }
    }

    /// The same rows, which hold on to what let their reader in until they end.
    #[must_use]
    pub fn admitted_by(mut self, admission: Admission) -> Self {
        self._admission = admission;
        self
    }

    /// The columns of every batch.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Stream for RowStream {
    type Item = Result<RecordBatch, SqlError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rows.poll_next_unpin(context)
    }
}

/// How the bytes of an answer begin.
pub(super) struct Begun {
    /// The first bytes.
    pub(super) bytes: Bytes,
    /// What is known of the answer where these bytes are all of it.
    pub(super) whole: Option<Whole>,
}

/// What is known of an answer when it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    /// Whether rows were cut off.
    pub(super) truncated: bool,
}

/// The bytes of an answer as they are made. To drop it ends the statement.
pub struct ByteStream {
    whole: Option<Whole>,
    begun: Option<Bytes>,
    rest: Fed<Bytes>,
}

impl ByteStream {
    pub(super) fn new(begun: Begun, rest: Fed<Bytes>) -> Self {
        Self { whole: begun.whole, begun: Some(begun.bytes), rest }
    }

    /// Whether rows were cut off, where that is known before the first byte goes out: of a short answer.
    #[must_use]
    pub fn truncated(&self) -> Option<bool> {
        self.whole.map(|whole| whole.truncated)
    }

    /// All the bytes, where they are there before the first byte goes out.
    pub fn whole(&mut self) -> Option<Bytes> {
        self.whole.and_then(|_| self.begun.take())
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes, SqlError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.begun.take() {
            Some(bytes) => Poll::Ready(Some(Ok(bytes))),
            None => self.rest.poll_next_unpin(context),
        }
    }
}
