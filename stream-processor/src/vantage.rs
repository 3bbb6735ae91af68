//! The state of one vantage point: decides where a round's samples go, without I/O.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use cloudping_model::{Outcome, Pane, UtcMicros, VantageId};
use cloudping_ports::{Change, Expect, Key, Write};
use cloudping_schemas::event::Head;
use cloudping_schemas::stored::{SeriesTable, VantageHead, keys};

use crate::bounds::{Bound, MAX_SERIES};
use crate::dictionary::{Dictionary, Placed};
use crate::fold::ParentPane;
use crate::ledger::{self, Tally};
use crate::minute::MinutePane;
use crate::reached::Reached;
use crate::regimes::Regimes;
use crate::retention::{DAYS_KEPT_US, HOURS_KEPT_US, MINUTES_HELD_US, MINUTES_KEPT_US, SETTLED_AFTER_US};
use crate::seen::{self, Arrival};
use crate::watch::Watch;

/// Which pane: its size and its start.
pub(crate) type PaneId = (Pane, UtcMicros);

/// What a vantage point's items in the live store will be after the next commit.
#[derive(Debug)]
pub(crate) struct VantageState {
    pub(crate) vantage: VantageId,
    pub(crate) head: VantageHead,
    pub(crate) head_stored: Expect,
    pub(crate) table: SeriesTable,
    pub(crate) table_stored: Expect,
    /// How many series the stored table has.
    pub(crate) table_length: usize,
    pub(crate) dictionary: Dictionary,
    pub(crate) minutes: BTreeMap<UtcMicros, MinutePane>,
    /// Every stored minute from here on is in `minutes`.
    pub(crate) held_since: UtcMicros,
    /// Hours and days that were asked for since the last commit.
    pub(crate) parents: BTreeMap<PaneId, ParentPane>,
    pub(crate) watch: Watch,
    /// The regimes, if they were asked for since the last commit, and what the store has of them. They are large and seldom needed.
    pub(crate) regimes: Option<(Regimes, Expect)>,
    /// Further writes of the next commit.
    pub(crate) others: Vec<Write>,
    /// Whether the batch has a round of it.
    pub(crate) touched: bool,
    /// Whether panes may have expired.
    pub(crate) expiry_due: bool,
    /// The first of the stored head's youngest minutes.
    young_from: UtcMicros,
    /// The same of its youngest days.
    young_days_from: UtcMicros,
    head_changed: bool,
    allowed_lateness_us: i64,
}

/// An hour or a day of many series is as large as so many minutes.
const WEIGHT_OF_A_PARENT: usize = 8;

/// How long panes of a size are kept.
pub(crate) fn kept_us(pane: Pane) -> i64 {
    match pane {
        Pane::Minute => MINUTES_KEPT_US,
        Pane::Hour => HOURS_KEPT_US,
        Pane::Day => DAYS_KEPT_US,
    }
}

impl VantageState {
    /// The state of a vantage point that the store knows nothing of.
    pub(crate) fn new(vantage: VantageId, allowed_lateness_us: i64) -> Self {
        Self {
            vantage,
            head: VantageHead { revised: Some(0), old_days_revised: Some(0), ..VantageHead::default() },
            head_stored: Expect::Absent,
            table: SeriesTable::default(),
            table_stored: Expect::Absent,
            table_length: 0,
            dictionary: Dictionary::default(),
            minutes: BTreeMap::new(),
            held_since: UtcMicros(0),
            parents: BTreeMap::new(),
            watch: Watch::new(),
            regimes: None,
            others: Vec::new(),
            touched: false,
            expiry_due: false,
            young_from: UtcMicros(0),
            young_days_from: UtcMicros(0),
            head_changed: false,
            allowed_lateness_us,
        }
    }

    /// Takes over the head as it is stored, with its version.
    pub(crate) fn found(&mut self, head: VantageHead, version: u64) {
        // Of what a writer that did not say has changed, anything may be old.
        let (revised, old_days_revised) = (head.revised.or(Some(version)), head.old_days_revised.or(Some(version)));
        (self.young_from, self.young_days_from) = (head.young_from(), head.young_days_from());
        (self.head, self.head_stored) = (VantageHead { revised, old_days_revised, ..head }, Expect::Version(version));
    }

    /// Remembers the round and says whether it came before. A duplicate is booked at once. Its dictionary must be open.
    pub(crate) fn arrive(&mut self, round: &Head<'_>, now: UtcMicros) -> Arrival {
        if let Some(bound) = self.beyond(round) {
            return Arrival::Beyond(bound);
        }
        let arrival = seen::arrive(&mut self.head.seen, round.epoch, round.number);
        if matches!(arrival, Arrival::Forgotten | Arrival::Beyond(_)) {
            return arrival;
        }
        self.head_changed = true;
        if arrival == Arrival::Again {
            ledger::hour(&mut self.head.ledger, round.started_at).duplicates += 1;
        } else if self.head.watermark == UtcMicros(0) && self.head.folded_until == UtcMicros(0) {
            // A clock that runs ahead must not close the windows of the present.
            self.begin(round.started_at.min(now));
        }
        arrival
    }

    /// The bound on series or on the ledger that a round would go beyond, if any.
    fn beyond(&self, round: &Head<'_>) -> Option<Bound> {
        // Far from the bound nothing is looked up: a sample adds one series at the most.
        let far = self.table.len() + round.len() <= MAX_SERIES;
        if !far {
            let added = self.dictionary.added(round, &self.table);
            if added > 0 && self.table.len() + added > MAX_SERIES {
                return Some(Bound::Series);
            }
        }
        ledger::beyond(&self.head.ledger, round.started_at, round.epoch)
    }

    /// A vantage point's first round decides where folding begins.
    fn begin(&mut self, first: UtcMicros) {
        self.head.folded_until = Pane::Hour.start_of(first - self.allowed_lateness_us);
        self.head.hours_folded_until = Pane::Day.start_of(self.head.folded_until);
        self.watch.observed_until = Pane::Minute.start_of(first);
    }

    /// The first and the last minute that the round may have samples in.
    pub(crate) fn minutes_of(round: &Head<'_>) -> (UtcMicros, UtcMicros) {
        let last = round.offset_us().iter().copied().max().unwrap_or(0);
        (Pane::Minute.start_of(round.started_at), Pane::Minute.start_of(round.started_at + i64::from(last)))
    }

    /// The hours and days that already contain a minute.
    pub(crate) fn containing(&self, minute: UtcMicros) -> impl Iterator<Item = PaneId> {
        let (hour, day) = (Pane::Hour.start_of(minute), Pane::Day.start_of(minute));
        let hour_has = minute < self.head.folded_until && self.is_kept(Pane::Hour, hour);
        let day_has = hour < self.head.hours_folded_until && self.is_kept(Pane::Day, day);
        let hour = hour_has.then_some((Pane::Hour, hour));
        hour.into_iter().chain(day_has.then_some((Pane::Day, day)))
    }

    /// Whether a pane has not expired.
    pub(crate) fn is_kept(&self, pane: Pane, start: UtcMicros) -> bool {
        start + pane.micros() > self.head.watermark - kept_us(pane)
    }

    /// Counts a round that has not been counted before. Its minutes, and what contains them, must be held; its dictionary open.
    pub(crate) fn count(&mut self, round: &Head<'_>, now: UtcMicros) {
        let late = round.started_at < self.head.watermark - self.allowed_lateness_us;
        let tally = match round.started_at >= self.head.folded_until {
            true => self.count_open(round),
            false => self.count_folded(round),
        };
        let entry = ledger::hour(&mut self.head.ledger, round.started_at);
        ledger::book(entry, (round.epoch, round.number), round.gap, late, tally);
        // A vantage point whose clock runs ahead must not close the windows of the present.
        self.head.watermark = self.head.watermark.max(round.started_at.min(now));
        ledger::expire(&mut self.head.ledger, self.head.watermark);
    }

    /// A round of minutes that nothing contains yet.
    fn count_open(&mut self, round: &Head<'_>) -> Tally {
        let (first, last) = Self::minutes_of(round);
        let all_answered = round.is_plain() && !round.rtt_us().contains(&0);
        if first == last && all_answered && !round.is_empty() {
            return self.count_plain(round, first);
        }
        let placed = self.dictionary.places(round, &mut self.table);
        let (series, mut tally) = (self.table.len(), Tally::default());
        let mut minute = first;
        while minute <= last {
            let Some(pane) = self.minutes.get_mut(&minute) else {
                unreachable!("{minute:?} was not held for {}", self.vantage);
            };
            pane.make_room(series);
            let range = minute..minute + Pane::Minute.micros();
            pane.changed |= count_within(range, round, placed, pane, &mut tally);
            minute = minute + Pane::Minute.micros();
        }
        tally
    }

    /// A round within one minute, every probe of which was answered.
    fn count_plain(&mut self, round: &Head<'_>, minute: UtcMicros) -> Tally {
        let placed = self.dictionary.places(round, &mut self.table);
        let Some(pane) = self.minutes.get_mut(&minute) else {
            unreachable!("{minute:?} was not held for {}", self.vantage);
        };
        pane.make_room(self.table.len());
        pane.changed = true;
        pane.record_rtts(round.started_at, placed, round.offset_us(), round.rtt_us());
        Tally { received: round.len() as u64, ..Tally::default() }
    }

    /// A round of which a part at least is in hours or days already.
    fn count_folded(&mut self, round: &Head<'_>) -> Tally {
        let mut tally = Tally::default();
        let placed = self.dictionary.places(round, &mut self.table);
        let samples: Vec<(u32, Reached)> =
            placed.places.iter().enumerate().map(|(at, place)| (*place, placed.reached(at))).collect();
        for (at, sample) in samples.into_iter().enumerate() {
            let (sent_at, outcome) = (round.started_at + i64::from(round.offset_us()[at]), round.outcome(at));
            if !tally.note(outcome) {
                continue;
            }
            let counted = self.record_everywhere(sample, sent_at, outcome, round.rtt_us()[at]);
            tally.uncounted += u64::from(!counted);
        }
        tally
    }

    /// Records a sample in its minute, and in the hour and day that contain it; says whether any of them is kept.
    fn record_everywhere(
        &mut self,
        (place, reached): (u32, Reached),
        sent_at: UtcMicros,
        outcome: Outcome,
        rtt_us: u32,
    ) -> bool {
        let minute = Pane::Minute.start_of(sent_at);
        let mut counted = false;
        if self.is_kept(Pane::Minute, minute) {
            let Some(pane) = self.minutes.get_mut(&minute) else {
                unreachable!("{minute:?} was not held for {}", self.vantage);
            };
            pane.make_room(self.table.len());
            (pane.changed, counted) = (true, true);
            match rtt_us {
                0 => pane.record_other(place, sent_at, outcome),
                _ => pane.record_rtt(place, sent_at, rtt_us, reached),
            }
        }
        let containing: Vec<PaneId> = self.containing(minute).collect();
        for id in containing {
            let Some(pane) = self.parents.get_mut(&id) else {
                unreachable!("{id:?} was not held for {}", self.vantage);
            };
            (pane.changed, counted) = (true, true);
            let summary = pane.series.entry(place).or_default();
            match (outcome, rtt_us) {
                (Outcome::Answered, 0) => summary.record_unknown(sent_at.0),
                (Outcome::Answered, _) => summary.record_rtt(sent_at.0, rtt_us),
                _ => summary.record_loss(sent_at.0, outcome == Outcome::Retransmitted),
            }
        }
        counted
    }

    /// Up to where minutes can be searched for route steps; `None` when there is nothing new.
    pub(crate) fn observe_target(&self) -> Option<UtcMicros> {
        let target = Pane::Minute.start_of(self.head.watermark - SETTLED_AFTER_US);
        (target > self.watch.observed_until).then_some(target)
    }

    /// Up to where minutes can be folded; `None` when there is nothing to fold.
    pub(crate) fn fold_target(&self) -> Option<UtcMicros> {
        let target = Pane::Hour.start_of(self.head.watermark - self.allowed_lateness_us);
        (target > self.head.folded_until).then_some(target)
    }

    /// Says that minutes before `hours` are in their hours, and hours before `days` in their days.
    pub(crate) fn folded(&mut self, hours: UtcMicros, days: UtcMicros) {
        self.head.folded_until = hours;
        self.head.hours_folded_until = days.max(self.head.hours_folded_until);
        (self.head_changed, self.expiry_due) = (true, true);
    }

    /// How many writes the next commit has; hours and days, which are large, count for several.
    pub(crate) fn pending(&self) -> usize {
        let minutes = self.minutes.values().filter(|pane| pane.changed).count();
        let parents = self.parents.values().filter(|pane| pane.changed).count();
        minutes
            + WEIGHT_OF_A_PARENT * parents
            + self.others.len()
            + usize::from(self.regimes.is_some())
            + usize::from(self.head_changed)
    }

    /// The writes that bring the store to this state. The state counts them as done: after a failed commit it must be
    /// thrown away.
    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        let mut writes = std::mem::take(&mut self.others);
        let old_minutes = self.minutes.range(..self.young_from).any(|(_, pane)| pane.changed);
        if old_minutes || self.parents.values().any(|pane| pane.changed) {
            self.head.revised = Some(self.head_stored.next_version());
        }
        let is_old = |(size, start): &PaneId| *size == Pane::Day && *start < self.young_days_from;
        if self.parents.iter().any(|(id, pane)| pane.changed && is_old(id)) {
            self.head.old_days_revised = Some(self.head_stored.next_version());
        }
        for (start, pane) in &mut self.minutes {
            if std::mem::take(&mut pane.changed) {
                let bytes = pane.encode();
                writes.push(put(pane_key(&self.vantage, (Pane::Minute, *start)), &mut pane.stored, bytes));
            }
        }
        for (id, pane) in &self.parents {
            if pane.changed {
                writes.push(put(pane_key(&self.vantage, *id), &mut pane.stored.clone(), pane.encode()));
            }
        }
        self.parents.clear();
        if self.table.len() > self.table_length {
            self.table_length = self.table.len();
            let key = Key::new(keys::SERIES, self.vantage.as_str());
            writes.push(put(key, &mut self.table_stored, self.table.encode()));
        }
        if std::mem::take(&mut self.watch.due) {
            let bytes = self.watch.encode();
            writes.push(put(Key::new(keys::WATCHES, self.vantage.as_str()), &mut self.watch.stored, bytes));
        }
        if let Some((regimes, mut stored)) = self.regimes.take() {
            let key = Key::new(keys::REGIMES, self.vantage.as_str());
            writes.push(put(key, &mut stored, regimes.into_item().encode()));
        }
        if std::mem::take(&mut self.head_changed) {
            (self.young_from, self.young_days_from) = (self.head.young_from(), self.head.young_days_from());
            writes.push(put(head_key(&self.vantage), &mut self.head_stored, self.head.encode()));
        }
        self.let_go();
        writes
    }

    /// Forgets minutes that are seldom asked for again.
    fn let_go(&mut self) {
        let held_since = Pane::Minute.start_of(self.head.watermark - MINUTES_HELD_US);
        if held_since > self.held_since {
            self.held_since = held_since;
        }
        let held_since = self.held_since;
        self.minutes.retain(|start, _| *start >= held_since);
    }
}

/// Counts those samples of a round that are of one minute; says whether any was sent.
fn count_within(
    minute: Range<UtcMicros>,
    round: &Head<'_>,
    placed: Placed<'_>,
    pane: &mut MinutePane,
    tally: &mut Tally,
) -> bool {
    let mut any = false;
    for (at, ((&place, &offset), &rtt_us)) in
        placed.places.iter().zip(round.offset_us()).zip(round.rtt_us()).enumerate()
    {
        let (sent_at, outcome) = (round.started_at + i64::from(offset), round.outcome(at));
        if !minute.contains(&sent_at) {
            continue;
        }
        if !tally.note(outcome) {
            continue;
        }
        any = true;
        match rtt_us {
            0 => pane.record_other(place, sent_at, outcome),
            _ => pane.record_rtt(place, sent_at, rtt_us, placed.reached(at)),
        }
    }
    any
}

/// A write under what is known to be stored, which it then changes.
pub(crate) fn put(key: Key, stored: &mut Expect, bytes: Vec<u8>) -> Write {
    let expect = *stored;
    *stored = Expect::Version(expect.next_version());
    Write { key, expect, change: Change::Put(Bytes::from(bytes)) }
}

/// Where a vantage point's head is stored.
pub(crate) fn head_key(vantage: &VantageId) -> Key {
    Key::new(keys::HEADS, vantage.as_str())
}

/// Where a pane is stored.
pub(crate) fn pane_key(vantage: &VantageId, (pane, start): PaneId) -> Key {
    Key::new(keys::panes(vantage, pane), keys::pane_start(start))
}
