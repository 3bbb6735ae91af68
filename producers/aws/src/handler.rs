//! One invocation: rounds on time, appended to the event log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudping_model::{Outcome, Round, RoundId};
use cloudping_ports::{EventLog, LogError};
use cloudping_producers::gaps::{self, Clocks};
use cloudping_producers::measure::{Instrument, Vantage};
use cloudping_producers::probers::Tcp;
use cloudping_producers::targets;
use cloudping_schemas::event;
use serde::Serialize;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

/// Rounds that are kept for the next invocation while the log cannot be reached. Beyond it the oldest are given up.
const UNSENT_KEPT: usize = 1_000;

/// What an invocation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Rounds measured.
    pub rounds: u64,
    /// Probes that were sent.
    pub sent: u64,
    /// Probes that were answered at once.
    pub answered: u64,
    /// Probes that were sent and found no proper answer.
    pub lost: u64,
    /// Rounds appended to the log, those of earlier invocations included.
    pub appended: u64,
    /// Rounds that wait for the next invocation, since the log did not take them.
    pub unsent: u64,
    /// Rounds that waited for too long, and are lost.
    pub given_up: u64,
    /// Rounds that the log will never take, and are lost.
    pub refused: u64,
}

/// The producer of one execution environment. Its epoch begins with it; invocations go on counting.
pub struct Handler {
    instrument: Instrument,
    rounds: u64,
    log: Arc<dyn EventLog>,
    epoch: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    unsent: VecDeque<Round>,
    /// The oldest that waits was offered to the log, and may have arrived: it must stay as it is.
    offered: bool,
    /// Rounds that are lost and that no round has reported yet.
    missing: u64,
}

impl State {
    /// Gives up the oldest rounds beyond the bound, but none that may have arrived.
    fn bound(&mut self) -> u64 {
        let oldest = usize::from(self.offered);
        let mut given_up = 0;
        while self.unsent.len() > UNSENT_KEPT
            && let Some(round) = self.unsent.remove(oldest)
        {
            self.missing += gaps::lost_with(&round);
            given_up += 1;
        }
        given_up
    }

    /// The oldest round, to be offered to the log now. It reports those that are lost, unless it was offered already or has a
    /// gap of its own: the log must never hold two versions of a round.
    fn offer(&mut self, interval: Duration) -> Option<&Round> {
        let round = self.unsent.front_mut()?;
        if !self.offered && round.gap.is_none() {
            round.gap = gaps::dropped(self.missing, interval);
            self.missing = 0;
        }
        self.offered = true;
        Some(round)
    }

    /// The oldest round is settled, one way or the other.
    fn settle(&mut self) {
        self.offered = false;
        self.unsent.pop_front();
    }
}

impl Handler {
    /// A producer that makes `rounds` rounds an invocation.
    #[must_use]
    pub fn new(
        vantage: Vantage,
        rounds: u64,
        log: Arc<dyn EventLog>,
        clocks: fn() -> Clocks,
        sockets: Arc<Semaphore>,
    ) -> Self {
        let epoch = clocks().wall.0.unsigned_abs();
        let instrument = Instrument { vantage: Arc::new(vantage), probers: Arc::new([Arc::new(Tcp)]), clocks, sockets };
        Self { instrument, rounds, log, epoch, state: Mutex::default() }
    }

    /// Measures and appends; the report tells what was done also when not all of it was.
    ///
    /// # Errors
    /// [`LogError`] when not all could be appended: the rest goes first in the next invocation of this environment.
    pub async fn invoke(&self) -> (Report, Result<(), LogError>) {
        targets::resolve_all(&self.instrument.vantage.targets).await;
        let mut state = self.state.lock().await;
        let first = state.next;
        state.next += self.rounds;
        let rounds = self.measure(first).instrument(tracing::info_span!("measure", first)).await;
        let mut report = report(&rounds);
        state.unsent.extend(rounds);
        report.given_up = state.bound();
        if report.given_up > 0 {
            tracing::error!(rounds = report.given_up, "the event log was away for long: rounds are given up");
        }
        let append = self.append(&mut state, &mut report);
        let appended = append.instrument(tracing::info_span!("append")).await;
        report.unsent = state.unsent.len() as u64;
        (report, appended)
    }

    /// Rounds on time, from the number `first` on, in their order.
    async fn measure(&self, first: u64) -> Vec<Round> {
        let (vantage, origin) = (&self.instrument.vantage, Instant::now());
        let mut measuring = JoinSet::new();
        for nth in 0..self.rounds {
            let start = origin + vantage.interval.saturating_mul(u32::try_from(nth).unwrap_or(u32::MAX));
            tokio::time::sleep_until(start).await;
            let id = RoundId { vantage: vantage.id.clone(), epoch: self.epoch, number: first + nth };
            let instrument = self.instrument.clone();
            measuring.spawn(async move { instrument.round(id, start, None).await });
        }
        let mut rounds = measuring.join_all().await;
        rounds.sort_by_key(|round| round.id.number);
        rounds
    }

    /// Appends what waits, the oldest first; stops at the first that the log does not take now. One that it will never take
    /// is dropped, and counted in the gap of the next.
    async fn append(&self, state: &mut State, report: &mut Report) -> Result<(), LogError> {
        let vantage = &self.instrument.vantage;
        while let Some(round) = state.offer(vantage.interval) {
            match self.log.append(vantage.id.as_str(), Bytes::from(event::encode(round))).await {
                Ok(()) => report.appended += 1,
                Err(LogError::Refused(reason)) => {
                    let RoundId { epoch, number, .. } = &round.id;
                    tracing::error!(%reason, epoch, round = number, "a round is dropped: the event log will never take it");
                    let lost = gaps::lost_with(round);
                    state.missing += lost;
                    report.refused += 1;
                }
                Err(error) => return Err(error),
            }
            state.settle();
        }
        Ok(())
    }
}

fn report(rounds: &[Round]) -> Report {
    let outcomes = || rounds.iter().flat_map(|round| &round.samples).map(|sample| sample.outcome);
    let count = |which: fn(Outcome) -> bool| outcomes().filter(|outcome| which(*outcome)).count() as u64;
    Report {
        rounds: rounds.len() as u64,
        sent: count(Outcome::was_sent),
        answered: count(|outcome| outcome == Outcome::Answered),
        lost: count(Outcome::is_loss),
        ..Report::default()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_trait::async_trait;
    use cloudping_model::{Gap, UtcMicros, VantageId};
    use cloudping_ports::{Record, SequenceNumber, Shard, ShardId};
    use cloudping_testkit::MemoryLog;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1);

    /// Never takes the rounds 1 and 2, and cannot be reached at the calls up to `away`.
    struct Picky {
        inner: MemoryLog,
        calls: AtomicU64,
        away: u64,
    }

    impl Picky {
        fn away_for(away: u64) -> Arc<Self> {
            Arc::new(Self { inner: MemoryLog::new(NonZeroUsize::MIN), calls: AtomicU64::new(0), away })
        }

        async fn arrived(&self) -> Vec<(u64, Option<Gap>)> {
            let shard = self.inner.shards().await.unwrap().remove(0).id;
            let records = self.inner.read(&shard, None, 100_000).await.unwrap();
            let rounds = records.iter().map(|record| event::decode(&record.data).unwrap());
            rounds.map(|round| (round.id.number, round.gap)).collect()
        }
    }

    #[async_trait]
    impl EventLog for Picky {
        async fn append(&self, partition_key: &str, data: Bytes) -> Result<(), LogError> {
            if self.calls.fetch_add(1, Ordering::Relaxed) < self.away {
                return Err(LogError::Backend("no route to the log".into()));
            }
            if [1, 2].contains(&event::decode(&data).unwrap().id.number) {
                return Err(LogError::Refused("too large".into()));
            }
            self.inner.append(partition_key, data).await
        }

        async fn shards(&self) -> Result<Vec<Shard>, LogError> {
            self.inner.shards().await
        }

        async fn read(&self, _: &ShardId, _: Option<&SequenceNumber>, _: usize) -> Result<Vec<Record>, LogError> {
            Err(LogError::Backend("a producer reads nothing".into()))
        }
    }

    fn handler(rounds: u64, log: Arc<Picky>) -> Handler {
        let id = VantageId::new("here").unwrap();
        let vantage =
            Vantage { id, source: None, targets: Vec::new(), interval: INTERVAL, spread: None, timeout: INTERVAL };
        let clocks = || Clocks { wall: UtcMicros(1_700_000_000_000_000), monotonic_us: 0, boottime_us: 0 };
        Handler::new(vantage, rounds, log, clocks, Arc::new(Semaphore::new(1)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_that_is_refused_for_good_keeps_none_back_and_is_reported_by_the_next() {
        let log = Picky::away_for(1);
        let handler = handler(3, log.clone());
        let (report, appended) = handler.invoke().await;
        assert!(matches!(appended, Err(LogError::Backend(_))), "{appended:?}");
        assert_eq!((report.appended, report.unsent, report.refused), (0, 3, 0));
        let (report, appended) = handler.invoke().await;
        appended.unwrap();
        assert_eq!((report.appended, report.unsent, report.refused), (4, 0, 2));
        assert_eq!(log.arrived().await, [(0, None), (3, gaps::dropped(2, INTERVAL)), (4, None), (5, None)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_up_is_reported_and_what_may_have_arrived_is_not_given_up() {
        let log = Picky::away_for(1);
        let handler = handler(UNSENT_KEPT as u64, log.clone());
        let (report, _) = handler.invoke().await;
        assert_eq!((report.given_up, report.unsent), (0, 1_000));
        let (report, appended) = handler.invoke().await;
        appended.unwrap();
        assert_eq!((report.given_up, report.refused, report.appended), (1_000, 0, 1_000));
        let arrived = log.arrived().await;
        assert_eq!(arrived[..3], [(0, None), (1_001, gaps::dropped(1_000, INTERVAL)), (1_002, None)]);
    }
}
