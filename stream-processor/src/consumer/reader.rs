//! Reads one shard under its lease.

use std::sync::Arc;
use std::time::Duration;

use cloudping_model::UtcMicros;
use cloudping_ports::{CommitError, EventLog, LiveStore, LogError, SequenceNumber, Shard, ShardId};
use tokio::sync::{Notify, watch};

use super::WorkerSettings;
use crate::leases::{Fence, Fenced, finish};
use crate::processor::{ProcessError, Processor};
use crate::runner::{AFTER_FAILURE, BATCH, StepError, Surroundings, tell, told};

/// The longest time between a failure and the next try.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How the log lists a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    /// It takes records.
    Open,
    /// It takes none any more.
    Closed,
    /// It is not listed.
    Gone,
}

impl Listed {
    pub(super) fn of(shard: Option<&Shard>) -> Self {
        match shard {
            Some(Shard { closed: false, .. }) => Self::Open,
            Some(Shard { closed: true, .. }) => Self::Closed,
            None => Self::Gone,
        }
    }
}

/// Why a reader ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The worker asked for it.
    Stopped,
    /// The lease is another's.
    Lost,
    /// The shard was read to its end, and its lease says so.
    Finished,
}

/// What one read came to.
enum Progress {
    Records,
    Nothing,
    Finished,
}

/// A shard's reader. Its processor, and with it everything that is cached, lives as long as the lease is held.
pub(super) struct Reader {
    shard: ShardId,
    fence: Fence,
    log: Arc<dyn EventLog>,
    store: Arc<dyn LiveStore>,
    processor: Processor,
    clock: fn() -> UtcMicros,
    pace: Duration,
    /// Up to where records were processed, unless that must be asked for.
    after: Option<Option<SequenceNumber>>,
    listed: watch::Receiver<Listed>,
    stop: watch::Receiver<bool>,
    news: Option<watch::Receiver<u64>>,
    found: Arc<Notify>,
}

impl Reader {
    /// A reader that has just got its lease. `listed` is how the log lists the shard, `stop` whether to end.
    pub(super) fn new(
        shard: ShardId,
        fence: Fence,
        surroundings: &Surroundings,
        settings: &WorkerSettings,
        (listed, stop): (watch::Receiver<Listed>, watch::Receiver<bool>),
        found: Arc<Notify>,
    ) -> Self {
        let store = Arc::clone(&surroundings.store);
        let fenced = Arc::new(Fenced::new(Arc::clone(&store), fence.clone()));
        let processor = Processor::new(fenced).with_allowed_lateness(surroundings.allowed_lateness_us);
        let processor = if settings.deletes_expired { processor } else { processor.without_deletes() };
        let (log, news) = (Arc::clone(&surroundings.log), surroundings.news.clone());
        let (clock, pace) = (surroundings.clock, settings.pace);
        Self { shard, fence, log, store, processor, clock, pace, after: None, listed, stop, news, found }
    }

    /// Reads until there is a reason to end.
    pub(super) async fn run(mut self) -> Ended {
        let mut failures = 0;
        loop {
            if *self.stop.borrow_and_update() {
                return Ended::Stopped;
            }
            self.news.as_mut().map(watch::Receiver::mark_unchanged);
            let next = tokio::time::sleep(self.pace);
            let (more, extra) = match self.step().await {
                Ok(Progress::Finished) => {
                    tracing::info!(shard = %self.shard, "shard finished: it was read to its end");
                    return Ended::Finished;
                }
                Err(error) if self.lost_by(&error) => {
                    tracing::info!(shard = %self.shard, "lease lost: a commit was refused");
                    return Ended::Lost;
                }
                Ok(progress) => {
                    failures = 0;
                    (matches!(progress, Progress::Records), Duration::ZERO)
                }
                Err(error) => {
                    // What was found before the failure is stored, and not found again.
                    self.found.notify_one();
                    self.after = None;
                    failures += 1;
                    let pause = backoff(failures);
                    tracing::warn!(shard = %self.shard, %error, ?pause, "batch not processed, trying again");
                    (true, pause)
                }
            };
            tokio::select! {
                () = async { next.await; tokio::time::sleep(extra).await } => {}
                () = told(self.news.as_mut()), if !more => {}
                _ = self.stop.changed() => {}
            }
        }
    }

    fn lost_by(&self, error: &StepError) -> bool {
        matches!(error, StepError::Process(ProcessError::Commit(CommitError::Conflict(key))) if *key == self.fence.key)
    }

    /// Processes what follows.
    async fn step(&mut self) -> Result<Progress, StepError> {
        // As listed before the read: only then nothing can follow an answer without records.
        let listed = *self.listed.borrow();
        let after = match self.after.take() {
            Some(after) => after,
            None => self.processor.checkpoint(&self.shard).await?,
        };
        let records = match self.log.read(&self.shard, after.as_ref(), BATCH).await {
            Err(LogError::NoShard(shard)) if listed == Listed::Gone => {
                tracing::warn!(%shard, "the log has forgotten the shard: what was not read of it is lost");
                return self.finish().await;
            }
            read => read?,
        };
        let Some(last) = records.last() else {
            if listed == Listed::Closed {
                return self.finish().await;
            }
            self.after = Some(after);
            return Ok(Progress::Nothing);
        };
        let report = self.processor.process_batch(&self.shard, &records, (self.clock)()).await?;
        self.after = Some(Some(last.sequence.clone()));
        tell(&self.shard, &report);
        if !report.changes.is_empty() {
            self.found.notify_one();
        }
        Ok(Progress::Records)
    }

    async fn finish(&self) -> Result<Progress, StepError> {
        finish(self.store.as_ref(), &self.fence).await.map_err(ProcessError::Commit)?;
        Ok(Progress::Finished)
    }
}

/// How long to wait after so many failures in a row.
fn backoff(failures: u32) -> Duration {
    let doubled = AFTER_FAILURE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let seconds = [1, 2, 3, 5, 6, 1_000].map(|failures| backoff(failures).as_secs());
        assert_eq!(seconds, [1, 2, 4, 16, 30, 30]);
    }
}
