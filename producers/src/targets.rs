//! What to probe. Names are resolved beside the measurement, never inside it.
//!
//! A name is looked up again when the TTL of its answer is over, so an address is followed as fast as its owner wants it to be.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use cloudping_model::{Family, Protocol, TargetId};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::names::{Ended, Names, Source, next_lookup};
use crate::schedule::Rate;

/// Look-ups at the same time: many resolvers drop what comes in greater bursts.
const LOOKUPS: usize = 32;

/// Why a text names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("target {text:?}: expected HOST:PORT, such as example.com:443 or [2001:db8::1]:443")]
pub struct EndpointError {
    /// The text.
    pub text: String,
}

/// A name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Endpoint {
    /// Reads `host:port`, `host` (port 443), `1.2.3.4:port`, `[v6]:port` or a bare address.
    ///
    /// # Errors
    /// [`EndpointError`] when the text is none of these.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError { text: text.to_owned() };
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::fixed(address)).and_then(|it| if it.port == 0 { Err(wrong()) } else { Ok(it) });
        }
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self { host: text.to_owned(), port: 443 });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (text, 443),
        };
        let named = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if port == 0 || host.is_empty() || host.len() > 253 || !host.chars().all(named) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// The endpoint of an address.
    #[must_use]
    pub fn fixed(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

/// How a target is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetPlan {
    /// With which kind of probe.
    pub protocol: Protocol,
    /// How often.
    pub rate: Rate,
    /// How many probes each time, [`crate::schedule::BURST_SPACING`] apart.
    pub burst: NonZeroU32,
    /// How long a probe may wait for its answer; `None` leaves it to the vantage point.
    pub timeout: Option<Duration>,
}

impl Default for TargetPlan {
    /// One TCP probe a round.
    fn default() -> Self {
        Self { protocol: Protocol::TcpConnect, rate: Rate::EveryRound, burst: NonZeroU32::MIN, timeout: None }
    }
}

/// A target and the address that its name has now.
#[derive(Debug, Clone)]
pub struct Target {
    id: TargetId,
    endpoint: Endpoint,
    host: Arc<str>,
    plan: TargetPlan,
    resolved: Arc<Resolved>,
}

/// What is known of a name, for all clones of its target.
#[derive(Debug)]
struct Resolved {
    address: RwLock<Option<IpAddr>>,
    changes: AtomicU64,
    upkeep: Mutex<Upkeep>,
}

/// When a name is to be looked up again.
#[derive(Debug, Clone, Copy, Default)]
struct Upkeep {
    /// `None` before the first look-up.
    due: Option<Instant>,
    failures_in_a_row: u32,
}

impl Target {
    /// A target. An endpoint that holds an address needs no resolving; a name has no address before [`Target::resolve`].
    #[must_use]
    pub fn new(id: TargetId, endpoint: Endpoint) -> Self {
        let address = RwLock::new(endpoint.host.parse().ok());
        let resolved = Resolved { address, changes: AtomicU64::new(0), upkeep: Mutex::default() };
        let host = endpoint.host.as_str().into();
        Self { id, host, endpoint, plan: TargetPlan::default(), resolved: Arc::new(resolved) }
    }

    /// The target, probed as planned.
    #[must_use]
    pub fn planned(self, plan: TargetPlan) -> Self {
        Self { plan, ..self }
    }

    /// How it is probed.
    #[must_use]
    pub fn plan(&self) -> &TargetPlan {
        &self.plan
    }

    /// Its name or address, as the user gave it.
    #[must_use]
    pub fn host(&self) -> Arc<str> {
        Arc::clone(&self.host)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.endpoint.port
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &TargetId {
        &self.id
    }

    /// The address to probe, if the name has one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        let address = *self.resolved.address.read().unwrap_or_else(PoisonError::into_inner);
        address.map(|ip| SocketAddr::new(ip, self.endpoint.port))
    }

    fn is_named(&self) -> bool {
        self.endpoint.host.parse::<IpAddr>().is_err()
    }

    /// Looks the name up once. When that fails the last address stays.
    ///
    /// Prefers the address in use, so that a rotating answer does not change the path that is measured; then IPv4.
    pub async fn resolve(&self) {
        if self.is_named() {
            self.look_up(&Names::default().source(Instant::now()).await).await;
        }
    }

    async fn look_up(&self, source: &Source) {
        let host = self.endpoint.host.as_str();
        let ended = match source.look_up(host).await {
            Ok(answer) => {
                self.settle(&answer.addresses);
                Ended::Found { ttl: answer.ttl }
            }
            Err(error) => {
                tracing::debug!(host, %error, "name not resolved");
                Ended::Failed { in_a_row: self.upkeep().failures_in_a_row.saturating_add(1) }
            }
        };
        let failures_in_a_row = match ended {
            Ended::Found { .. } => 0,
            Ended::Failed { in_a_row } => in_a_row,
        };
        let due = Some(next_lookup(ended, Instant::now()));
        *self.resolved.upkeep.lock().unwrap_or_else(PoisonError::into_inner) = Upkeep { due, failures_in_a_row };
    }

    fn upkeep(&self) -> Upkeep {
        *self.resolved.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where the target is now, for one whose address is no name's to know: a simulated network's.
    pub fn place_at(&self, address: IpAddr) {
        if self.address().is_none_or(|known| known.ip() != address) {
            self.settle(&[address]);
        }
    }

    /// Takes what a look-up found.
    fn settle(&self, found: &[IpAddr]) {
        let mut address = self.resolved.address.write().unwrap_or_else(PoisonError::into_inner);
        let chosen = choose(*address, found);
        if *address != chosen && address.is_some() {
            let changes = self.resolved.changes.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::info!(host = %self.host, from = ?*address, to = ?chosen, changes, "address changed");
        }
        *address = chosen;
    }

    /// How often the name has got another address since the start.
    #[must_use]
    pub fn address_changes(&self) -> u64 {
        self.resolved.changes.load(Ordering::Relaxed)
    }
}

fn choose(current: Option<IpAddr>, found: &[IpAddr]) -> Option<IpAddr> {
    let v4 = found.iter().find(|ip| Family::of(**ip) == Family::V4);
    let kept = current.filter(|ip| found.contains(ip));
    kept.or(v4.copied()).or(found.first().copied()).or(current)
}

/// Looks every name up whenever its last answer is over, at once if it has had none, until `shutdown` turns true.
pub async fn keep_resolved(targets: Vec<Target>, shutdown: watch::Receiver<bool>) {
    keep_resolved_from(Names::default(), targets, shutdown).await;
}

async fn keep_resolved_from(names: Names, targets: Vec<Target>, mut shutdown: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(LOOKUPS));
    // Dropped with this future, which ends every task.
    let mut upkeep = JoinSet::new();
    for target in targets.into_iter().filter(Target::is_named) {
        let (names, places) = (names.clone(), Arc::clone(&places));
        upkeep.spawn(async move {
            loop {
                if let Some(due) = target.upkeep().due {
                    tokio::time::sleep_until(due.into()).await;
                }
                look_up_in_turn(&target, &names, &places).await;
            }
        });
    }
    // An error means that nobody is left to tell.
    let _told = shutdown.wait_for(|stop| *stop).await;
}

/// Resolves every name once, some side by side.
pub async fn resolve_all(targets: &[Target]) {
    let (names, places) = (Names::default(), Arc::new(Semaphore::new(LOOKUPS)));
    let mut lookups = JoinSet::new();
    for target in targets.iter().filter(|target| target.is_named()) {
        let (target, names, places) = (target.clone(), names.clone(), Arc::clone(&places));
        lookups.spawn(async move { look_up_in_turn(&target, &names, &places).await });
    }
    lookups.join_all().await;
}

async fn look_up_in_turn(target: &Target, names: &Names, places: &Semaphore) {
    // The semaphore is never closed, so there always is a permit to wait for.
    let _place = places.acquire().await;
    let source = names.source(Instant::now()).await;
    target.look_up(&source).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::Server;

    #[test]
    fn endpoints_are_read_or_named_in_the_error() {
        let parsed = |text| Endpoint::parse(text).map(|it| (it.host, it.port));
        assert_eq!(parsed("example.com:8443"), Ok(("example.com".into(), 8443)));
        assert_eq!(parsed("example.com"), Ok(("example.com".into(), 443)));
        assert_eq!(parsed("192.0.2.1"), Ok(("192.0.2.1".into(), 443)));
        assert_eq!(parsed("[2001:db8::1]:80"), Ok(("2001:db8::1".into(), 80)));
        assert_eq!(parsed("2001:db8::1"), Ok(("2001:db8::1".into(), 443)));
        for bad in ["", ":443", "host:", "host:0", "host:70000", "a b:1", "http://x", "1.2.3.4:0"] {
            assert_eq!(parsed(bad).unwrap_err().text, bad);
        }
    }

    #[test]
    fn an_address_in_use_is_kept_while_the_name_still_has_it() {
        let [a, b]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(choose(None, &[v6, a, b]), Some(a));
        assert_eq!(choose(Some(b), &[a, b]), Some(b));
        assert_eq!(choose(Some(b), &[a]), Some(a));
        assert_eq!(choose(None, &[v6]), Some(v6));
        assert_eq!(choose(Some(a), &[]), Some(a));
    }

    #[test]
    fn every_change_of_an_address_is_counted_for_all_who_share_the_target() {
        let target = Target::new(TargetId::new("shop").unwrap(), Endpoint::parse("shop.example:443").unwrap());
        let shared = target.clone();
        let [a, b]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        for (found, address, changes) in
            [(vec![a], a, 0), (vec![b, a], a, 0), (vec![b], b, 1), (vec![], b, 1), (vec![a], a, 2)]
        {
            target.settle(&found);
            assert_eq!(shared.address(), Some(SocketAddr::new(address, 443)));
            assert_eq!(shared.address_changes(), changes);
        }
        shared.place_at(a);
        assert_eq!(target.address_changes(), 2);
        shared.place_at(b);
        assert_eq!((target.address().map(|at| at.ip()), target.address_changes()), (Some(b), 3));
    }

    async fn until(what: &str, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap_or_else(|_| panic!("never {what}"));
    }

    #[tokio::test]
    async fn an_address_is_followed_when_its_ttl_ends_and_kept_while_the_server_fails() {
        let server = Server::start(Some(([192, 0, 2, 1].into(), 1))).await;
        let target = Target::new(TargetId::new("shop").unwrap(), Endpoint::parse("shop.example:443").unwrap());
        let fixed = Target::new(TargetId::new("fixed").unwrap(), Endpoint::parse("192.0.2.9:443").unwrap());
        let (stop, stopped) = watch::channel(false);
        let keeping =
            tokio::spawn(keep_resolved_from(server.names(), vec![target.clone(), fixed.clone()], stopped.clone()));
        let at = |last: u8| Some(SocketAddr::from(([192, 0, 2, last], 443)));

        until("the first address", || target.address() == at(1)).await;
        *server.record.lock().unwrap() = Some(([192, 0, 2, 2].into(), 1));
        until("the second address", || target.address() == at(2)).await;
        assert_eq!(target.address_changes(), 1);
        *server.record.lock().unwrap() = None;
        until("a failure", || target.upkeep().failures_in_a_row == 1).await;
        assert_eq!((target.address(), target.address_changes()), (at(2), 1));

        let asked = server.asked.lock().unwrap().clone();
        let waits: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // A TTL of a second is asked for again after 5 s, the soonest; how late beyond that is up to the machine's load.
        assert!(waits.len() == 2 && waits.iter().all(|wait| (5..30).contains(&wait.as_secs())), "{waits:?}");
        assert_eq!((fixed.address(), fixed.upkeep().due), (at(9), None));
        stop.send(true).unwrap();
        keeping.await.unwrap();
    }

    #[tokio::test]
    async fn a_name_without_an_address_has_none() {
        let target = Target::new(TargetId::new("nowhere").unwrap(), Endpoint::parse("nowhere.invalid:443").unwrap());
        target.resolve().await;
        assert_eq!(target.address(), None);
        let local = Target::new(TargetId::new("local").unwrap(), Endpoint::parse("localhost:80").unwrap());
        local.resolve().await;
        assert_eq!(local.address(), Some(([127, 0, 0, 1], 80).into()));
    }
}
