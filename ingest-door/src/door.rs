//! The way of a request: what costs little is looked at first, and nothing is written before all of it is good.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cloudping_model::{UtcMicros, VantageId};
use cloudping_ports::{EventLog, LiveStore};
use cloudping_schemas::ingest::Fingerprint;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::bucket::TokenBucket;
use crate::counters::{Counters, Tally};
use crate::limits::Limits;
use crate::refusal::{Reason, Refusal};
use crate::registry;
use crate::replay::{self, ReplayError};
use crate::request::{Head, Mark};
use crate::rounds::{self, Signed};

/// Where a door takes the present moment from.
pub type Clock = fn() -> UtcMicros;

/// After how long it is worth while to ask a busy door, or one whose store or log failed, again.
const LATER: Duration = Duration::from_secs(1);
/// A door to an event log. Clones are the same door.
#[derive(Clone)]
pub struct Door {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<dyn EventLog>,
    store: Arc<dyn LiveStore>,
    clock: Clock,
    limits: Limits,
    at_once: Semaphore,
    /// Of each vantage point that has shown a known key: so there are no more than have keys.
    desks: Mutex<HashMap<VantageId, Arc<Desk>>>,
    tally: Tally,
}

/// What a door keeps of a vantage point.
struct Desk {
    bucket: Mutex<TokenBucket>,
    at_once: Arc<Semaphore>,
    /// Its requests are written one at a time, so that their rounds do not mingle.
    turn: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("limits", &self.inner.limits).field("counters", &self.counters()).finish()
    }
}

impl Door {
    /// A door to this log; keys, and which requests were taken, are in this store.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, store: Arc<dyn LiveStore>, clock: Clock, limits: Limits) -> Self {
        let at_once = Semaphore::new(limits.at_once);
        let (desks, tally) = (Mutex::default(), Tally::default());
        Self { inner: Arc::new(Inner { log, store, clock, limits, at_once, desks, tally }) }
    }

    /// What it has done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.inner.tally.counters()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    pub(crate) fn now(&self) -> UtcMicros {
        (self.inner.clock)()
    }

    /// A place among those that are handled at once.
    pub(crate) fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Refusal> {
        let busy = |_| Refusal::new(Reason::Busy, "the door has too much to do: try again").retry_after(LATER);
        self.inner.at_once.try_acquire().map_err(busy)
    }

    /// Counts a refusal and tells the log of it.
    pub(crate) fn refuse(&self, refusal: Refusal, vantage: Option<&VantageId>) -> Refusal {
        self.inner.tally.refused(refusal.reason);
        let vantage = vantage.map(VantageId::as_str);
        tracing::warn!(reason = refusal.reason.name(), vantage, "request refused: {}", refusal.detail());
        refusal
    }

    /// Whether the key is one of the vantage point's.
    pub(crate) async fn check_key(&self, vantage: &VantageId, fingerprint: Fingerprint) -> Result<(), Refusal> {
        let keys = registry::keys_of(&*self.inner.store, vantage).await.map_err(|error| store(&error))?;
        let known = keys.keys.iter().find(|key| key.fingerprint == fingerprint);
        match known.map(|key| key.revoked_at) {
            None => Err(Refusal::unauthorized(Reason::UnknownKey)),
            Some(Some(_)) => Err(Refusal::unauthorized(Reason::RevokedKey)),
            Some(None) => Ok(()),
        }
    }

    /// A place among those of a vantage point whose key is known, before its body is read: who sends slowly holds up nobody else.
    pub(crate) fn place_of(&self, vantage: &VantageId) -> Result<OwnedSemaphorePermit, Refusal> {
        let busy =
            |_| Refusal::new(Reason::TooMany, "too many requests of the vantage point at once").retry_after(LATER);
        Arc::clone(&self.inner.desk(vantage, self.now()).at_once).try_acquire_owned().map_err(busy)
    }

    /// Takes a request whose key is known; gives how many rounds were appended.
    pub(crate) async fn take(&self, head: &Head, body: Bytes) -> Result<usize, Refusal> {
        let mark = head.verify(&body)?;
        let (inner, now) = (&*self.inner, self.now());
        let rounds = rounds::check(&body, &Signed { vantage: &head.vantage, now }, &inner.limits)?;
        let desk = inner.desk(&head.vantage, now);
        let price = price(rounds.len(), body.len()).min(inner.limits.most());
        desk.admit(price, now)?;
        let _turn = desk.turn.lock().await;
        if let Err(refusal) = inner.note(head, mark, now).await {
            // What somebody overheard and sends again must not use up what the vantage point may send.
            desk.give_back(price);
            return Err(refusal);
        }
        let appended = inner.append(&head.vantage, rounds).await?;
        inner.tally.request();
        Ok(appended)
    }
}

impl Inner {
    fn desk(&self, vantage: &VantageId, now: UtcMicros) -> Arc<Desk> {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = &self.limits;
        let most = limits.most();
        let desk = || Desk {
            bucket: Mutex::new(TokenBucket::new(limits.rounds_per_second, most, now)),
            at_once: Arc::new(Semaphore::new(limits.at_once_per_vantage)),
            turn: tokio::sync::Mutex::default(),
        };
        Arc::clone(desks.entry(vantage.clone()).or_insert_with(|| Arc::new(desk())))
    }

    async fn note(&self, head: &Head, mark: Mark, now: UtcMicros) -> Result<(), Refusal> {
        let request = replay::Request { vantage: &head.vantage, time: head.time, mark };
        let noted = replay::take(&*self.store, &request, now, self.limits.requests_per_minute).await;
        noted.map_err(|error| match error {
            ReplayError::Replayed => Refusal::new(Reason::Replayed, error.to_string()),
            ReplayError::TooMany(_, wait) => Refusal::new(Reason::TooMany, error.to_string()).retry_after(wait),
            ReplayError::Busy => Refusal::new(Reason::Busy, error.to_string()).retry_after(LATER),
            ReplayError::Store(_) | ReplayError::Commit(_) | ReplayError::Broken(_) => store(&error),
        })
    }

    /// Hands the rounds over in their order, without waiting for one before the next: a log writes many at once. Where it fails, some that
    /// follow may be in it all the same.
    async fn append(&self, vantage: &VantageId, rounds: Vec<Bytes>) -> Result<usize, Refusal> {
        let count = rounds.len();
        let append = |round| self.log.append(vantage.as_str(), round);
        let mut appends: FuturesOrdered<_> = rounds.into_iter().map(append).collect();
        let (mut accepted, mut failed) = (0, None);
        while let Some(appended) = appends.next().await {
            match appended {
                Ok(()) => accepted += 1,
                Err(error) => failed = Some(error),
            }
        }
        self.tally.rounds(accepted);
        let Some(error) = failed else { return Ok(count) };
        tracing::error!(%error, %vantage, rounds = count - accepted, "rounds could not be appended");
        let detail = format!("the event log took {accepted} of {count} rounds: send all again, signed anew");
        Err(Refusal::new(Reason::Log, detail).accepted(accepted).retry_after(LATER))
    }
}

impl Desk {
    fn give_back(&self, price: u64) {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).give_back(price);
    }

    fn admit(&self, price: u64, now: UtcMicros) -> Result<(), Refusal> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(now, price).map_err(|wait| {
            let detail = "the vantage point sends more rounds than the door takes of one";
            Refusal::new(Reason::TooMany, detail).retry_after(wait)
        })
    }
}

/// What a request takes of the rate: a token a round, and for large ones a token for each 4 KiB, since a log has bytes to give as well.
fn price(rounds: usize, bytes: usize) -> u64 {
    rounds.max(bytes.div_ceil(4096)) as u64
}

/// The sender cannot put it right; what is wrong goes to the log.
fn store(error: &dyn fmt::Display) -> Refusal {
    tracing::error!("{error}");
    Refusal::new(Reason::Store, "the live store failed: try again in a moment").retry_after(LATER)
}
