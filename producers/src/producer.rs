//! One vantage point: rounds of probes on an open-loop schedule, appended to the event log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use cloudping_model::RoundId;
use cloudping_ports::EventLog;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::gaps::{self, Clocks, Pending};
use crate::measure::Instrument;
pub use crate::measure::Vantage;
use crate::outbox::Outbox;
use crate::probers::Prober;
use crate::schedule;
use crate::spool::Spool;
use crate::timer::Timer;

/// What a producer is given by its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// Where rounds go.
    pub log: Arc<dyn EventLog>,
    /// The machine's clocks; [`gaps::now`] but in tests.
    pub clocks: fn() -> Clocks,
    /// One of each kind of probe that the targets ask for.
    pub probers: Arc<[Arc<dyn Prober>]>,
    /// Permits for open sockets, see [`crate::sockets::permits`].
    pub sockets: Arc<Semaphore>,
    /// Turns true when the producer shall stop.
    pub shutdown: watch::Receiver<bool>,
}

/// Measures until shutdown; then the rounds under way are finished and appended.
///
/// With a spool a round that was finished is never lost, however long the log is away and however the process ends; without
/// one rounds wait in memory.
///
/// The epoch is the wall clock at the start: greater than that of every earlier start as long as the clock is not set back.
pub async fn run(vantage: Vantage, surroundings: Surroundings, spool: Option<Spool>) {
    let Surroundings { log, clocks, probers, sockets, mut shutdown } = surroundings;
    let (id, interval) = (vantage.id.clone(), vantage.interval);
    let (outbox, emptying) = Outbox::new(id.clone(), interval, log, spool, shutdown.clone());
    let (outbox, emptying) = (Arc::new(outbox), tokio::spawn(emptying));
    let instrument = Instrument { vantage: Arc::new(vantage), probers, clocks, sockets };
    let (origin, phase) = (Instant::now(), phase());
    let mut before = clocks();
    let epoch = before.wall.0.unsigned_abs();
    let (mut pending, mut rounds, mut slot, mut timer) = (Pending::default(), JoinSet::new(), 0, Timer::new());
    for number in 0_u64.. {
        let start = schedule::round_start(slot, interval, phase);
        tokio::select! {
            () = timer.sleep_until(origin + start) => {}
            _ = shutdown.wait_for(|stop| *stop) => break,
        }
        let (now, missed) = (clocks(), schedule::missed(start, origin.elapsed(), interval));
        pending.extend(gaps::between(&before, &now, interval).chain(gaps::overload(missed, interval)));
        (before, slot) = (now, slot + missed + 1);
        let round = RoundId { vantage: id.clone(), epoch, number };
        let (instrument, outbox, gap) = (instrument.clone(), Arc::clone(&outbox), pending.take());
        rounds.spawn(async move { outbox.put(instrument.round(round, origin + start, gap).await) });
        while rounds.try_join_next().is_some() {}
    }
    rounds.join_all().await;
    drop(outbox);
    if let Err(error) = emptying.await {
        tracing::error!(%error, "the task that appends rounds failed");
    }
}

/// Where in the interval this vantage point's rounds start: far from those of all others in this process, and anywhere with
/// respect to those elsewhere.
fn phase() -> f64 {
    static FIRST: OnceLock<f64> = OnceLock::new();
    static STARTED: AtomicU64 = AtomicU64::new(0);
    schedule::phase(STARTED.fetch_add(1, Ordering::Relaxed), *FIRST.get_or_init(fastrand::f64))
}
