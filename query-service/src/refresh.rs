//! Reads the next live view from the live store.
//!
//! A vantage point's head changes its version with every commit for that vantage point, so an unchanged head means unchanged panes.
//! Where it has changed, a normal reading lists only the minutes that a punctual round can change: the last few. Late rounds change
//! older minutes and hours; to be cheap yet right, everything is listed when a minute was folded (the hours have changed, and reading
//! them late would count that minute twice or not at all), and else at most every ten seconds. Listed panes are decoded only where
//! their version differs from the one at hand.
//!
//! A commit that falls between the reading of the head and of the panes would mix two states: the head is read again afterwards, and
//! the reading is repeated if it has changed. A vantage point that changes too often for that keeps its last consistent view.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use cloudping_model::{Pane, Rolling, UtcMicros, VantageId};
use cloudping_ports::{Item, Key, LiveStore, StoreError};
use cloudping_schemas::stored::{PaneItem, StoredError, VantageHead, keys};

use crate::live_view::{LiveView, VantageView};
use crate::rolling::{Panes, StoredPane};

/// Every sort key that an item may have.
pub(crate) const ALL_KEYS: Range<&str> = "!".."\u{10FFFF}";
/// Minutes of a normal reading.
const RECENT_MINUTES: i64 = 6;
/// The least time between two listings of everything that are caused by nothing but commits, in µs.
const LIST_ALL_EVERY_US: i64 = 10_000_000;
/// How often a reading that a commit has overtaken is repeated.
const ATTEMPTS: usize = 3;

/// A view, and what could not be read into it.
#[derive(Debug)]
pub struct Refreshed {
    /// The view.
    pub view: LiveView,
    /// Items that are not what they should be; their vantage points are shown as they were before.
    pub faults: Vec<String>,
}

/// Why one vantage point could not be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{item}: {source}")]
    Item { item: String, source: StoredError },
}

/// Reads what has changed since `previous`. Windows end at `now`.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn read(store: &dyn LiveStore, previous: &LiveView, now: UtcMicros) -> Result<Refreshed, StoreError> {
    let nothing = Arc::new(VantageView::default());
    let mut vantages = BTreeMap::new();
    let mut faults = Vec::new();
    for (key, item) in store.list(keys::HEADS, ALL_KEYS).await? {
        let id = match VantageId::new(&key.sort) {
            Ok(id) => id,
            Err(error) => {
                faults.push(format!("head: {error}"));
                continue;
            }
        };
        let before = previous.vantages.get(&id).unwrap_or(&nothing);
        match read_vantage(store, &id, (&key, item), before, now).await {
            Ok(view) => {
                vantages.insert(id, Arc::new(view));
            }
            Err(ReadError::Store(error)) => return Err(error),
            Err(fault) => {
                faults.push(fault.to_string());
                if let Some(before) = previous.vantages.get(&id) {
                    vantages.insert(id, Arc::new(before.at(now)));
                }
            }
        }
    }
    let view = LiveView { now, vantages };
    Ok(Refreshed { view, faults })
}

async fn read_vantage(
    store: &dyn LiveStore,
    id: &VantageId,
    (key, mut item): (&Key, Item),
    before: &VantageView,
    now: UtcMicros,
) -> Result<VantageView, ReadError> {
    for _ in 0..ATTEMPTS {
        if item.version == before.version && !due(before, now) {
            break;
        }
        let head = VantageHead::decode(&item.value).map_err(|source| fault(key, source))?;
        let all = head.folded_until != before.head.folded_until || before.version == 0 || due(before, now);
        let panes = if all {
            let minutes = all_panes(store, id, Pane::Minute, None, &before.minutes).await?;
            let since = Rolling::Day.first_pane(now);
            let hours = all_panes(store, id, Pane::Hour, Some(since), &before.hours).await?;
            (Arc::new(minutes), Arc::new(hours))
        } else {
            let minutes = recent_minutes(store, id, now, &before.minutes).await?;
            (Arc::new(minutes), Arc::clone(&before.hours))
        };
        let Some(after) = store.get(key).await? else {
            break;
        };
        if after.version == item.version {
            let listed = if all { (now, item.version) } else { before.listed };
            return Ok(VantageView::new((item.version, head), panes, listed, now, before));
        }
        item = after;
    }
    Ok(before.at(now))
}

/// Whether commits have come since everything was listed last, and that is long enough ago.
fn due(before: &VantageView, now: UtcMicros) -> bool {
    let (listed_at, listed_version) = before.listed;
    listed_version != before.version && (now - listed_at.0).0 >= LIST_ALL_EVERY_US
}

/// All panes of one size from `since` on.
async fn all_panes(
    store: &dyn LiveStore,
    id: &VantageId,
    size: Pane,
    since: Option<UtcMicros>,
    known: &Panes,
) -> Result<Panes, ReadError> {
    let from = since.map(keys::pane_start);
    let range = from.as_deref().unwrap_or(ALL_KEYS.start)..ALL_KEYS.end;
    let items = store.list(&keys::panes(id, size), range).await?;
    items.into_iter().map(|(key, item)| pane(key, item, known)).collect()
}

/// The known minutes with the last few read anew.
async fn recent_minutes(
    store: &dyn LiveStore,
    id: &VantageId,
    now: UtcMicros,
    known: &Panes,
) -> Result<Panes, ReadError> {
    let since = Pane::Minute.start_of(now) - (RECENT_MINUTES - 1) * Pane::Minute.micros();
    let from = keys::pane_start(since);
    let items = store.list(&keys::panes(id, Pane::Minute), &*from..ALL_KEYS.end).await?;
    let mut minutes = known.clone();
    drop(minutes.split_off(&since));
    for (key, item) in items {
        let (start, stored) = pane(key, item, known)?;
        minutes.insert(start, stored);
    }
    Ok(minutes)
}

fn pane(key: Key, item: Item, known: &Panes) -> Result<(UtcMicros, StoredPane), ReadError> {
    let start = key.sort.parse().ok().map(UtcMicros);
    let same = start.and_then(|start| known.get(&start)).filter(|known| known.version == item.version);
    if let (Some(start), Some(same)) = (start, same) {
        return Ok((start, same.clone()));
    }
    let pane = PaneItem::decode(&item.value).map_err(|source| fault(&key, source))?;
    let stored = StoredPane { version: item.version, pane: Arc::new(pane) };
    Ok((stored.pane.start, stored))
}

fn fault(key: &Key, source: StoredError) -> ReadError {
    ReadError::Item { item: format!("{}/{}", key.partition, key.sort), source }
}
