//! Drives a processor over every shard of a log.

use std::sync::Arc;
use std::time::Duration;

use cloudping_model::UtcMicros;
use cloudping_ports::{EventLog, LiveStore, LogError, Shard, ShardId};
use tokio::sync::watch;

use crate::outbox::deliver;
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

/// What [`run`] works on.
pub struct Surroundings {
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// The live store.
    pub store: Arc<dyn LiveStore>,
    /// What time it is.
    pub clock: fn() -> UtcMicros,
    /// How late rounds may be, in µs.
    pub allowed_lateness_us: i64,
    /// Changes when the log has news, where it can tell.
    pub news: Option<watch::Receiver<u64>>,
}

/// Processes what the log holds and whatever comes; once `shutdown` is true it ends as soon as the log has no more.
///
/// A failure is logged and the batch tried again from the stored checkpoint; it takes effect once.
pub async fn run(surroundings: Surroundings, mut shutdown: watch::Receiver<bool>) {
    let Surroundings { log, store, clock, allowed_lateness_us, mut news } = surroundings;
    let mut processor = Processor::new(store.clone()).with_allowed_lateness(allowed_lateness_us);
    // Changes may wait from before.
    let mut deliver_due = true;
    loop {
        let last = *shutdown.borrow();
        news.as_mut().map(watch::Receiver::mark_unchanged);
        let passed = pass(log.as_ref(), store.as_ref(), &mut processor, clock, &mut deliver_due).await;
        let pause = match passed {
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
            () = told(news.as_mut()), if pause == IDLE => {}
            _ = shutdown.changed() => {}
        }
    }
}

/// Waits until the log tells of news; for ever, where it cannot.
async fn told(news: Option<&mut watch::Receiver<u64>>) {
    let still_there = match news {
        Some(news) => news.changed().await.is_ok(),
        None => false,
    };
    if !still_there {
        std::future::pending::<()>().await;
    }
}

/// One batch of every shard; gives the number of records. A shard that fails does not keep the others waiting.
async fn pass(
    log: &dyn EventLog,
    store: &dyn LiveStore,
    processor: &mut Processor,
    clock: fn() -> UtcMicros,
    deliver_due: &mut bool,
) -> Result<usize, StepError> {
    let (mut total, mut failed) = (0, None);
    for Shard { id: shard, .. } in log.shards().await? {
        match step(log, processor, &shard, clock()).await {
            Ok((records, changes)) => {
                total += records;
                *deliver_due |= changes > 0;
            }
            Err(error) => {
                failed = failed.or(Some(error));
                // What was found before the failure is stored, and not found again.
                *deliver_due = true;
            }
        }
    }
    if *deliver_due {
        match deliver(log, store).await {
            Ok(_) => *deliver_due = false,
            Err(error) => tracing::warn!(%error, "route changes wait for the next batch"),
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

/// One batch of one shard; gives the number of records and of route changes found.
async fn step(
    log: &dyn EventLog,
    processor: &mut Processor,
    shard: &ShardId,
    now: UtcMicros,
) -> Result<(usize, usize), StepError> {
    let checkpoint = processor.checkpoint(shard).await?;
    let records = log.read(shard, checkpoint.as_ref(), BATCH).await?;
    let report = processor.process_batch(shard, &records, now).await?;
    if report.dead > 0 {
        tracing::warn!(%shard, dead = report.dead, "records that could not be read went to the dead letters");
    }
    for change in &report.changes {
        let (vantage, target) = (&change.vantage, &change.target);
        let (before_us, after_us) = (change.before_us, change.after_us);
        tracing::info!(%vantage, %target, before_us, after_us, "a route step");
    }
    Ok((records.len(), report.changes.len()))
}
