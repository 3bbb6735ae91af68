//! One invocation: rounds on time, appended to the event log.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use cloudping_model::{Outcome, Round, RoundId};
use cloudping_ports::{EventLog, LogError};
use cloudping_producers::gaps::Clocks;
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
    unsent: VecDeque<Bytes>,
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
        state.unsent.extend(rounds.iter().map(|round| Bytes::from(event::encode(round))));
        while state.unsent.len() > UNSENT_KEPT {
            state.unsent.pop_front();
            report.given_up += 1;
        }
        if report.given_up > 0 {
            tracing::error!(rounds = report.given_up, "the event log was away for long: rounds are given up");
        }
        let append = self.append(&mut state.unsent, &mut report.appended);
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
            measuring.spawn(async move { instrument.round(id, None).await });
        }
        let mut rounds = measuring.join_all().await;
        rounds.sort_by_key(|round| round.id.number);
        rounds
    }

    /// Appends what waits, the oldest first; stops at the first that the log does not take.
    async fn append(&self, unsent: &mut VecDeque<Bytes>, appended: &mut u64) -> Result<(), LogError> {
        while let Some(round) = unsent.front() {
            self.log.append(self.instrument.vantage.id.as_str(), round.clone()).await?;
            unsent.pop_front();
            *appended += 1;
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
