//! Keeps where every alert stands in the live store, and puts what is to be told beside it in the same commit: what was told is never forgotten,
//! and what is forgotten was never told.
//!
//! Only alerts that are not at rest are stored. Services that share a store all keep them; of two that see the same change the
//! second one's commit conflicts, and it reads anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudping_model::UtcMicros;
use cloudping_ports::{Change, CommitError, Expect, Key, LiveStore, StoreError, Write};
use cloudping_schemas::api::Alert;
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::stored::{AlertPhase, AlertState, keys};

use super::notice::{Told, notices};
use super::reading::{Measured, OfRule, Pair};
use super::rule::Rule;
use super::state::{Reading, is_at_rest, step};
use crate::text::rfc3339;

/// Pairs in one commit: with a notice for each of 16 destinations it stays below the 100 writes of a transaction.
const PAIRS_AT_ONCE: usize = 40;
/// A pair of a pattern that was not measured for so long is no pair any more, µs.
const FORGOTTEN_US: i64 = 7 * 86_400_000_000;

/// A rule, and what was read for its pairs.
pub(crate) type Read<'a> = (&'a Rule, OfRule);
/// Name of a rule, and pair.
type Subject = (String, Pair);

/// An alert as it stands, and the version of its item, if there is one.
#[derive(Debug, Clone, Default)]
struct Kept {
    state: AlertState,
    version: Option<u64>,
}

/// The alerts of a store.
pub(crate) struct Keeper {
    store: Arc<dyn LiveStore>,
    catalogue: Catalogue,
    simulated: bool,
    /// `None` before they were read, and after they may be others than those at hand.
    kept: Option<BTreeMap<Subject, Kept>>,
}

/// What one evaluation changes of one alert.
struct Changed {
    subject: Subject,
    after: AlertState,
    told: Option<Told>,
}

impl Keeper {
    pub(crate) fn new(store: Arc<dyn LiveStore>, catalogue: Catalogue, simulated: bool) -> Self {
        Self { store, catalogue, simulated, kept: None }
    }

    /// Moves every alert on to `now`. Gives whether anything is to be told.
    ///
    /// # Errors
    /// [`StoreError`]; the next evaluation begins with what the store then holds.
    pub(crate) async fn evaluate(&mut self, read: &mut [Read<'_>], now: UtcMicros) -> Result<bool, StoreError> {
        let mut kept = match self.kept.take() {
            Some(kept) => kept,
            None => self.load().await?,
        };
        for gone in supplement(read, &kept, &self.catalogue, now) {
            if !self.forget(&gone, &mut kept).await? {
                return Ok(false);
            }
        }
        let mut telling = false;
        for (number_of_rule, (rule, read)) in read.iter().enumerate() {
            let changed = changes(rule, &read.pairs, &kept, now);
            for (number, some) in changed.chunks(PAIRS_AT_ONCE).enumerate() {
                let told: Vec<Told> = some.iter().filter_map(|changed| changed.told.clone()).collect();
                let number = number_of_rule * 1_000 + number;
                match self.commit(rule, some, &told, &mut kept, (number, now)).await? {
                    true => telling |= !told.is_empty(),
                    // Another service has moved it on: `kept` stays empty, and is read anew.
                    false => return Ok(telling),
                }
            }
        }
        self.kept = Some(kept);
        Ok(telling)
    }

    async fn load(&self) -> Result<BTreeMap<Subject, Kept>, StoreError> {
        let mut kept = BTreeMap::new();
        for (key, item) in self.store.list(keys::ALERTS, keys::ALL).await? {
            let mut parts = key.sort.splitn(3, '/').map(str::to_owned);
            let (Some(rule), Some(source), Some(target)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let state = AlertState::decode(&item.value).unwrap_or_else(|error| {
                tracing::error!(%error, alert = key.sort, "the alert begins anew");
                AlertState::default()
            });
            kept.insert((rule, (source, target)), Kept { state, version: Some(item.version) });
        }
        Ok(kept)
    }

    async fn forget(&self, gone: &Subject, kept: &mut BTreeMap<Subject, Kept>) -> Result<bool, StoreError> {
        let version = kept.remove(gone).and_then(|kept| kept.version);
        match version {
            Some(version) => {
                let write = Write { key: key(gone), expect: Expect::Version(version), change: Change::Delete };
                self.write(vec![write]).await
            }
            None => Ok(true),
        }
    }

    /// `false`: somebody else was first, and nothing was written.
    async fn commit(
        &self,
        rule: &Rule,
        changed: &[Changed],
        told: &[Told],
        kept: &mut BTreeMap<Subject, Kept>,
        (number, now): (usize, UtcMicros),
    ) -> Result<bool, StoreError> {
        let mut writes = Vec::new();
        let mut versions = Vec::new();
        for Changed { subject, after, .. } in changed {
            let version = kept.get(subject).and_then(|kept| kept.version);
            let expect = version.map_or(Expect::Absent, Expect::Version);
            let (change, next) = match (is_at_rest(after), version) {
                (true, None) => (None, None),
                (true, Some(_)) => (Some(Change::Delete), None),
                (false, _) => (Some(Change::Put(after.encode().into())), Some(expect.next_version())),
            };
            writes.extend(change.map(|change| Write { key: key(subject), expect, change }));
            versions.push(next);
        }
        let notices = if told.is_empty() { Vec::new() } else { notices(rule, told, number, now, self.simulated) };
        for (place, notice) in notices.into_iter().enumerate() {
            let key = Key::new(keys::NOTICES, format!("{}/{place:02}", notice.id));
            writes.push(Write { key, expect: Expect::Absent, change: Change::Put(notice.encode().into()) });
        }
        if !writes.is_empty() && !self.write(writes).await? {
            return Ok(false);
        }
        for (Changed { subject, after, .. }, version) in changed.iter().zip(versions) {
            kept.insert(subject.clone(), Kept { state: after.clone(), version });
        }
        Ok(true)
    }

    async fn write(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        match self.store.commit(writes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(CommitError::Store(error)) => Err(error),
            Err(invalid @ CommitError::Invalid(_)) => Err(StoreError(Box::new(invalid))),
        }
    }

    /// Every alert as it stands, for the API.
    pub(crate) fn shown(&self, read: &[Read<'_>]) -> Vec<Alert> {
        let Some(kept) = &self.kept else { return Vec::new() };
        let alerts = read.iter().flat_map(|(rule, read)| {
            read.pairs.iter().map(move |(pair, measured)| {
                let state = kept.get(&(rule.name.clone(), pair.clone())).map(|kept| &kept.state);
                shown(rule, pair, measured, state)
            })
        });
        alerts.collect()
    }
}

fn key((rule, (source, target)): &Subject) -> Key {
    Key::new(keys::ALERTS, keys::alert(rule, source, target))
}

/// Adds what is kept to what was read: a pair of which nothing is measured any more is missing, not well. Gives those that are to be
/// forgotten: of rules that are gone, of pairs that no rule is of, and of pairs that were given up.
fn supplement(
    read: &mut [Read<'_>],
    kept: &BTreeMap<Subject, Kept>,
    catalogue: &Catalogue,
    now: UtcMicros,
) -> Vec<Subject> {
    let mut gone = Vec::new();
    for (subject, Kept { state, .. }) in kept {
        let (name, pair) = subject;
        let of_rule = read.iter_mut().find(|(rule, _)| rule.name == *name);
        let given_up = state.phase == AlertPhase::NoData && now.0 - state.since_us > FORGOTTEN_US;
        match of_rule {
            Some((_, read)) if read.pairs.contains_key(pair) => {}
            Some((rule, read)) if rule.has(&pair.0, &pair.1, catalogue) && !given_up => {
                read.pairs.insert(pair.clone(), read.absent);
            }
            _ => gone.push(subject.clone()),
        }
    }
    gone
}

fn changes(
    rule: &Rule,
    measured: &BTreeMap<Pair, Measured>,
    kept: &BTreeMap<Subject, Kept>,
    now: UtcMicros,
) -> Vec<Changed> {
    let mut changes = Vec::new();
    for (pair, measured) in measured {
        let subject = (rule.name.clone(), pair.clone());
        let before = kept.get(&subject).map(|kept| kept.state.clone());
        let known = before.is_some();
        let before = before.unwrap_or_default();
        let (after, event) = step(&rule.policy, &before, measured.reading, now);
        if known && after == before {
            continue;
        }
        let (pair, measured, state) = (pair.clone(), *measured, after.clone());
        // The episode that is over is not in the state any more.
        let episode = after.episode.or(before.episode);
        let told = event.map(|event| Told { pair, event, measured, episode, state });
        changes.push(Changed { subject, after, told });
    }
    changes
}

fn shown(rule: &Rule, (source, target): &Pair, measured: &Measured, state: Option<&AlertState>) -> Alert {
    let state = state.cloned().unwrap_or_default();
    let time = |at: i64| rfc3339(UtcMicros(at));
    Alert {
        rule: rule.name.clone(),
        source: source.clone(),
        target: target.clone(),
        state: state.phase.name().to_owned(),
        since: (state.since_us > 0).then(|| time(state.since_us)),
        fired_at: state.episode.map(|episode| time(episode.fired_at_us)),
        value: measured.value,
        count: measured.count,
        low_count: measured.reading == Reading::Few,
    }
}
