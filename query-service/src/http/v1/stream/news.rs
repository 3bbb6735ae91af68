//! What a view has that the channel has not told yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloudping_model::{GapReason, RouteChange, UtcMicros, VantageId};
use cloudping_schemas::api::{Cell, Gap, Gaps};
use cloudping_schemas::stored::SeriesKey;

use super::super::changes::answer;
use super::state::News;
use crate::live_view::{LiveView, Merged, Selection};
use crate::text::rfc3339;

/// What has been told of the last view. Empty before the first.
#[derive(Default)]
pub(super) struct Memory(Option<Told>);

struct Told {
    shown: Shown,
    changes: BTreeSet<ChangeId>,
    gaps: Reported,
}

/// Each vantage point's series as they were, and the cells made of them, by target.
type Shown = BTreeMap<VantageId, (Arc<Merged>, BTreeMap<String, Cell>)>;
type ChangeId = (String, SeriesKey, UtcMicros);
/// How many gaps each vantage point has reported of each hour, by reason.
type Reported = BTreeMap<VantageId, BTreeMap<UtcMicros, [u64; GapReason::ALL.len()]>>;

/// What is new; of the first view the cells, even when there are none.
pub(super) fn news(view: &LiveView, selection: &Selection, memory: Memory, simulated: bool) -> (Option<News>, Memory) {
    let (changes, gaps) = (known_changes(view, selection), reported(view, selection));
    let first = memory.0.is_none();
    let mut events = Vec::new();
    let before = memory.0.map(|told| {
        events.extend(new_changes(&changes, &told.changes, simulated));
        events.extend(new_gaps(&gaps, &told.gaps, simulated));
        told.shown
    });
    let (cells, shown) = changed_cells(view, selection, before.unwrap_or_default());
    let news = (first || !cells.is_empty() || !events.is_empty()).then(|| News {
        as_of: view.as_of().map(rfc3339),
        cells,
        events,
    });
    let changes = changes.into_iter().map(identity).collect();
    (news, Memory(Some(Told { shown, changes, gaps })))
}

fn known_changes<'a>(view: &'a LiveView, selection: &Selection) -> Vec<&'a RouteChange> {
    view.changes().filter(|change| selection.has(change)).collect()
}

fn identity(change: &RouteChange) -> ChangeId {
    let (protocol, family) = (change.protocol, change.family);
    let series = SeriesKey { target: change.target.clone(), protocol, family };
    (change.vantage.to_string(), series, change.minute)
}

/// The route changes that were found since.
fn new_changes(known: &[&RouteChange], told: &BTreeSet<ChangeId>, simulated: bool) -> Option<(&'static str, String)> {
    let new: Vec<&RouteChange> = known.iter().copied().filter(|change| !told.contains(&identity(change))).collect();
    let count = new.len();
    let data = (count > 0).then(|| answer(new, count, simulated))?;
    Some(("change", serde_json::to_string(&data).ok()?))
}

/// What the selected vantage points report missing.
fn reported(view: &LiveView, selection: &Selection) -> Reported {
    let selected = view.vantages.iter().filter(|(id, _)| is_selected(selection, id));
    let hours =
        |ledger: &[cloudping_schemas::stored::LedgerHour]| ledger.iter().map(|hour| (hour.start, hour.gaps)).collect();
    selected.map(|(id, vantage)| (id.clone(), hours(&vantage.stored.head.ledger))).collect()
}

/// The gaps that were reported since. Those of a vantage point that was not known before are not news.
fn new_gaps(known: &Reported, told: &Reported, simulated: bool) -> Option<(&'static str, String)> {
    let mut gaps = Vec::new();
    for (id, hours) in known {
        let Some(before) = told.get(id) else { continue };
        for (hour, counts) in hours {
            let before = before.get(hour).copied().unwrap_or_default();
            for ((reason, total), before) in GapReason::ALL.into_iter().zip(*counts).zip(before) {
                if total > before {
                    let (source, hour) = (id.to_string(), rfc3339(*hour));
                    gaps.push(Gap { source, hour, reason: reason.name().to_owned(), count: total - before, total });
                }
            }
        }
    }
    let data = (!gaps.is_empty()).then_some(Gaps { simulated, gaps })?;
    Some(("gap", serde_json::to_string(&data).ok()?))
}

/// The cells that changed, with whether they are still in the window, and all that there are now. Only vantage points whose series have
/// changed are looked at.
fn changed_cells(view: &LiveView, selection: &Selection, mut before: Shown) -> (Vec<(Cell, bool)>, Shown) {
    let (mut now, mut changed) = (Shown::new(), Vec::new());
    for (id, vantage) in view.vantages.iter().filter(|(id, _)| is_selected(selection, id)) {
        let series = Arc::clone(vantage.series(selection.window));
        let known = match before.remove(id) {
            Some((known, cells)) if Arc::ptr_eq(&known, &series) => {
                now.insert(id.clone(), (known, cells));
                continue;
            }
            known => known.map(|(_, cells)| cells).unwrap_or_default(),
        };
        let of_this = Selection { source: Some(id.to_string()), ..selection.clone() };
        let cells = view.cells(&of_this).into_iter().map(|cell| (cell.target.clone(), cell));
        let cells: BTreeMap<String, Cell> = cells.collect();
        let differs = |(target, cell): &(&String, &Cell)| known.get(*target) != Some(*cell);
        changed.extend(cells.iter().filter(differs).map(|(_, cell)| (cell.clone(), true)));
        let gone = known.iter().filter(|(target, _)| !cells.contains_key(*target));
        changed.extend(gone.map(|(_, cell)| (emptied(cell), false)));
        now.insert(id.clone(), (series, cells));
    }
    changed.extend(before.values().flat_map(|(_, cells)| cells.values().map(|cell| (emptied(cell), false))));
    (changed, now)
}

fn is_selected(selection: &Selection, id: &VantageId) -> bool {
    selection.source.as_deref().is_none_or(|source| source == id.as_str())
}

/// A pair of which nothing is left in the window.
fn emptied(cell: &Cell) -> Cell {
    Cell {
        rtt_ms: None,
        count: 0,
        sent: 0,
        lost: 0,
        retransmitted: 0,
        loss: 0.0,
        stddev_ms: None,
        jitter_ms: None,
        low_count: true,
        ..cell.clone()
    }
}
