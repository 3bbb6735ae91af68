//! On the way to the event log: rounds are appended in the order in which they were finished, however long the log is away.
//!
//! With a spool a finished round is on disk before it is offered to the log, so that neither an outage nor the end of the
//! process loses it. Without one rounds wait in memory, and those beyond the bound are counted and reported as a gap. So are
//! those that the log refuses for good: no round keeps back the ones behind it for ever.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cloudping_model::{Round, VantageId};
use cloudping_ports::{EventLog, LogError};
use cloudping_schemas::event;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;

use crate::gaps::{self, Pending};
use crate::spool::{Spool, SpoolError, Waiting};

/// Rounds that wait in memory.
const QUEUE: usize = 1_000;
/// First and longest pause before a failed append is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long the log may take for one append; then it counts as failed, and is tried again.
const APPEND_LIMIT: Duration = Duration::from_secs(30);

/// The producer's end: takes finished rounds and never waits.
pub struct Outbox {
    queue: mpsc::Sender<Round>,
    unsaid: Mutex<Unsaid>,
    interval: Duration,
}

/// What no round has reported yet.
#[derive(Debug, Default)]
struct Unsaid {
    /// Rounds that found the queue full.
    missing: u64,
    /// Gaps of rounds that cannot carry them.
    gaps: Pending,
}

impl Outbox {
    /// An outbox, and the task that empties it: it ends when the outbox is dropped and all was appended, or, after
    /// `shutdown`, when the log does not answer; what is in the spool goes out after the next start.
    pub fn new(
        vantage: VantageId,
        interval: Duration,
        log: Arc<dyn EventLog>,
        spool: Option<Spool>,
        shutdown: watch::Receiver<bool>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, finished) = mpsc::channel(QUEUE);
        let sender = Sender { log, vantage, interval, shutdown };
        let emptying = async move {
            match spool {
                Some(spool) => sender.with_spool(spool, finished).await,
                None => sender.without_spool(finished).await,
            }
        };
        (Self { queue, unsaid: Mutex::default(), interval }, emptying)
    }

    /// Takes a round. When there is no room it is dropped, and counted in the gap of the next that finds room. The gap of a round without a probe waits
    /// for the next that has one: the archive has a row a probe and none a round.
    pub fn put(&self, mut round: Round) {
        let mut unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
        if round.samples.is_empty() {
            unsaid.gaps.extend(round.gap.take());
        } else if round.gap.is_none() {
            round.gap = unsaid.gaps.take();
        }
        let reports = unsaid.missing > 0 && gaps::may_report(&round);
        if reports {
            round.gap = gaps::dropped(unsaid.missing, self.interval);
        }
        match self.queue.try_send(round) {
            Ok(()) if reports => unsaid.missing = 0,
            Ok(()) => {}
            Err(TrySendError::Full(round) | TrySendError::Closed(round)) => {
                unsaid.missing += 1;
                unsaid.gaps.extend(round.gap.filter(|_| !reports));
                tracing::error!(dropped = unsaid.missing, "the event log does not keep up and no more rounds can wait");
            }
        }
    }
}

fn next_pause(pause: Duration) -> Duration {
    (pause * 2).min(RETRY.1)
}

struct Sender {
    log: Arc<dyn EventLog>,
    vantage: VantageId,
    interval: Duration,
    shutdown: watch::Receiver<bool>,
}

impl Sender {
    async fn append(&self, data: Bytes) -> Result<(), LogError> {
        let appending = timeout(APPEND_LIMIT, self.log.append(self.vantage.as_str(), data));
        let late = |_elapsed| LogError::Backend(format!("no answer within {APPEND_LIMIT:?}").into());
        appending.await.map_err(late)?
    }

    async fn without_spool(self, mut finished: mpsc::Receiver<Round>) {
        let mut unreported = 0;
        while let Some(mut round) = finished.recv().await {
            if unreported > 0 && gaps::may_report(&round) {
                round.gap = gaps::dropped(unreported, self.interval);
                unreported = 0;
            }
            unreported += self.insist(&round).await;
        }
    }

    /// Appends a round, however many tries it takes. Gives the rounds that are missing because the log refused it for good.
    async fn insist(&self, round: &Round) -> u64 {
        let data = Bytes::from(event::encode(round));
        let mut pause = RETRY.0;
        loop {
            match self.append(data.clone()).await {
                Ok(()) => return 0,
                Err(LogError::Refused(reason)) => {
                    tell_refused(&data, &*reason);
                    return gaps::lost_with(round);
                }
                Err(error) if *self.shutdown.borrow() && pause >= RETRY.1 => {
                    tracing::error!(%error, round = round.id.number, "a round could not be appended before the end");
                    return 0;
                }
                Err(error) => tracing::warn!(%error, "round not appended, trying again"),
            }
            tokio::time::sleep(pause).await;
            pause = next_pause(pause);
        }
    }

    async fn with_spool(self, spool: Spool, mut finished: mpsc::Receiver<Round>) {
        let desk = Desk { spool: Arc::new(Mutex::new(spool)), pushed: Notify::new() };
        let ended = watch::Sender::new(false);
        let taking = async {
            while let Some(round) = finished.recv().await {
                self.take(&desk, round).await;
            }
            ended.send_replace(true);
            desk.pushed.notify_one();
        };
        tokio::join!(taking, self.empty(&desk, ended.subscribe()));
    }

    /// Puts a round into the spool; if the disk fails, straight into the log.
    async fn take(&self, desk: &Desk, round: Round) {
        let round = Arc::new(round);
        let spooled = Arc::clone(&round);
        match desk.with(move |spool| spool.push(&spooled)).await {
            Ok(0) => {}
            Ok(dropped) => {
                tracing::error!(dropped, vantage = %self.vantage, "the spool is full: its oldest rounds are dropped")
            }
            Err(error) => {
                tracing::error!(%error, "the spool cannot be written, the round goes straight to the log");
                if let Err(error) = self.append(Bytes::from(event::encode(&round))).await {
                    tracing::error!(%error, round = round.id.number, "a round is lost: neither spool nor log takes it");
                    // If even this fails, the gap in the round numbers remains as the trace.
                    let _ = desk.with(move |spool| spool.missing(gaps::lost_with(&round))).await;
                }
            }
        }
        desk.pushed.notify_one();
    }

    /// Sends what is in the spool, the oldest first, until all is sent and no more will come.
    async fn empty(&self, desk: &Desk, mut ended: watch::Receiver<bool>) {
        let (mut pause, mut trouble) = (RETRY.0, Trouble::default());
        loop {
            let last = *ended.borrow();
            match self.send_one(desk).await {
                Ok(true) => {
                    pause = RETRY.0;
                    if trouble.over() {
                        tracing::info!(vantage = %self.vantage, "rounds are appended again, those that waited first");
                    }
                }
                Ok(false) if last => return,
                Ok(false) => desk.pushed.notified().await,
                Err(error) if last => {
                    tracing::warn!(%error, "rounds wait in the spool, to be sent after the next start");
                    return;
                }
                Err(error) => {
                    if trouble.is_news(&error) {
                        tracing::warn!(%error, vantage = %self.vantage, "rounds are not appended, they wait in the spool");
                    }
                    // When no more rounds will come there is one last attempt, at once.
                    let _elapsed = timeout(pause, ended.wait_for(|ended| *ended)).await;
                    pause = next_pause(pause);
                }
            }
        }
    }

    /// Whether there was a round to send.
    async fn send_one(&self, desk: &Desk) -> Result<bool, String> {
        let offered = desk.with(Spool::offer).await.map_err(|error| error.to_string())?;
        let Some(Waiting { place, data }) = offered else { return Ok(false) };
        let settled = match self.append(data.clone()).await {
            Ok(()) => desk.with(move |spool| spool.sent(place)).await,
            Err(LogError::Refused(reason)) => {
                tell_refused(&data, &*reason);
                desk.with(move |spool| spool.refused(place)).await
            }
            Err(error) => return Err(error.to_string()),
        };
        settled.map_err(|error| error.to_string())?;
        Ok(true)
    }
}

/// Failed attempts of one kind, of which every so many is told: an outage of days must not fill a host's journal.
#[derive(Debug, Default)]
struct Trouble {
    said: String,
    times: u32,
}

/// Some five minutes of attempts.
const TOLD_EVERY: u32 = 60;

impl Trouble {
    /// Whether a failed attempt is to be told.
    fn is_news(&mut self, error: &str) -> bool {
        if self.said != error {
            *self = Self { said: error.to_owned(), times: 0 };
        }
        self.times += 1;
        self.times % TOLD_EVERY == 1
    }

    /// An attempt did not fail; whether one before it did.
    fn over(&mut self) -> bool {
        std::mem::take(self).times > 0
    }
}

/// Says that a round is lost, and why: the gap of the next one only counts it.
fn tell_refused(data: &[u8], reason: &(dyn std::error::Error + Send + Sync)) {
    let id = event::decode(data).map(|round| round.id).ok();
    let (epoch, round) = (id.as_ref().map(|id| id.epoch), id.as_ref().map(|id| id.number));
    tracing::error!(%reason, epoch, round, "a round is dropped: the event log will never take it");
}

/// The spool, shared by who fills and who empties it. Its syncs block, so they run beside the probes.
struct Desk {
    spool: Arc<Mutex<Spool>>,
    pushed: Notify,
}

impl Desk {
    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Spool) -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let spool = Arc::clone(&self.spool);
        let acting =
            tokio::task::spawn_blocking(move || act(&mut spool.lock().unwrap_or_else(PoisonError::into_inner)));
        acting.await.map_err(SpoolError::Panicked)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_at_its_start_now_and_then_when_it_changes_and_when_it_is_over() {
        let mut trouble = Trouble::default();
        assert!(!trouble.over());
        let told: Vec<u32> = (0..130).filter(|_| trouble.is_news("no answer")).collect();
        assert_eq!(told, [0, 60, 120]);
        assert!(trouble.is_news("unauthorized") && !trouble.is_news("unauthorized"));
        assert!(trouble.over() && !trouble.over());
        assert!(trouble.is_news("unauthorized"));
    }
}
