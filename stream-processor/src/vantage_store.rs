//! The I/O of one vantage point's state: what it needs is read from the live store.

use std::collections::BTreeMap;

use cloudping_model::{Pane, RouteChange, UtcMicros, VantageId};
use cloudping_ports::{Change, Expect, Item, Key, LiveStore, Write};
use cloudping_schemas::event::Head;
use cloudping_schemas::stored::{ChangesItem, RegimesItem, SeriesTable, StoredError, VantageHead, keys};

use crate::fold::{Gathering, ParentPane, merge_panes};
use crate::minute::MinutePane;
use crate::processor::ProcessError;
use crate::reached::{LOOKED_BACK_US, addresses};
use crate::regimes::{Found, Regimes, route_change};
use crate::retention::{CHANGES_KEPT_US, MINUTES_HELD_US};
use crate::vantage::{PaneId, VantageState, head_key, kept_us, pane_key, put};
use crate::watch::Watch;

/// So many hours are folded at once; each with its day makes two writes.
const HOURS_AT_ONCE: usize = 6;
/// Panes deleted at once: a store may have to delete several pieces of each.
const DELETES_OF_A_COMMIT: usize = 20;

/// Reads what is stored of a vantage point.
pub(crate) async fn load(
    store: &dyn LiveStore,
    vantage: VantageId,
    allowed_lateness_us: i64,
) -> Result<VantageState, ProcessError> {
    let mut state = VantageState::new(vantage, allowed_lateness_us);
    let key = head_key(&state.vantage);
    if let Some(item) = store.get(&key).await? {
        state.found(VantageHead::decode(&item.value).map_err(fault(key))?, item.version);
    }
    let key = Key::new(keys::SERIES, state.vantage.as_str());
    if let Some(item) = store.get(&key).await? {
        state.table_stored = Expect::Version(item.version);
        state.table = SeriesTable::decode(&item.value).map_err(fault(key))?;
        state.table_length = state.table.len();
    }
    let key = Key::new(keys::WATCHES, state.vantage.as_str());
    if let Some(item) = store.get(&key).await? {
        state.watch = Watch::read(&item.value, Expect::Version(item.version)).map_err(fault(key))?;
    }
    let held_since = Pane::Minute.start_of(state.head.watermark - MINUTES_HELD_US);
    hold_minutes(store, &mut state, held_since, None).await?;
    state.held_since = held_since;
    Ok(state)
}

/// Holds the minutes that a round is counted in, and the hours and days that contain them.
pub(crate) async fn hold_for(
    store: &dyn LiveStore,
    state: &mut VantageState,
    round: &Head<'_>,
) -> Result<(), ProcessError> {
    let (mut minute, last) = VantageState::minutes_of(round);
    while minute <= last {
        if !state.minutes.contains_key(&minute) {
            if minute < state.held_since {
                let end = minute + Pane::Minute.micros();
                hold_minutes(store, state, minute, Some(end)).await?;
            }
            state.minutes.entry(minute).or_insert_with(|| MinutePane::new(minute));
        }
        if minute < state.head.folded_until {
            let containing: Vec<PaneId> = state.containing(minute).collect();
            for id in containing {
                hold_parent(store, state, id).await?;
            }
        }
        minute = minute + Pane::Minute.micros();
    }
    Ok(())
}

/// Holds every stored minute that starts in the range; those that are held stay as they are.
async fn hold_minutes(
    store: &dyn LiveStore,
    state: &mut VantageState,
    from: UtcMicros,
    until: Option<UtcMicros>,
) -> Result<(), ProcessError> {
    let (first, end) = (keys::pane_start(from), until.map(keys::pane_start));
    let range = &*first..end.as_deref().unwrap_or(keys::ALL.end);
    let partition = keys::panes(&state.vantage, Pane::Minute);
    for (key, item) in store.list(&partition, range).await? {
        let pane =
            MinutePane::read(&item.value, Expect::Version(item.version), &mut state.table).map_err(fault(key))?;
        state.minutes.entry(pane.start()).or_insert(pane);
    }
    Ok(())
}

/// [`hold_minutes`] of a range of which the newer part is held anyway.
async fn hold_older_minutes(
    store: &dyn LiveStore,
    state: &mut VantageState,
    from: UtcMicros,
    until: UtcMicros,
) -> Result<(), ProcessError> {
    let until = until.min(state.held_since);
    if from < until { hold_minutes(store, state, from, Some(until)).await } else { Ok(()) }
}

async fn hold_parent(store: &dyn LiveStore, state: &mut VantageState, id: PaneId) -> Result<(), ProcessError> {
    if state.parents.contains_key(&id) {
        return Ok(());
    }
    let key = pane_key(&state.vantage, id);
    let pane = match store.get(&key).await? {
        None => ParentPane::new(id.1),
        Some(Item { version, value }) => {
            ParentPane::read(&value, Expect::Version(version), &mut state.table).map_err(fault(key))?
        }
    };
    state.parents.insert(id, pane);
    Ok(())
}

/// Searches the minutes before `target` for route steps; gives what it found, which the next commit stores.
pub(crate) async fn observe(
    store: &dyn LiveStore,
    state: &mut VantageState,
    target: UtcMicros,
) -> Result<Vec<RouteChange>, ProcessError> {
    let from = state.watch.observed_until;
    hold_older_minutes(store, state, from, target).await?;
    let mut steps = Vec::new();
    for (_, minute) in state.minutes.range_mut(from..target) {
        minute.put_in_order();
        let certain_at = minute.start();
        steps.extend(state.watch.observe(minute).into_iter().map(|(place, step)| Found { place, step, certain_at }));
    }
    state.watch.reach(target, !steps.is_empty());
    if steps.is_empty() { Ok(Vec::new()) } else { record_steps(store, state, &steps).await }
}

/// Ends the levels of series that stepped: writes the changes, for readers and for the event log, and the new regimes.
async fn record_steps(
    store: &dyn LiveStore,
    state: &mut VantageState,
    steps: &[Found],
) -> Result<Vec<RouteChange>, ProcessError> {
    let first = steps.iter().map(|found| found.at() - LOOKED_BACK_US).min();
    let from = state.head.folded_until.min(first.unwrap_or(state.head.folded_until));
    hold_older_minutes(store, state, from, state.head.watermark).await?;
    state.minutes.values_mut().for_each(MinutePane::put_in_order);
    let (mut regimes, stored) = take_regimes(store, state).await?;
    let mut changes = Vec::new();
    for found in steps {
        let minutes = state.minutes.range(state.head.folded_until..).map(|(_, minute)| minute);
        let (since, ended) = regimes.end(found.place, found.at(), minutes);
        let minutes = state.minutes.range(..=found.certain_at).map(|(_, minute)| minute);
        let addresses = addresses(found.place, found.at(), minutes);
        if let Some(key) = state.table.get(found.place) {
            changes.push(route_change(state, key, found, (since, &ended), addresses));
        }
    }
    put_changes(store, state, &changes).await?;
    state.regimes = Some((regimes, stored));
    Ok(changes)
}

/// Has changes stored with the next commit: for readers, and for the event log. Those of a minute are one item, however many series
/// stepped with it.
async fn put_changes(
    store: &dyn LiveStore,
    state: &mut VantageState,
    changes: &[RouteChange],
) -> Result<(), ProcessError> {
    let mut by_minute: BTreeMap<UtcMicros, ChangesItem> = BTreeMap::new();
    for change in changes {
        by_minute.entry(change.minute).or_default().changes.push(change.clone());
    }
    for (minute, item) in by_minute {
        let sort = keys::change(minute, state.watch.observed_until);
        let outgoing = format!("{}/{sort}", state.vantage);
        for key in [Key::new(keys::changes(&state.vantage), sort), Key::new(keys::OUTBOX, outgoing)] {
            let mut expect = Expect::unchanged(store.get(&key).await?.as_ref());
            state.others.push(put(key, &mut expect, item.encode()));
        }
    }
    Ok(())
}

/// Folds the minutes before `target`, or the first of them, into their hours, and hours into their days where these are over.
pub(crate) async fn fold(
    store: &dyn LiveStore,
    state: &mut VantageState,
    target: UtcMicros,
) -> Result<(), ProcessError> {
    let from = state.head.folded_until;
    hold_older_minutes(store, state, from, target).await?;
    let mut hours: Vec<UtcMicros> = Vec::new();
    for (start, minute) in state.minutes.range_mut(from..target) {
        minute.put_in_order();
        let hour = Pane::Hour.start_of(*start);
        if hours.last() != Some(&hour) {
            hours.push(hour);
        }
    }
    // More go with further calls: what a call folds must fit into a commit.
    let target = hours.get(HOURS_AT_ONCE).copied().unwrap_or(target);
    hours.truncate(HOURS_AT_ONCE);
    for hour in hours {
        hold_parent(store, state, (Pane::Hour, hour)).await?;
        let (mut regimes, stored) = take_regimes(store, state).await?;
        let range = from.max(hour)..target.min(hour + Pane::Hour.micros());
        let minutes = state.minutes.range(range).map(|(_, minute)| minute);
        let mut gathering = Gathering::with_room_for(minutes.clone());
        minutes.clone().for_each(|minute| gathering.add(minute, |_| true));
        let gathered = gathering.finish();
        regimes.add(&gathered, minutes);
        if let Some(pane) = state.parents.get_mut(&(Pane::Hour, hour)) {
            pane.add(gathered);
        }
        state.regimes = Some((regimes, stored));
    }
    let days = Pane::Day.start_of(target);
    if days > state.head.hours_folded_until {
        fold_days(store, state, days).await?;
    }
    state.folded(target, days);
    Ok(())
}

async fn fold_days(store: &dyn LiveStore, state: &mut VantageState, target: UtcMicros) -> Result<(), ProcessError> {
    let from = state.head.hours_folded_until;
    let (first, end) = (keys::pane_start(from), keys::pane_start(target));
    for (key, item) in store.list(&keys::panes(&state.vantage, Pane::Hour), &first..&end).await? {
        let pane =
            ParentPane::read(&item.value, Expect::Version(item.version), &mut state.table).map_err(fault(key))?;
        state.parents.entry((Pane::Hour, pane.start)).or_insert(pane);
    }
    let hours = state.parents.range((Pane::Hour, from)..(Pane::Hour, target)).map(|((_, start), _)| *start);
    let mut days: Vec<UtcMicros> = hours.map(|hour| Pane::Day.start_of(hour)).collect();
    days.dedup();
    for day in days {
        let range = (Pane::Hour, from.max(day))..(Pane::Hour, target.min(day + Pane::Day.micros()));
        let merged = merge_panes(state.parents.range(range).map(|(_, pane)| pane));
        hold_parent(store, state, (Pane::Day, day)).await?;
        if let Some(pane) = state.parents.get_mut(&(Pane::Day, day)) {
            pane.add(merged);
        }
    }
    Ok(())
}

/// The regimes as the next commit will have them so far.
async fn take_regimes(store: &dyn LiveStore, state: &mut VantageState) -> Result<(Regimes, Expect), ProcessError> {
    if let Some(held) = state.regimes.take() {
        return Ok(held);
    }
    let key = Key::new(keys::REGIMES, state.vantage.as_str());
    match store.get(&key).await? {
        None => Ok((Regimes::default(), Expect::Absent)),
        Some(item) => {
            let regimes = RegimesItem::decode(&item.value).map_err(fault(key))?;
            Ok((Regimes::of(regimes), Expect::Version(item.version)))
        }
    }
}

/// Deletes what is no longer kept of a vantage point, in commits of their own: whatever remains goes with the next fold.
pub(crate) async fn expire(store: &dyn LiveStore, state: &VantageState) -> Result<(), ProcessError> {
    let watermark = state.head.watermark;
    let panes = Pane::ALL.map(|pane| (keys::panes(&state.vantage, pane), watermark - kept_us(pane) - pane.micros()));
    let changes = (keys::changes(&state.vantage), watermark - CHANGES_KEPT_US);
    for (partition, last_expired) in panes.into_iter().chain([changes]) {
        let end = keys::pane_start(last_expired + 1);
        let expired = store.list(&partition, keys::ALL.start..&end).await?;
        let deletes: Vec<Write> = (expired.into_iter())
            .map(|(key, item)| Write { key, expect: Expect::Version(item.version), change: Change::Delete })
            .collect();
        for chunk in deletes.chunks(DELETES_OF_A_COMMIT) {
            store.commit(chunk.to_vec()).await?;
        }
    }
    Ok(())
}

fn fault(key: Key) -> impl FnOnce(StoredError) -> ProcessError {
    move |source| ProcessError::Stored { key, source }
}
