//! The state of one vantage point: decides where a round's samples go, without I/O.

use std::collections::BTreeMap;

use bytes::Bytes;
use cloudping_digest::SeriesSummary;
use cloudping_model::{Outcome, Pane, Round, Sample, UtcMicros, VantageId};
use cloudping_ports::{Change, Expect, Key, Write};
use cloudping_schemas::stored::{PaneItem, SeriesKey, VantageHead, keys};

use crate::ledger;
use crate::retention::{DAYS_KEPT_US, FOLD_AFTER_US, HOURS_KEPT_US, MINUTES_KEPT_US};
use crate::seen::{self, Arrival};

/// Which pane: its size and its start.
pub(crate) type PaneId = (Pane, UtcMicros);

/// A pane as it will be written.
#[derive(Debug)]
struct Held {
    item: PaneItem,
    stored: Expect,
    changed: bool,
}

/// What a vantage point's items in the live store will be after the next commit.
#[derive(Debug)]
pub(crate) struct VantageState {
    vantage: VantageId,
    head: VantageHead,
    head_stored: Expect,
    head_changed: bool,
    panes: BTreeMap<PaneId, Held>,
    /// Expired panes and their stored versions.
    deletes: BTreeMap<PaneId, u64>,
}

/// How long panes of a size are kept.
pub(crate) fn kept_us(pane: Pane) -> i64 {
    match pane {
        Pane::Minute => MINUTES_KEPT_US,
        Pane::Hour => HOURS_KEPT_US,
        Pane::Day => DAYS_KEPT_US,
    }
}

impl VantageState {
    pub(crate) fn new(vantage: VantageId, head: VantageHead, head_stored: Expect) -> Self {
        Self { vantage, head, head_stored, head_changed: false, panes: BTreeMap::new(), deletes: BTreeMap::new() }
    }

    pub(crate) fn vantage(&self) -> &VantageId {
        &self.vantage
    }

    pub(crate) fn head(&self) -> &VantageHead {
        &self.head
    }

    /// Whether the pane is at hand.
    pub(crate) fn holds(&self, pane: PaneId) -> bool {
        self.panes.contains_key(&pane)
    }

    /// The panes of a size at hand that start in the range.
    pub(crate) fn held(&self, pane: Pane, from: UtcMicros, until: UtcMicros) -> Vec<PaneId> {
        let range = (pane, from)..(pane, until);
        self.panes.range(range).map(|(id, _)| *id).collect()
    }

    /// Takes a pane as it stands in the store; one that is held already stays.
    pub(crate) fn hold(&mut self, (pane, start): PaneId, stored: Option<PaneItem>, expect: Expect) {
        self.panes.entry((pane, start)).or_insert_with(|| Held {
            item: stored.unwrap_or_else(|| PaneItem::starting(start)),
            stored: expect,
            changed: false,
        });
    }

    /// The panes that a sample of that moment belongs to: its minute, and whatever already contains that minute.
    fn homes(&self, at: UtcMicros) -> Vec<PaneId> {
        let minute = Pane::Minute.start_of(at);
        if minute >= self.folded_until(at) {
            return vec![(Pane::Minute, minute)];
        }
        let hour = Pane::Hour.start_of(at);
        let mut homes = vec![(Pane::Minute, minute), (Pane::Hour, hour)];
        if hour + Pane::Hour.micros() <= self.head.folded_until {
            homes.push((Pane::Day, Pane::Day.start_of(at)));
        }
        homes.retain(|(pane, start)| self.is_kept(*pane, *start));
        homes
    }

    /// Where folding has come to; a vantage point's first round decides where it begins.
    fn folded_until(&self, first: UtcMicros) -> UtcMicros {
        match self.head_is_new() {
            true => Pane::Minute.start_of(first),
            false => self.head.folded_until,
        }
    }

    fn head_is_new(&self) -> bool {
        self.head.watermark == UtcMicros(0) && self.head.folded_until == UtcMicros(0)
    }

    fn is_kept(&self, pane: Pane, start: UtcMicros) -> bool {
        start + pane.micros() > self.head.watermark - kept_us(pane)
    }

    /// The panes that must be held before the round is applied.
    pub(crate) fn needed(&self, round: &Round) -> Vec<PaneId> {
        let moments = round.samples.iter().map(|sample| round.sent_at(sample));
        let mut needed: Vec<PaneId> = moments.flat_map(|at| self.homes(at)).collect();
        needed.sort_unstable();
        needed.dedup();
        needed
    }

    /// Counts a round, unless it was counted before. Every pane of [`Self::needed`] must be held.
    pub(crate) fn apply(&mut self, round: &Round, now: UtcMicros) -> Arrival {
        let arrival = seen::arrive(&mut self.head.seen, round.id.epoch, round.id.number);
        if arrival == Arrival::Forgotten {
            return arrival;
        }
        self.head_changed = true;
        if arrival == Arrival::Again {
            ledger::hour(&mut self.head.ledger, round.started_at).duplicates += 1;
            return arrival;
        }
        self.head.folded_until = self.folded_until(round.started_at);
        let mut late = false;
        for sample in &round.samples {
            let at = round.sent_at(sample);
            late |= Pane::Minute.start_of(at) < self.head.folded_until;
            if sample.outcome.was_sent() {
                self.record(sample, at);
            }
        }
        let entry = ledger::hour(&mut self.head.ledger, round.started_at);
        ledger::book(entry, round, late);
        // A vantage point whose clock runs ahead must not close the windows of the present.
        self.head.watermark = self.head.watermark.max(round.started_at.min(now));
        ledger::expire(&mut self.head.ledger, self.head.watermark);
        arrival
    }

    fn record(&mut self, sample: &Sample, at: UtcMicros) {
        let key = SeriesKey { target: sample.target.clone(), protocol: sample.protocol, family: sample.family };
        for home in self.homes(at) {
            let Some(held) = self.panes.get_mut(&home) else {
                unreachable!("{home:?} was not loaded for {}", self.vantage);
            };
            held.changed = true;
            let summary = held.item.series.entry(key.clone()).or_default();
            record_sample(summary, sample, at);
        }
    }

    /// Up to where minutes can be folded now; `None` when there is nothing to do.
    pub(crate) fn fold_target(&self) -> Option<UtcMicros> {
        let target = Pane::Minute.start_of(self.head.watermark - FOLD_AFTER_US);
        (target > self.head.folded_until).then_some(target)
    }

    /// The panes that folding up to `target` merges into, given the children that exist.
    pub(crate) fn parents(children: &[PaneId]) -> Vec<PaneId> {
        let parent = |(pane, start): &PaneId| pane.parent().map(|up| (up, up.start_of(*start)));
        let mut parents: Vec<PaneId> = children.iter().filter_map(parent).collect();
        parents.sort_unstable();
        parents.dedup();
        parents
    }

    /// Merges the minutes before `target` into their hours and the hours that end by then into their days.
    ///
    /// Every minute and hour that the store has in the range, and their parents, must be held.
    pub(crate) fn fold(&mut self, target: UtcMicros) {
        let from = self.head.folded_until;
        self.fold_children(Pane::Minute, from, target);
        self.fold_children(Pane::Hour, from, target);
        self.head.folded_until = target;
        self.head_changed = true;
    }

    /// Merges the panes of a size that end after `from` and at or before `until`.
    fn fold_children(&mut self, pane: Pane, from: UtcMicros, until: UtcMicros) {
        let ends_within = |start: UtcMicros| {
            let end = start + pane.micros();
            from < end && end <= until
        };
        let Some(up) = pane.parent() else { return };
        let children: Vec<(UtcMicros, PaneItem)> = (self.panes.iter())
            .filter(|((size, start), _)| *size == pane && ends_within(*start))
            .map(|((_, start), held)| (*start, held.item.clone()))
            .collect();
        for (start, child) in children {
            let Some(parent) = self.panes.get_mut(&(up, up.start_of(start))) else {
                unreachable!("the parent of {start:?} was not loaded for {}", self.vantage);
            };
            parent.changed |= !child.series.is_empty();
            for (key, summary) in &child.series {
                let into = parent.item.series.entry(key.clone()).or_default();
                into.merge(summary);
            }
        }
    }

    /// Has a pane that is no longer kept removed with the next commit.
    pub(crate) fn delete(&mut self, pane: PaneId, version: u64) {
        self.panes.remove(&pane);
        self.deletes.insert(pane, version);
    }

    /// How many expired panes the next commit removes.
    pub(crate) fn deletes(&self) -> usize {
        self.deletes.len()
    }

    /// How many writes the next commit has.
    pub(crate) fn pending(&self) -> usize {
        let panes = self.panes.values().filter(|held| held.changed).count();
        panes + self.deletes.len() + usize::from(self.head_changed)
    }

    /// The writes that bring the store to this state. The state counts them as done: after a failed commit it must be
    /// thrown away.
    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        let deletes = std::mem::take(&mut self.deletes).into_iter();
        let mut writes: Vec<Write> = deletes
            .map(|(pane, version)| Write {
                key: pane_key(&self.vantage, pane),
                expect: Expect::Version(version),
                change: Change::Delete,
            })
            .collect();
        for (pane, held) in &mut self.panes {
            if std::mem::take(&mut held.changed) {
                let key = pane_key(&self.vantage, *pane);
                writes.push(put(key, &mut held.stored, held.item.encode()));
            }
        }
        if std::mem::take(&mut self.head_changed) {
            let key = head_key(&self.vantage);
            writes.push(put(key, &mut self.head_stored, self.head.encode()));
        }
        let folded_until = self.head.folded_until;
        self.panes.retain(|(pane, start), _| *start + pane.micros() > folded_until);
        writes
    }
}

fn put(key: Key, stored: &mut Expect, bytes: Vec<u8>) -> Write {
    let expect = *stored;
    *stored = Expect::Version(expect.next_version());
    Write { key, expect, change: Change::Put(Bytes::from(bytes)) }
}

fn record_sample(summary: &mut SeriesSummary, sample: &Sample, at: UtcMicros) {
    match (sample.outcome, sample.rtt_us) {
        (Outcome::Answered, Some(rtt)) => summary.record_rtt(at.0, rtt),
        (Outcome::Answered, None) => summary.record_unknown(at.0),
        (outcome, _) => summary.record_loss(at.0, outcome == Outcome::Retransmitted),
    }
}

/// Where a vantage point's head is stored.
pub(crate) fn head_key(vantage: &VantageId) -> Key {
    Key::new(keys::HEADS, vantage.as_str())
}

/// Where a pane is stored.
pub(crate) fn pane_key(vantage: &VantageId, (pane, start): PaneId) -> Key {
    Key::new(keys::panes(vantage, pane), keys::pane_start(start))
}
