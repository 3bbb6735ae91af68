//! Drives a processor over every shard of a log.

use std::sync::Arc;
use std::time::Duration;

use cloudping_model::UtcMicros;
use cloudping_ports::{EventLog, LiveStore, LogError, ShardId};
use tokio::sync::watch;

use crate::processor::{ProcessError, Processor};

/// Records of one batch: bounds memory and the work that a failed commit throws away.
const BATCH: usize = 500;
/// How long to wait for news when the log gives no notice.
const IDLE: Duration = Duration::from_millis(200);
/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// Processes what the log holds and whatever comes; once `shutdown` is true it ends as soon as the log has no more.
///
/// A failure is logged and the batch tried again from the stored checkpoint; it takes effect once.
pub async fn run(
    log: Arc<dyn EventLog>,
    store: Arc<dyn LiveStore>,
    clock: fn() -> UtcMicros,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut processor = Processor::new(store);
    loop {
        let last = *shutdown.borrow();
        let pause = match pass(log.as_ref(), &mut processor, clock).await {
            Ok(0) if last => return,
            Ok(0) => IDLE,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "batch not processed, trying again");
                if last {
                    return;
                }
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = shutdown.changed() => {}
        }
    }
}

/// One batch of every shard; gives the number of records. A shard that fails does not keep the others waiting.
async fn pass(log: &dyn EventLog, processor: &mut Processor, clock: fn() -> UtcMicros) -> Result<usize, StepError> {
    let (mut total, mut failed) = (0, None);
    for shard in log.shards().await? {
        match step(log, processor, &shard, clock()).await {
            Ok(records) => total += records,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        // What the others took on may have more to follow: they are not made to wait for the failed one's pause.
        Some(error) if total == 0 => Err(error),
        Some(error) => {
            tracing::warn!(%error, "a shard's batch was not processed, trying again");
            Ok(total)
        }
        None => Ok(total),
    }
}

async fn step(
    log: &dyn EventLog,
    processor: &mut Processor,
    shard: &ShardId,
    now: UtcMicros,
) -> Result<usize, StepError> {
    let checkpoint = processor.checkpoint(shard).await?;
    let records = log.read(shard, checkpoint.as_ref(), BATCH).await?;
    let report = processor.process_batch(shard, &records, now).await?;
    if report.dead > 0 {
        tracing::warn!(%shard, dead = report.dead, "records that could not be read went to the dead letters");
    }
    Ok(records.len())
}
