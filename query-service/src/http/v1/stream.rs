//! `GET /api/v1/stream`: live changes as Server-Sent Events.
//!
//! The first event `cell` holds every selected cell, later ones those that changed, some ten events a second at most. A pair that has left the
//! window comes once more with nothing sent. Route changes of the selected pairs that are found from then on come as events `change`.
//! Nothing is queued: a client that reads slowly gets the newest state when it is ready for it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use cloudping_model::{RouteChange, UtcMicros, VantageId};
use cloudping_schemas::api::{Cell, CellUpdate};
use cloudping_schemas::stored::SeriesKey;
use futures::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::changes::answer;
use super::matrix::selection;
use crate::http::off_thread;
use crate::http::parameters::{PERCENTILE, PROTOCOL, SOURCE, TARGET, WINDOW, parameters};
use crate::http::problem::Failure;
use crate::live_view::{LiveView, Merged, Selection};
use crate::service::Shared;
use crate::text::rfc3339;

/// The live view is not renewed more often than about so.
const LEAST_GAP: Duration = Duration::from_millis(100);
const HEARTBEAT: Duration = Duration::from_secs(15);

parameters! {
    /// Parameters of `stream`.
    StreamParams: PERCENTILE, WINDOW, PROTOCOL, SOURCE, TARGET
}

/// Live changes as Server-Sent Events.
///
/// The first event `cell` holds every selected cell, later ones those that changed. Route changes that are found from then on come as
/// events `change`.
#[utoipa::path(get, path = "/api/v1/stream", tag = "live", params(StreamParams), responses(
    (status = 200, description = "Events without end.", body = String, content_type = "text/event-stream"),
))]
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let params = StreamParams::read(&uri)?;
    let selection = selection(&params)?;
    let place = Arc::clone(&shared.streams).try_acquire_owned().map_err(|_| {
        let text = "as many clients as may follow the stream are following it: try again later, or poll /api/v1/matrix";
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, text)
    })?;
    let client = Client::new(&shared, selection, place);
    let events = stream::unfold(client, |mut client| async {
        let event = client.next().await?;
        Some((Ok(event), client))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// Each vantage point's series as they were, and the cells made of them, by target.
type Shown = BTreeMap<VantageId, (Arc<Merged>, BTreeMap<String, Cell>)>;
type Told = BTreeSet<(String, SeriesKey, UtcMicros)>;

fn identity(change: &RouteChange) -> (String, SeriesKey, UtcMicros) {
    let (protocol, family) = (change.protocol, change.family);
    let series = SeriesKey { target: change.target.clone(), protocol, family };
    (change.vantage.to_string(), series, change.minute)
}

/// One client, and what it has been told.
struct Client {
    selection: Selection,
    views: watch::Receiver<Arc<LiveView>>,
    closing: watch::Receiver<bool>,
    pace: Interval,
    shown: Option<Shown>,
    told: Option<Told>,
    simulated: bool,
    /// The second one where there were two.
    ready: Option<Event>,
    _place: OwnedSemaphorePermit,
}

impl Client {
    fn new(shared: &Shared, selection: Selection, place: OwnedSemaphorePermit) -> Self {
        let mut views = shared.views();
        // What is there already is news to this client.
        views.mark_changed();
        let mut pace = interval(LEAST_GAP);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (closing, simulated) = (shared.closing(), shared.settings.simulated);
        Self { selection, views, closing, pace, shown: None, told: None, simulated, ready: None, _place: place }
    }

    /// The next event; `None` when the service shuts down.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.take() {
                return Some(event);
            }
            tokio::select! {
                _ = self.closing.wait_for(|closing| *closing) => return None,
                changed = next_view(&mut self.pace, &mut self.views) => changed.then_some(())?,
            }
            let view = Arc::clone(&self.views.borrow_and_update());
            if view.now == UtcMicros(0) {
                // Nothing was read yet: what comes next is no news.
                continue;
            }
            self.ready = self.news(&view);
            let (selection, shown) = (self.selection.clone(), self.shown.take());
            let (update, shown) = off_thread(move || changes(&view, &selection, shown)).await.ok()?;
            self.shown = Some(shown);
            if let Some(update) = update {
                return Event::default().event("cell").json_data(update).ok();
            }
        }
    }

    /// The route changes that were found since the client was told of the others. Those before its first view are not news.
    fn news(&mut self, view: &LiveView) -> Option<Event> {
        let known: Vec<&RouteChange> = view.changes().filter(|change| self.selection.has(change)).collect();
        let told = self.told.replace(known.iter().map(|change| identity(change)).collect())?;
        let new: Vec<&RouteChange> = known.into_iter().filter(|change| !told.contains(&identity(change))).collect();
        let count = new.len();
        let data = (count > 0).then(|| answer(new, count, self.simulated))?;
        Event::default().event("change").json_data(data).ok()
    }
}

/// Waits for the pace and then for a new view; false when there will be none.
async fn next_view(pace: &mut Interval, views: &mut watch::Receiver<Arc<LiveView>>) -> bool {
    pace.tick().await;
    views.changed().await.is_ok()
}

/// What to tell a client that was told `shown` (`None`: nothing yet), and what it then knows. Only vantage points whose series have
/// changed are looked at.
fn changes(view: &LiveView, selection: &Selection, shown: Option<Shown>) -> (Option<CellUpdate>, Shown) {
    let first = shown.is_none();
    let (mut before, mut now, mut changed) = (shown.unwrap_or_default(), Shown::new(), Vec::new());
    let wanted = |id: &VantageId| selection.source.as_deref().is_none_or(|source| source == id.as_str());
    for (id, vantage) in view.vantages.iter().filter(|(id, _)| wanted(id)) {
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
        changed.extend(
            cells.iter().filter(|(target, cell)| known.get(*target) != Some(cell)).map(|(_, cell)| cell.clone()),
        );
        changed.extend(known.iter().filter(|(target, _)| !cells.contains_key(*target)).map(|(_, cell)| emptied(cell)));
        now.insert(id.clone(), (series, cells));
    }
    changed.extend(before.values().flat_map(|(_, cells)| cells.values().map(emptied)));
    let update =
        (first || !changed.is_empty()).then(|| CellUpdate { as_of: view.as_of().map(rfc3339), cells: changed });
    (update, now)
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
