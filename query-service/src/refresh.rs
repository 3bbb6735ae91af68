//! Reads the next live view from the live store.
//!
//! A vantage point's head changes its version with every commit for that vantage point, so an unchanged head means unchanged panes.
//! Where it has changed, a normal reading lists only the minutes that a punctual round can change: the last few. Late rounds change
//! older minutes, hours and days, and the head says with which version that was; to be cheap yet right, all minutes and hours and the last few
//! days are listed when something was folded (reading that late would count a minute twice or not at all), and else at most every ten
//! seconds while late rounds come; older days, of which there may be a year's, when the head says that one was changed, at most once an
//! hour. Listed panes are decoded only where their version differs from the one at hand. A store that is paid by what is read is not read for
//! nothing: what a reading costs stands in `tests/all/readings.rs`.
//!
//! A commit that falls between the reading of the head and of the panes would mix two states: the head is read again afterwards, and
//! the reading is repeated if it has changed. A vantage point that changes too often for that keeps its last consistent view.
//!
//! The first reading takes no more days than the shortest window of days needs; [`older_days`] reads the others piece by piece, so that a store
//! of few reads a second does not keep everybody waiting for its oldest day.

pub mod older_days;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use cloudping_model::{Pane, Rolling, RouteChange, UtcMicros, VantageId};
use cloudping_ports::{Item, Key, LiveStore, StoreError};
use cloudping_schemas::stored::{ChangesItem, SeriesTable, StoredError, VantageHead, keys};
use cloudping_windows::{Panes, Places, ReadError as PaneError, StoredPane, StoredPanes};

use crate::live_view::{LiveView, Stored, VantageView};

/// Minutes of a normal reading, where the head does not say which are young.
const RECENT_MINUTES: i64 = 6;
/// Minutes before the last 90 are only of interest while no hour contains them.
const MINUTES_US: i64 = 90 * 60_000_000;
/// The least time between two listings of minutes and hours that are caused by nothing but commits, in µs.
const LIST_ALL_EVERY_US: i64 = 10_000_000;
/// The same of days.
const LIST_DAYS_EVERY_US: i64 = 3_600_000_000;
/// Route changes of the last two hours are shown as they come.
const CHANGES_US: i64 = 2 * 3_600_000_000;
/// How often a reading that a commit has overtaken is repeated.
const ATTEMPTS: usize = 3;

/// A view, and what could not be read into it.
#[derive(Debug)]
pub struct Refreshed {
    /// The view.
    pub view: LiveView,
    /// Items that are not what they should be; their vantage points are shown as they were before.
    pub faults: Vec<String>,
    /// The store's failure that cut the reading short; what comes after it is shown as it was before.
    pub cut_short: Option<StoreError>,
}

/// Why one vantage point could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{item}: {source}")]
    Item { item: String, source: StoredError },
    #[error("{item}: {source}")]
    Pane { item: String, source: PaneError },
}

/// Reads what has changed since `previous`. Windows end at `now`. A store that gives up in between keeps nobody from what was read before: a
/// table of few reads a second may refuse in the middle of each reading.
///
/// # Errors
/// [`StoreError`] when the heads cannot be read.
pub async fn read(store: &dyn LiveStore, previous: &LiveView, now: UtcMicros) -> Result<Refreshed, StoreError> {
    let mut vantages = BTreeMap::new();
    let (mut faults, mut cut_short, mut partial) = (Vec::new(), None, false);
    for (key, item) in store.list(keys::HEADS, keys::ALL).await? {
        let id = match VantageId::new(&key.sort) {
            Ok(id) => id,
            Err(error) => {
                faults.push(format!("head: {error}"));
                continue;
            }
        };
        let before = previous.vantages.get(&id);
        let read = match cut_short {
            None => read_vantage(store, &id, (&key, item), &before.cloned().unwrap_or_default(), now).await.map(Some),
            Some(_) => Ok(None),
        };
        match read {
            Ok(Some(view)) => {
                vantages.insert(id, Arc::new(view));
                continue;
            }
            Ok(None) => {}
            Err(ReadError::Store(error)) => cut_short = Some(error),
            Err(fault) => faults.push(fault.to_string()),
        }
        match before {
            Some(before) => {
                vantages.insert(id, Arc::new(before.at(now)));
            }
            None => partial |= cut_short.is_some(),
        }
    }
    let view = LiveView { now, vantages, partial };
    Ok(Refreshed { view, faults, cut_short })
}

async fn read_vantage(
    store: &dyn LiveStore,
    id: &VantageId,
    (key, mut item): (&Key, Item),
    before: &VantageView,
    now: UtcMicros,
) -> Result<VantageView, ReadError> {
    for _ in 0..ATTEMPTS {
        let (late, late_days) = due(&before.stored, (before.stored.version, &before.stored.head), now);
        if item.version == before.stored.version && !late && !late_days {
            break;
        }
        let head = VantageHead::decode(&item.value).map_err(|source| fault(key, source))?;
        let stored = Reading::new(store, id, &before.stored, now).read((item.version, head)).await?;
        let Some(after) = store.get(key).await? else {
            break;
        };
        if after.version == item.version {
            return Ok(VantageView::new(stored, now, before));
        }
        item = after;
    }
    Ok(before.at(now))
}

/// Whether commits up to this head may have changed something old since everything was listed last, and that is long enough ago: of
/// minutes and hours, and of days.
fn due(before: &Stored, (version, head): (u64, &VantageHead), now: UtcMicros) -> (bool, bool) {
    let due = |(listed_at, listed): (UtcMicros, u64), revised: Option<u64>, every_us| {
        let revised = revised.is_none_or(|revised| revised > listed);
        listed != version && revised && (now - listed_at.0).0 >= every_us
    };
    let days = due(before.days_listed, head.old_days_revised, LIST_DAYS_EVERY_US);
    (due(before.listed, head.revised, LIST_ALL_EVERY_US), days)
}

/// Up to which version a listing under this head surely shows everything. Readers of DynamoDB may see the head of a transaction before
/// its panes ("read committed"), so what changed with a head that is seen for the first time is listed once more, when that is due.
fn surely(version: u64, revised: Option<u64>, before: &Stored) -> u64 {
    let fresh = before.version != version && revised == Some(version);
    if fresh { version - 1 } else { version }
}

/// One reading of one vantage point.
struct Reading<'a> {
    store: &'a dyn LiveStore,
    id: &'a VantageId,
    before: &'a Stored,
    now: UtcMicros,
    places: Arc<Places>,
}

impl<'a> Reading<'a> {
    fn new(store: &'a dyn LiveStore, id: &'a VantageId, before: &'a Stored, now: UtcMicros) -> Self {
        Self { store, id, before, now, places: Arc::clone(&before.places) }
    }

    async fn read(mut self, (version, head): (u64, VantageHead)) -> Result<Stored, ReadError> {
        let (before, now) = (self.before, self.now);
        let (late, late_days) = due(before, (version, &head), now);
        let first = before.days_from.is_none();
        let all_days = late_days || first;
        let folded =
            head.folded_until != before.head.folded_until || head.hours_folded_until != before.head.hours_folded_until;
        let all = all_days || late || folded;
        let mut panes = Panes {
            folded_until: head.folded_until,
            hours_folded_until: head.hours_folded_until,
            ..before.panes.clone()
        };
        if all {
            let hours_from = Rolling::Day.first_pane(now).min(head.hours_folded_until);
            // A store may hold older ones, which it has not deleted yet.
            let days_from = self.days_from();
            let minutes_from = head.folded_until.min(now - MINUTES_US);
            panes.minutes = self.all(Pane::Minute, minutes_from, &before.panes.minutes).await?;
            panes.hours = self.all(Pane::Hour, hours_from, &before.panes.hours).await?;
            panes.days = match all_days {
                true => self.all(Pane::Day, days_from, &before.panes.days).await?,
                false => self.recent_days(days_from).await?,
            };
        } else {
            let from = match head.revised {
                Some(_) => before.head.young_from(),
                None => Pane::Minute.start_of(now) - (RECENT_MINUTES - 1) * Pane::Minute.micros(),
            };
            panes.minutes = self.recent(Pane::Minute, from, &before.panes.minutes).await?;
        }
        let changes = self.changes().await?;
        let listed = if all { (now, surely(version, head.revised, before)) } else { before.listed };
        let days_listed =
            if all_days { (now, surely(version, head.old_days_revised, before)) } else { before.days_listed };
        let (days_from, broken_days) = (Some(self.days_from()), before.broken_days.clone());
        let (places, changes) = (self.places, Arc::new(changes));
        Ok(Stored { version, head, places, panes, changes, listed, days_listed, days_from, broken_days })
    }

    /// From when on days are known after this reading: as before, or at first so many that the shortest window of them is whole.
    fn days_from(&self) -> UtcMicros {
        let known = self.before.days_from.unwrap_or_else(|| Rolling::Week.first_pane(self.now));
        known.max(Rolling::Year.first_pane(self.now))
    }

    /// All panes of one size from `from` on.
    async fn all(&mut self, size: Pane, from: UtcMicros, known: &StoredPanes) -> Result<Arc<StoredPanes>, ReadError> {
        self.within(size, (from, keys::ALL.end), known).await
    }

    /// The panes of one size from `from` on, up to that key.
    async fn within(
        &mut self,
        size: Pane,
        (from, until): (UtcMicros, &str),
        known: &StoredPanes,
    ) -> Result<Arc<StoredPanes>, ReadError> {
        let from = keys::pane_start(from);
        let items = self.store.list(&keys::panes(self.id, size), &*from..until).await?;
        let mut panes = StoredPanes::new();
        for (key, item) in items {
            let pane = self.pane(size, &key, &item, known).await?;
            panes.insert(pane.start(), pane);
        }
        Ok(Arc::new(panes))
    }

    /// The known panes with those from `from` on read anew.
    async fn recent(
        &mut self,
        size: Pane,
        from: UtcMicros,
        known: &StoredPanes,
    ) -> Result<Arc<StoredPanes>, ReadError> {
        let mut panes = known.clone();
        drop(panes.split_off(&from));
        let recent = self.all(size, from, known).await?;
        panes.extend(recent.iter().map(|(start, pane)| (*start, pane.clone())));
        Ok(Arc::new(panes))
    }

    /// The known days of the year with the youngest read anew: the head says that no other was changed.
    async fn recent_days(&mut self, days_from: UtcMicros) -> Result<Arc<StoredPanes>, ReadError> {
        let young_from = self.before.head.young_days_from().max(days_from);
        let days = self.recent(Pane::Day, young_from, &self.before.panes.days).await?;
        let expired = days.first_key_value().is_some_and(|(start, _)| *start < days_from);
        Ok(if expired {
            Arc::new(days.range(days_from..).map(|(start, pane)| (*start, pane.clone())).collect())
        } else {
            days
        })
    }

    async fn pane(&mut self, size: Pane, key: &Key, item: &Item, known: &StoredPanes) -> Result<StoredPane, ReadError> {
        let start = key.sort.parse().ok().map(UtcMicros);
        let same = start.and_then(|start| known.get(&start)).filter(|known| known.version() == item.version);
        if let Some(same) = same {
            return Ok(same.clone());
        }
        let mut read = self.places.read(&item.value);
        if matches!(read, Err(PaneError::Unknown)) {
            // The table is written no later than the pane, and it only grows.
            let table = series_table(self.store, self.id).await?;
            let places = Arc::make_mut(&mut self.places);
            places.learn(&table);
            places.learn_spelt_out(&item.value).map_err(|source| fault(key, source))?;
            read = places.read(&item.value);
        }
        let (start, columns) = read.map_err(|source| ReadError::Pane { item: name(key), source })?;
        Ok(match size {
            Pane::Day => StoredPane::packed(start, item.version, &columns),
            _ => StoredPane::new(start, item.version, columns),
        })
    }

    async fn changes(&self) -> Result<Vec<RouteChange>, ReadError> {
        changes(self.store, self.id, (self.now - CHANGES_US)..UtcMicros(i64::MAX)).await
    }
}

/// A vantage point's series table; an empty one where there is none.
pub(crate) async fn series_table(store: &dyn LiveStore, id: &VantageId) -> Result<SeriesTable, ReadError> {
    let key = Key::new(keys::SERIES, id.as_str());
    let Some(item) = store.get(&key).await? else {
        return Ok(SeriesTable::default());
    };
    SeriesTable::decode(&item.value).map_err(|source| fault(&key, source))
}

/// A vantage point's route changes whose minutes lie in the range, in order.
pub(crate) async fn changes(
    store: &dyn LiveStore,
    id: &VantageId,
    minutes: Range<UtcMicros>,
) -> Result<Vec<RouteChange>, ReadError> {
    let (from, until) = (keys::pane_start(minutes.start), keys::pane_start(minutes.end));
    let items = store.list(&keys::changes(id), &*from..&*until).await?;
    let mut found = Vec::new();
    for (key, item) in items {
        found.extend(ChangesItem::decode(&item.value).map_err(|source| fault(&key, source))?.changes);
    }
    Ok(found)
}

pub(crate) fn fault(key: &Key, source: StoredError) -> ReadError {
    ReadError::Item { item: name(key), source }
}

fn name(key: &Key) -> String {
    format!("{}/{}", key.partition, key.sort)
}
