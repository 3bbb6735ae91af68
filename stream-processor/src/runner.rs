//! Drives a processor over every shard of a log.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use cloudping_model::UtcMicros;
use cloudping_ports::{EventLog, LiveStore, LogError, ShardId};
use tokio::sync::watch;

use crate::leases::has_readable_parents;
use crate::outbox::deliver;
use crate::processor::{BatchReport, ProcessError, Processor};

/// Records of one batch: bounds memory and the work that a failed commit throws away.
pub(crate) const BATCH: usize = 500;
/// How long to wait for news when the log gives no notice.
const IDLE: Duration = Duration::from_millis(200);
/// How long to wait after a failure.
pub(crate) const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Why records were not taken from the log into the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// What [`run`] and [`consume`](crate::consume) work on.
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
/// A failure is logged and the batch tried again from the stored checkpoint; it takes effect once. It reads every shard: workers that
/// share a log [`consume`](crate::consume) it.
pub async fn run(surroundings: Surroundings, mut shutdown: watch::Receiver<bool>) {
    let mut news = surroundings.news.clone();
    let mut runner = Runner::new(surroundings);
    loop {
        let last = *shutdown.borrow();
        news.as_mut().map(watch::Receiver::mark_unchanged);
        let pause = match runner.pass().await {
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
pub(crate) async fn told(news: Option<&mut watch::Receiver<u64>>) {
    let still_there = match news {
        Some(news) => news.changed().await.is_ok(),
        None => false,
    };
    if !still_there {
        std::future::pending::<()>().await;
    }
}

struct Runner {
    log: Arc<dyn EventLog>,
    store: Arc<dyn LiveStore>,
    clock: fn() -> UtcMicros,
    processor: Processor,
    deliver_due: bool,
    /// The listed shards that were read to their end.
    finished: HashSet<ShardId>,
}

impl Runner {
    fn new(Surroundings { log, store, clock, allowed_lateness_us, .. }: Surroundings) -> Self {
        let processor = Processor::new(Arc::clone(&store)).with_allowed_lateness(allowed_lateness_us);
        // Changes may wait from before.
        Self { log, store, clock, processor, deliver_due: true, finished: HashSet::new() }
    }

    /// One batch of every shard that may be read; gives the number of records, and of shards that came to their end. A shard that
    /// fails does not keep the others waiting, except for those that came from it.
    async fn pass(&mut self) -> Result<usize, StepError> {
        let (mut total, mut failed) = (0, None);
        let shards = self.log.shards().await?;
        self.finished.retain(|finished| shards.iter().any(|shard| shard.id == *finished));
        for shard in &shards {
            let readable = has_readable_parents(shard, |parent| self.finished.contains(parent));
            if !readable || self.finished.contains(&shard.id) {
                continue;
            }
            match self.step(&shard.id).await {
                Ok(0) if shard.closed => {
                    self.finished.insert(shard.id.clone());
                    // Its children may have been passed over.
                    total += 1;
                }
                Ok(records) => total += records,
                Err(error) => {
                    failed = failed.or(Some(error));
                    // What was found before the failure is stored, and not found again.
                    self.deliver_due = true;
                }
            }
        }
        if self.deliver_due {
            match deliver(self.log.as_ref(), self.store.as_ref()).await {
                Ok(_) => self.deliver_due = false,
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

    /// One batch of one shard; gives the number of records.
    async fn step(&mut self, shard: &ShardId) -> Result<usize, StepError> {
        let checkpoint = self.processor.checkpoint(shard).await?;
        let records = self.log.read(shard, checkpoint.as_ref(), BATCH).await?;
        let report = self.processor.process_batch(shard, &records, (self.clock)()).await?;
        tell(shard, &report);
        self.deliver_due |= !report.changes.is_empty();
        Ok(records.len())
    }
}

/// Says what a batch had that an operator wants to know.
pub(crate) fn tell(shard: &ShardId, report: &BatchReport) {
    if report.dead > 0 {
        tracing::warn!(%shard, dead = report.dead, "records that could not be read went to the dead letters");
    }
    for change in &report.changes {
        let (vantage, target) = (&change.vantage, &change.target);
        let (before_us, after_us) = (change.before_us, change.after_us);
        tracing::info!(%vantage, %target, before_us, after_us, "a route step");
    }
}
