//! One invocation: a batch of one shard takes effect, or is asked for again.

use std::sync::Arc;

use cloudping_model::UtcMicros;
use cloudping_ports::{CommitError, EventLog, LiveStore, Record, ShardId};
use cloudping_stream_processor::{BatchReport, ProcessError, Processor, deliver};
use tokio::sync::Mutex;
use tracing::Instrument;

use crate::event::{BatchResponse, EventError, KinesisEvent};

/// What became of an invocation.
#[derive(Debug, Default)]
pub struct Done {
    /// What Kinesis' event source is answered.
    pub response: BatchResponse,
    /// Whose records they were; `None` of an event without records.
    pub shard: Option<ShardId>,
    /// How many they were.
    pub records: usize,
    /// What the batch was; `None` when nothing of it is known to have taken effect, and it is asked for again.
    pub report: Option<BatchReport>,
    /// How long ago the youngest of its rounds began, in µs; below 0 where its vantage point's clock runs ahead.
    pub age_us: Option<i64>,
}

/// The processor of one execution environment. What it last wrote stays cached for the next invocation.
pub struct Handler {
    log: Arc<dyn EventLog>,
    store: Arc<dyn LiveStore>,
    clock: fn() -> UtcMicros,
    state: Mutex<State>,
}

struct State {
    processor: Processor,
    /// Route changes wait in the live store, or may.
    deliver_due: bool,
}

impl Handler {
    /// A handler, its cache cold. Rounds may be late by `allowed_lateness_us`, in µs. The store is one that deletes by itself what
    /// expires.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        store: Arc<dyn LiveStore>,
        clock: fn() -> UtcMicros,
        allowed_lateness_us: i64,
    ) -> Self {
        let processor = Processor::new(Arc::clone(&store)).with_allowed_lateness(allowed_lateness_us).without_deletes();
        // Changes may wait from an environment that is no more.
        Self { log, store, clock, state: Mutex::new(State { processor, deliver_due: true }) }
    }

    /// Counts what the event holds, then takes the route changes that were found to the log.
    ///
    /// The response names nothing when the whole batch took effect; records that cannot be read are then in the dead letters.
    /// Else it names the first record: what of the batch did take effect is known by its identities when it comes again.
    /// A change that did not reach the log goes with a later invocation.
    ///
    /// # Errors
    /// [`EventError`] when this is no event of Kinesis' event source.
    pub async fn invoke(&self, event: KinesisEvent) -> Result<Done, EventError> {
        let Some((shard, records)) = event.batch()? else {
            return Ok(Done::default());
        };
        let span = tracing::info_span!("batch", %shard, records = records.len());
        Ok(self.batch(shard, &records).instrument(span).await)
    }

    async fn batch(&self, shard: ShardId, records: &[Record]) -> Done {
        let mut state = self.state.lock().await;
        let now = (self.clock)();
        let result = self.process(&mut state, &shard, records, now).await;
        let mut done = Done { shard: Some(shard), records: records.len(), ..Done::default() };
        match result {
            Ok(report) => {
                tell(&report);
                state.deliver_due |= !report.changes.is_empty();
                self.deliver(&mut state).await;
                done.age_us = report.newest.map(|newest| now.0.saturating_sub(newest.0));
                done.report = Some(report);
            }
            Err(error) => {
                tracing::error!(%error, "batch not processed, asking for it again");
                done.response =
                    records.first().map(|first| BatchResponse::again_from(&first.sequence)).unwrap_or_default();
            }
        }
        done
    }

    async fn process(
        &self,
        state: &mut State,
        shard: &ShardId,
        records: &[Record],
        now: UtcMicros,
    ) -> Result<BatchReport, ProcessError> {
        let result = state.processor.process_batch(shard, records, now).await;
        // What was found before a failure is stored, and not found again.
        state.deliver_due |= result.is_err();
        match result {
            // Another environment had the shard meanwhile, so the cache was old; it is empty now.
            Err(ProcessError::Commit(CommitError::Conflict(key))) => {
                tracing::info!(?key, "another environment was here, reading anew");
                state.processor.process_batch(shard, records, now).await
            }
            result => result,
        }
    }

    async fn deliver(&self, state: &mut State) {
        if state.deliver_due {
            match deliver(self.log.as_ref(), self.store.as_ref()).await {
                Ok(_) => state.deliver_due = false,
                Err(error) => tracing::warn!(%error, "route changes wait for the next batch"),
            }
        }
    }
}

/// Says what somebody may want to read; how much there was of it is in the metrics.
fn tell(report: &BatchReport) {
    let dead = report.dead;
    if dead > 0 {
        tracing::warn!(dead, "records that could not be read went to the dead letters");
    }
    for change in &report.changes {
        let (vantage, target) = (&change.vantage, &change.target);
        let (before_us, after_us) = (change.before_us, change.after_us);
        tracing::info!(%vantage, %target, before_us, after_us, "a route step");
    }
}
