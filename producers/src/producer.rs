//! One vantage point: rounds of probes on an open-loop schedule, appended to the event log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, UtcMicros, VantageId};
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::schedule;
use crate::targets::Target;
use crate::tcp::{self, Reading};

/// Rounds that wait for the log. Beyond it new rounds are given up, and that is logged.
const QUEUE: usize = 1_000;
/// First and longest pause before a failed append is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Where and how a vantage point measures.
#[derive(Debug, Clone)]
pub struct Vantage {
    /// Its id.
    pub id: VantageId,
    /// The address to probe from; `None` leaves the choice to the kernel.
    pub source: Option<IpAddr>,
    /// What to probe.
    pub targets: Vec<Target>,
    /// From the start of one round to the start of the next. Below ten minutes: a longer round is no event.
    pub interval: Duration,
    /// How long a probe may wait for its answer; may be longer than the interval.
    pub timeout: Duration,
}

/// What a producer is given by its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// Where rounds go.
    pub log: Arc<dyn EventLog>,
    /// The wall clock.
    pub clock: fn() -> UtcMicros,
    /// Permits for open sockets, see [`crate::sockets::permits`].
    pub sockets: Arc<Semaphore>,
    /// Turns true when the producer shall stop.
    pub shutdown: watch::Receiver<bool>,
}

/// Measures until shutdown; then the rounds under way are finished and appended.
///
/// The epoch is the wall clock at the start: greater than that of every earlier start as long as the clock is not set back.
pub async fn run(vantage: Vantage, surroundings: Surroundings) {
    let Surroundings { log, clock, sockets, mut shutdown } = surroundings;
    let (vantage, epoch) = (Arc::new(vantage), clock().0.unsigned_abs());
    let (finished, queue) = mpsc::channel(QUEUE);
    let appender = tokio::spawn(append_all(log, Arc::clone(&vantage), queue, shutdown.clone()));
    let (origin, phase) = (Instant::now(), fastrand::f64());
    let mut rounds = JoinSet::new();
    for number in 0_u64.. {
        let start = origin + schedule::round_start(number, vantage.interval, phase);
        tokio::select! {
            () = tokio::time::sleep_until(start) => {}
            _ = shutdown.wait_for(|stop| *stop) => break,
        }
        let id = RoundId { vantage: vantage.id.clone(), epoch, number };
        let round = measure(Arc::clone(&vantage), id, clock, Arc::clone(&sockets));
        let finished = finished.clone();
        rounds.spawn(async move {
            let round = round.await;
            if finished.try_send(round).is_err() {
                tracing::error!("the event log does not keep up: a round is given up");
            }
        });
        while rounds.try_join_next().is_some() {}
    }
    rounds.join_all().await;
    drop(finished);
    if let Err(error) = appender.await {
        tracing::error!(%error, "the task that appends rounds failed");
    }
}

/// Makes one round: every target once, each probe on time whatever becomes of the others.
async fn measure(vantage: Arc<Vantage>, id: RoundId, clock: fn() -> UtcMicros, sockets: Arc<Semaphore>) -> Round {
    let (started_at, origin) = (clock(), Instant::now());
    let slots = vantage.targets.len();
    let mut order: Vec<usize> = (0..slots).collect();
    fastrand::shuffle(&mut order);
    let mut probes = JoinSet::new();
    for (slot, target) in order.into_iter().enumerate() {
        let offset = schedule::probe_offset(slot, slots, vantage.interval, fastrand::f64());
        let probe = probe(Arc::clone(&vantage), target, origin, offset, Arc::clone(&sockets));
        probes.spawn(probe);
    }
    let mut samples = probes.join_all().await;
    samples.sort_by_key(|sample| sample.offset_us);
    Round { id, started_at, samples }
}

async fn probe(
    vantage: Arc<Vantage>,
    target: usize,
    origin: Instant,
    offset: Duration,
    sockets: Arc<Semaphore>,
) -> Sample {
    tokio::time::sleep_until(origin + offset).await;
    let target = &vantage.targets[target];
    let address = target.address();
    let sent_after = origin.elapsed();
    let reading = match (address, sockets.try_acquire()) {
        (None, _) => Reading::failed(Outcome::DnsFailure),
        (Some(_), Err(_)) => Reading::failed(Outcome::NotSent),
        (Some(address), Ok(_permit)) => tcp::connect(address, vantage.source, vantage.timeout).await,
    };
    Sample {
        target: target.id().clone(),
        offset_us: u32::try_from(sent_after.as_micros()).unwrap_or(u32::MAX),
        protocol: Protocol::TcpConnect,
        outcome: reading.outcome,
        rtt_us: reading.rtt_us,
        connect_us: reading.connect_us,
        retransmits: reading.retransmits,
        family: address.map_or(Family::V4, |address| Family::of(address.ip())),
        address: address.map(|address| address.ip()),
    }
}

/// Appends rounds in the order in which they were finished; each until the log has it.
async fn append_all(
    log: Arc<dyn EventLog>,
    vantage: Arc<Vantage>,
    mut queue: mpsc::Receiver<Round>,
    shutdown: watch::Receiver<bool>,
) {
    while let Some(round) = queue.recv().await {
        let data = Bytes::from(event::encode(&round));
        let mut pause = RETRY.0;
        while let Err(error) = log.append(vantage.id.as_str(), data.clone()).await {
            if *shutdown.borrow() && pause >= RETRY.1 {
                tracing::error!(%error, round = round.id.number, "a round could not be appended before the end");
                break;
            }
            tracing::warn!(%error, "round not appended, trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }
}
