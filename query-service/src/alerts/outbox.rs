//! Delivers the notices that wait in the live store: each at least once, those of one rule to one destination in their order.
//!
//! An attempt is claimed by a conditional write that puts the next one off, so that two services on one store do not both make it; a notice is
//! deleted once it was taken. So a crash between the two repeats a notice, under the same id, and never loses one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloudping_model::UtcMicros;
use cloudping_ports::{Change, Expect, Item, Key, LiveStore, Message, Notifier, Secret, StoreError, Write};
use cloudping_schemas::stored::{NoticeItem, keys};
use tokio::task::JoinSet;

use super::rule::place;

/// Attempts for one destination at a time; a slow one holds up its own notices only.
const AT_ONCE: usize = 4;
/// An attempt that has no outcome by then has failed.
const LIMIT: Duration = Duration::from_secs(15);
/// When an attempt of which nothing more is heard is repeated, µs.
const LEASE_US: i64 = 30_000_000;
const LONGEST_PAUSE_S: i64 = 300;
/// After a day nobody wants to know any more, µs.
const GIVE_UP_US: i64 = 86_400_000_000;
/// How often an outbox that was empty is looked into, µs: another service may have left something.
const LOOK_EVERY_US: i64 = 10_000_000;

/// Pause after the n-th attempt has failed, µs.
fn pause_us(attempts: u32) -> i64 {
    (1_i64 << attempts.saturating_sub(1).min(16)).min(LONGEST_PAUSE_S) * 1_000_000
}

/// The deliveries of one service.
pub(crate) struct Outbox {
    store: Arc<dyn LiveStore>,
    notifiers: Vec<Arc<dyn Notifier>>,
    clock: fn() -> UtcMicros,
    secrets: HashMap<String, Secret>,
    running: JoinSet<Lane>,
    lanes: HashSet<Lane>,
    /// When it was found empty.
    empty_at: Option<UtcMicros>,
    waiting: Arc<AtomicU64>,
}

/// Destination and rule: within a lane order is kept.
type Lane = (String, String);

impl Outbox {
    pub(crate) fn new(
        store: Arc<dyn LiveStore>,
        notifiers: Vec<Arc<dyn Notifier>>,
        clock: fn() -> UtcMicros,
        waiting: Arc<AtomicU64>,
    ) -> Self {
        let (running, lanes, secrets) = (JoinSet::new(), HashSet::new(), HashMap::new());
        Self { store, notifiers, clock, secrets, running, lanes, empty_at: None, waiting }
    }

    /// The secrets that notices are signed with, by the environment variables that they stand in.
    pub(crate) fn set_secrets(&mut self, secrets: HashMap<String, Secret>) {
        self.secrets = secrets;
    }

    /// Something was put into it.
    pub(crate) fn wake(&mut self) {
        self.empty_at = None;
    }

    /// Starts what is due.
    ///
    /// # Errors
    /// [`StoreError`] when the outbox cannot be read.
    pub(crate) async fn pass(&mut self, now: UtcMicros) -> Result<(), StoreError> {
        while let Some(ended) = self.running.try_join_next() {
            match ended {
                Ok(lane) => _ = self.lanes.remove(&lane),
                Err(error) => tracing::error!(%error, "a notice's delivery ended in a panic"),
            }
        }
        if self.running.is_empty() {
            self.lanes.clear();
        }
        if self.empty_at.is_some_and(|at| (now - at.0).0 < LOOK_EVERY_US) {
            return Ok(());
        }
        let items = self.store.list(keys::NOTICES, keys::ALL).await?;
        self.waiting.store(items.len() as u64, Ordering::Relaxed);
        self.empty_at = items.is_empty().then_some(now);
        let mut held = self.lanes.clone();
        for (key, item) in items {
            self.consider(&key, &item, &mut held, now).await;
        }
        Ok(())
    }

    async fn consider(&mut self, key: &Key, item: &Item, held: &mut HashSet<Lane>, now: UtcMicros) {
        let notice = match NoticeItem::decode(&item.value) {
            Ok(notice) => notice,
            Err(error) => {
                tracing::error!(%error, "a notice cannot be read and is dropped");
                self.settle(key, item.version, Change::Delete).await;
                return;
            }
        };
        let lane = (notice.to.clone(), notice.rule.clone());
        let busy = self.lanes.iter().filter(|(to, _)| *to == notice.to).count();
        if held.contains(&lane) || busy >= AT_ONCE {
            return;
        }
        if now.0 - notice.made_at_us > GIVE_UP_US {
            let (id, to) = (&notice.id, place(&notice.to));
            tracing::error!(
                id,
                to,
                attempts = notice.attempts,
                "a notice was taken by nobody for a day and is dropped"
            );
            self.settle(key, item.version, Change::Delete).await;
            return;
        }
        held.insert(lane.clone());
        if notice.next_at_us <= now.0 {
            self.attempt(key, item.version, notice, lane, now).await;
        }
    }

    async fn attempt(&mut self, key: &Key, version: u64, mut notice: NoticeItem, lane: Lane, now: UtcMicros) {
        notice.attempts += 1;
        notice.next_at_us = now.0 + LEASE_US;
        if !self.settle(key, version, Change::Put(notice.encode().into())).await {
            // Another service makes the attempt.
            return;
        }
        let message = Message {
            to: notice.to.clone(),
            id: notice.id.clone(),
            subject: notice.subject.clone(),
            body: notice.body.clone().into_bytes().into(),
            secret: notice.secret_env.as_ref().and_then(|name| self.secrets.get(name).cloned()),
            sent_at: now.0.div_euclid(1_000_000),
        };
        // Unsigned it would be taken for a forgery.
        let unsigned = notice.secret_env.is_some() && message.secret.is_none();
        let notifier = self.notifiers.iter().find(|notifier| notifier.takes(&notice.to)).cloned();
        let (store, clock, key) = (Arc::clone(&self.store), self.clock, key.clone());
        self.lanes.insert(lane.clone());
        self.running.spawn(async move {
            let told = match notifier {
                Some(notifier) if !unsigned => tokio::time::timeout(LIMIT, notifier.notify(&message)).await,
                Some(_) => Ok(Err(cloudping_ports::NotifyError("its secret is not known here".to_owned()))),
                None => Ok(Err(cloudping_ports::NotifyError("nobody can be told there".to_owned()))),
            };
            let fault = match told {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("it did not answer within {} s", LIMIT.as_secs())),
            };
            let change = match fault {
                None => Change::Delete,
                Some(error) => {
                    let (id, to, attempts) = (&notice.id, place(&notice.to), notice.attempts);
                    tracing::warn!(id, to, attempts, %error, "a notice was not taken and is tried again");
                    notice.next_at_us = clock().0 + pause_us(attempts);
                    Change::Put(notice.encode().into())
                }
            };
            commit(store.as_ref(), &key, version + 1, change).await;
            lane
        });
    }

    async fn settle(&self, key: &Key, version: u64, change: Change) -> bool {
        commit(self.store.as_ref(), key, version, change).await
    }
}

/// Whether it was done. What was not is looked at again at the next pass.
async fn commit(store: &dyn LiveStore, key: &Key, version: u64, change: Change) -> bool {
    let write = Write { key: key.clone(), expect: Expect::Version(version), change };
    match store.commit(vec![write]).await {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(%error, "a notice is another's, or the store is away");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_minutes() {
        let seconds = [1, 2, 3, 9, 10, 40, u32::MAX].map(|attempts| pause_us(attempts) / 1_000_000);
        assert_eq!(seconds, [1, 2, 4, 256, 300, 300, 300]);
    }
}
