//! Answers of any size: rows go out as they are read, and no more are read than the client takes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Bytes;
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Engine, SqlDoor, SqlError};

/// Pieces that wait for the client.
const PIECES: usize = 2;
/// A client that takes nothing for this long has left.
const STALLED: Duration = Duration::from_secs(60);

/// Makes bytes of rows, one batch after another.
pub(crate) trait Encode: Send + 'static {
    /// The bytes that are ready after these rows; maybe none yet.
    ///
    /// # Errors
    /// [`SqlError::Failed`] for rows that cannot be written.
    fn write(&mut self, rows: &RecordBatch) -> Result<Bytes, SqlError>;

    /// The rest.
    ///
    /// # Errors
    /// As [`Encode::write`].
    fn finish(self) -> Result<Bytes, SqlError>;
}

impl SqlDoor {
    /// Opens a stream of rows on the door's threads. It is not bounded in time, since its client sets the pace, but in memory and number, apart
    /// from the statements. Dropping it ends the reading.
    ///
    /// # Errors
    /// The job's, or [`SqlError::Busy`]. The stream's own errors come when part of the answer has gone out: all that can be done then is to break it off.
    pub(crate) async fn download<F, E>(
        &self,
        job: impl FnOnce(SessionContext) -> F + Send + 'static,
        encoder: impl FnOnce(SchemaRef) -> Result<E, SqlError> + Send + 'static,
    ) -> Result<BoxStream<'static, Result<Bytes, SqlError>>, SqlError>
    where
        F: Future<Output = Result<SendableRecordBatchStream, SqlError>> + Send,
        E: Encode,
    {
        let permit = Arc::clone(&self.downloads).try_acquire_owned();
        let permit = permit.map_err(|_| SqlError::Busy { limit: self.engine.limits.downloads })?;
        let (opened, is_open) = tokio::sync::oneshot::channel::<Result<(), SqlError>>();
        let (pieces, received) = channel(PIECES);
        let work = |engine: Arc<Engine>| async move {
            let open = async {
                let rows = job(engine.sessions.open(&engine.archive)?).await?;
                let encoder = encoder(rows.schema())?;
                Ok::<_, SqlError>((rows, encoder))
            };
            let (rows, encoder) = match open.await {
                Ok(open) => open,
                Err(error) => {
                    opened.send(Err(error)).ok();
                    return Ok(());
                }
            };
            if opened.send(Ok(())).is_ok()
                && let Err(error) = send_all(rows, encoder, &pieces).await
            {
                tracing::error!("a download was broken off: {error}");
                send(&pieces, Err(error)).await;
            }
            Ok(())
        };
        let task = self.spawn(permit, work)?;
        match is_open.await {
            Ok(opened) => opened?,
            Err(_) => return Err(SqlError::Failed("a download ended before it began".to_owned())),
        }
        Ok(pieces_of(received, task))
    }
}

/// The task lives as long as its stream.
fn pieces_of(
    received: Receiver<Result<Bytes, SqlError>>,
    task: SpawnedTask<Result<(), SqlError>>,
) -> BoxStream<'static, Result<Bytes, SqlError>> {
    stream::unfold((received, task), async |(mut received, task)| {
        let piece = received.recv().await?;
        Some((piece, (received, task)))
    })
    // What compresses or counts a body asks once more after its end.
    .fuse()
    .boxed()
}

async fn send_all<E: Encode>(
    mut rows: SendableRecordBatchStream,
    mut encoder: E,
    pieces: &Sender<Result<Bytes, SqlError>>,
) -> Result<(), SqlError> {
    while let Some(batch) = rows.next().await {
        let piece = encoder.write(&batch?)?;
        if !piece.is_empty() && !send(pieces, Ok(piece)).await {
            return Ok(());
        }
    }
    send(pieces, Ok(encoder.finish()?)).await;
    Ok(())
}

/// False where nobody takes it any more.
async fn send(pieces: &Sender<Result<Bytes, SqlError>>, piece: Result<Bytes, SqlError>) -> bool {
    pieces.send_timeout(piece, STALLED).await.is_ok()
}
