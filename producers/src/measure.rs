//! One round of probes: every target that is due, each probe on time whatever becomes of the others.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cloudping_model::{Family, Gap, Outcome, Protocol, Round, RoundId, Sample, VantageId};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::gaps::{self, Clocks};
use crate::probers::{self, Prober, Reading, Request};
use crate::schedule::{self, Departure, Rate};
use crate::targets::Target;
use crate::timer::Timer;

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
    /// In which time a round's probes leave, where they shall not take the whole interval: a function is paid for while it waits.
    pub spread: Option<Duration>,
    /// How long a probe may wait for its answer, unless its target says otherwise; may be longer than the interval.
    pub timeout: Duration,
}

/// What a vantage point measures with.
#[derive(Clone)]
pub struct Instrument {
    /// Who measures what.
    pub vantage: Arc<Vantage>,
    /// One of each kind of probe that the targets ask for.
    pub probers: Arc<[Arc<dyn Prober>]>,
    /// The machine's clocks; [`gaps::now`] but in tests.
    pub clocks: fn() -> Clocks,
    /// Permits for open sockets, see [`crate::sockets::permits`].
    pub sockets: Arc<Semaphore>,
}

/// One of each kind of probe.
#[must_use]
pub fn every_kind() -> Arc<[Arc<dyn Prober>]> {
    Arc::new(Protocol::ALL.map(probers::of))
}

impl Instrument {
    /// Makes one round and takes as long as its slowest probe. `due` is when it should have started; `gap` says what is missing before it.
    ///
    /// When the machine is suspended meanwhile, the probes under way are not sent and the rest is not made: their times
    /// would be of the sleep and not of the network.
    pub async fn round(&self, id: RoundId, due: Instant, gap: Option<Gap>) -> Round {
        let (start, origin) = ((self.clocks)(), Instant::now());
        let begin = origin - schedule::made_up_for(origin.saturating_duration_since(due), self.vantage.interval);
        let rates: Vec<Rate> = self.vantage.targets.iter().map(|target| target.plan().rate).collect();
        let (mut probes, mut timer) = (JoinSet::new(), Timer::new());
        for Departure { offset, target } in schedule::departures(&rates, id.number, self.vantage.interval) {
            let offset = schedule::within(offset, self.vantage.spread, self.vantage.interval);
            timer.sleep_until(begin + offset).await;
            if gaps::suspended_us(&start, &(self.clocks)()).is_some() {
                break;
            }
            for nth in 0..self.vantage.targets[target].plan().burst.get() {
                let leaves = begin + offset + schedule::BURST_SPACING * nth;
                probes.spawn(self.clone().probe(target, origin, leaves));
            }
        }
        let mut samples = probes.join_all().await;
        samples.sort_by_key(|sample| sample.offset_us);
        Round { id, started_at: start.wall, gap, samples }
    }

    async fn probe(self, target: usize, origin: Instant, leaves: Instant) -> Sample {
        tokio::time::sleep_until(leaves).await;
        let target = &self.vantage.targets[target];
        let (plan, address) = (target.plan(), target.address());
        let prober = self.probers.iter().find(|prober| prober.protocol() == plan.protocol);
        let (before, sent_after) = ((self.clocks)(), origin.elapsed());
        let mut reading = match (address, self.sockets.try_acquire(), prober) {
            (None, ..) => Reading::failed(Outcome::DnsFailure),
            (Some(address), Ok(_permit), Some(prober)) => {
                let timeout = plan.timeout.unwrap_or(self.vantage.timeout);
                let request = Request { address, host: target.host(), source: self.vantage.source, timeout };
                prober.probe(&request).await
            }
            (Some(_), ..) => Reading::failed(Outcome::NotSent),
        };
        if gaps::suspended_us(&before, &(self.clocks)()).is_some() {
            reading = Reading::failed(Outcome::NotSent);
        }
        Sample {
            target: target.id().clone(),
            offset_us: u32::try_from(sent_after.as_micros()).unwrap_or(u32::MAX),
            protocol: plan.protocol,
            outcome: reading.outcome,
            rtt_us: reading.rtt_us,
            connect_us: reading.connect_us,
            retransmits: reading.retransmits,
            family: address.map_or(Family::V4, |address| Family::of(address.ip())),
            address: address.map(|address| address.ip()),
        }
    }
}
