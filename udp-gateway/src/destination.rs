//! A destination: its targets, which of them is next, and how each fares.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloudping_schemas::gateway::Formatter;

use crate::breaker::{Breaker, BreakerPolicy, BreakerState, Pass};
use crate::route::{self, Distances};
use crate::tally::{DestinationTally, TargetTally};
use crate::targets::{Sink, TargetAddress, TargetError};

/// How a destination is told to treat its batches.
#[derive(Debug, Clone, PartialEq)]
pub struct Handling {
    /// How payloads are written.
    pub formatter: Formatter,
    /// How long a target may take for a batch.
    pub timeout: Duration,
    /// Whether a batch that may have been counted is tried again elsewhere, so that it may be counted twice; if not, it is dropped.
    pub retry_unknown: bool,
    /// When a target is left alone.
    pub breaker: BreakerPolicy,
}

/// A destination, shared by all who send to it, change it and look at it.
#[derive(Debug)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// How batches are treated.
    pub handling: Handling,
    /// What was counted.
    pub tally: DestinationTally,
    ingress: String,
    routing: Mutex<Routing>,
}

#[derive(Debug, Default)]
struct Routing {
    /// In the order in which they are tried.
    targets: Vec<Entry>,
    distances: Arc<Distances>,
    /// The number of the next target that is set.
    next: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    region: Arc<str>,
    address: TargetAddress,
    sink: Sink,
    breaker: Breaker,
    tally: Arc<TargetTally>,
    last_failure: Option<String>,
}

/// A target that is to take a batch. What becomes of it must be reported.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Under which region it was set.
    pub region: Arc<str>,
    /// Where it is.
    pub sink: Sink,
    tally: Arc<TargetTally>,
    pass: Pass,
    number: u64,
}

/// A target as it is now.
#[derive(Debug, Clone)]
pub struct TargetView {
    /// Under which region it was set.
    pub region: Arc<str>,
    /// Where it is.
    pub address: TargetAddress,
    /// Whether batches go there.
    pub breaker: BreakerState,
    /// The measured round-trip time to its region, in ms.
    pub rtt_ms: Option<f64>,
    /// What was counted.
    pub tally: Arc<TargetTally>,
    /// Why it failed last.
    pub last_failure: Option<String>,
}

impl Destination {
    /// One without targets.
    #[must_use]
    pub fn new(name: &str, ingress: &str, handling: Handling) -> Self {
        Self {
            name: name.to_owned(),
            handling,
            tally: DestinationTally::default(),
            ingress: ingress.to_owned(),
            routing: Mutex::default(),
        }
    }

    /// Sets the target of a region, in the place of the one it had; that one's batches under way end as they would have.
    pub fn set(&self, region: &str, address: TargetAddress, sink: Sink) {
        let mut routing = self.routing();
        routing.targets.retain(|entry| &*entry.region != region);
        let number = routing.next;
        routing.next += 1;
        routing.targets.push(Entry {
            number,
            region: region.into(),
            address,
            sink,
            breaker: Breaker::new(self.handling.breaker),
            tally: Arc::default(),
            last_failure: None,
        });
        routing.sort(&self.ingress);
    }

    /// Takes the target of a region away; says whether there was one.
    pub fn remove(&self, region: &str) -> bool {
        let mut routing = self.routing();
        let before = routing.targets.len();
        routing.targets.retain(|entry| &*entry.region != region);
        routing.targets.len() < before
    }

    /// Whether a region has a target.
    #[must_use]
    pub fn has(&self, region: &str) -> bool {
        self.routing().targets.iter().any(|entry| &*entry.region == region)
    }

    /// Takes note of how far the regions are.
    pub fn measure(&self, distances: &Arc<Distances>) {
        let mut routing = self.routing();
        routing.distances = Arc::clone(distances);
        routing.sort(&self.ingress);
    }

    /// The first target that is well, other than the one of `but`.
    #[must_use]
    pub fn choose(&self, now: Instant, but: Option<&Chosen>) -> Option<Chosen> {
        let mut routing = self.routing();
        let others = routing.targets.iter_mut().filter(|entry| but.is_none_or(|but| entry.number != but.number));
        for entry in others {
            if let Some(pass) = entry.breaker.pass(now) {
                return Some(Chosen {
                    region: Arc::clone(&entry.region),
                    sink: entry.sink.clone(),
                    tally: Arc::clone(&entry.tally),
                    pass,
                    number: entry.number,
                });
            }
        }
        None
    }

    /// A target took a batch of so many datagrams, with so many replies.
    pub fn took(&self, chosen: &Chosen, packets: usize, replies: usize) {
        self.tally.delivered.add(packets as u64);
        self.tally.batches.add(1);
        chosen.tally.batches.add(1);
        chosen.tally.packets.add(packets as u64);
        chosen.tally.replies.add(replies as u64);
        if let Some(entry) = self.routing().entry(chosen) {
            entry.breaker.succeeded(chosen.pass);
        }
    }

    /// A target was chosen, and nothing was sent to it.
    pub fn unused(&self, chosen: &Chosen, now: Instant) {
        if let Some(entry) = self.routing().entry(chosen) {
            entry.breaker.unused(chosen.pass, now);
        }
    }

    /// A target did not take a batch. Says whether another one may be tried.
    pub fn failed(&self, chosen: &Chosen, error: &TargetError, now: Instant) -> bool {
        chosen.tally.failures.add(1);
        let unknown = matches!(error, TargetError::Unknown(_));
        self.tally.unknown_outcome.add(unknown.into());
        if let Some(entry) = self.routing().entry(chosen) {
            let before = entry.breaker.state(now);
            entry.breaker.failed(chosen.pass, now);
            entry.last_failure = Some(error.to_string());
            if before == BreakerState::Closed && entry.breaker.state(now) == BreakerState::Open {
                tracing::warn!("{}: the target of {} is left alone for now: {error}", self.name, entry.region);
            }
        }
        !unknown || self.handling.retry_unknown
    }

    /// The targets, in the order in which they are tried.
    #[must_use]
    pub fn targets(&self, now: Instant) -> Vec<TargetView> {
        let routing = self.routing();
        let view = |entry: &Entry| TargetView {
            region: Arc::clone(&entry.region),
            address: entry.address.clone(),
            breaker: entry.breaker.state(now),
            rtt_ms: routing.distances.rtt_ms(&entry.region),
            tally: Arc::clone(&entry.tally),
            last_failure: entry.last_failure.clone(),
        };
        routing.targets.iter().map(view).collect()
    }

    fn routing(&self) -> MutexGuard<'_, Routing> {
        // Each change is made whole before anything can panic.
        self.routing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Routing {
    fn sort(&mut self, ingress: &str) {
        let regions = self.targets.iter().map(|entry| &*entry.region);
        let order: Vec<Arc<str>> = route::order(ingress, regions, &self.distances).into_iter().map(Arc::from).collect();
        self.targets.sort_by_key(|entry| order.iter().position(|region| *region == entry.region));
    }

    /// The target that was chosen, if it is still the same.
    fn entry(&mut self, chosen: &Chosen) -> Option<&mut Entry> {
        self.targets.iter_mut().find(|entry| entry.number == chosen.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::counter::PacketCounter;

    fn destination() -> Destination {
        let policy =
            BreakerPolicy { failures: 1, pause: Duration::from_secs(1), longest_pause: Duration::from_secs(9) };
        let handling = Handling {
            formatter: Formatter::default(),
            timeout: Duration::from_secs(1),
            retry_unknown: false,
            breaker: policy,
        };
        Destination::new("d", "here", handling)
    }

    fn set(destination: &Destination, region: &str) {
        let sink = Sink::InProcess(Arc::new(PacketCounter::new(region)));
        destination.set(region, TargetAddress::InProcess("packet-counter".to_owned()), sink);
    }

    fn region(chosen: Option<Chosen>) -> Option<String> {
        chosen.map(|chosen| chosen.region.to_string())
    }

    #[test]
    fn targets_come_and_go() {
        let (destination, now) = (destination(), Instant::now());
        assert_eq!(region(destination.choose(now, None)), None);
        set(&destination, "b");
        set(&destination, "a");
        assert_eq!(region(destination.choose(now, None)).as_deref(), Some("a"));
        set(&destination, "*");
        assert_eq!(region(destination.choose(now, None)).as_deref(), Some("*"));
        set(&destination, "here");
        let first = destination.choose(now, None).unwrap();
        assert_eq!(&*first.region, "here");
        assert_eq!(region(destination.choose(now, Some(&first))).as_deref(), Some("*"));
        assert!(destination.remove("here") && destination.remove("*") && !destination.remove("c"));
        // A report of one that is gone changes nothing.
        assert!(destination.failed(&first, &TargetError::NotTaken("gone".to_owned()), now));
        assert_eq!(region(destination.choose(now, None)).as_deref(), Some("a"));
    }

    #[test]
    fn what_fails_is_passed_over_until_it_heals() {
        let (destination, now) = (destination(), Instant::now());
        set(&destination, "a");
        set(&destination, "b");
        let first = destination.choose(now, None).unwrap();
        assert!(!destination.failed(&first, &TargetError::Unknown("late".to_owned()), now));
        assert_eq!(region(destination.choose(now, None)).as_deref(), Some("b"));
        let later = now + Duration::from_secs(1);
        let trial = destination.choose(later, None).unwrap();
        assert_eq!(&*trial.region, "a");
        assert_eq!(region(destination.choose(later, None)).as_deref(), Some("b"), "one on trial");
        destination.took(&trial, 5, 1);
        assert_eq!(region(destination.choose(later, None)).as_deref(), Some("a"));
        let views = destination.targets(later);
        assert_eq!((views[0].tally.packets.get(), views[0].tally.failures.get()), (5, 1));
        assert_eq!(destination.tally.unknown_outcome.get(), 1);
    }
}
