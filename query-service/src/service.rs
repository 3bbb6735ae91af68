//! The service: what its doors share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use cloudping_model::UtcMicros;
use cloudping_ports::{LiveStore, StoreError};
use cloudping_schemas::api::Health;
use tokio::sync::{Semaphore, watch};
use tracing::Instrument;

use crate::Settings;
use crate::access::Gate;
use crate::alerts::{self, Alerts};
use crate::archive::{Archive, ArchiveError};
use crate::gateways;
use crate::http::{self, Hot, Moment};
use crate::live_tables::Views;
use crate::live_view::{LiveView, MAX_AGE_US};
use crate::metrics::{Metrics, Seen, Statements};
use crate::refresh::older_days::{self, Added};
use crate::refresh::{self, Refreshed};
use crate::sql::{SqlDoor, SqlError};
use crate::text::rfc3339;

/// Without a reading of the live store for this long the service calls itself degraded.
const REFRESH_OVERDUE_US: i64 = 10_000_000;
/// After how long a refresh begins no further piece of the days that are still missing.
const OLDER_DAYS_FOR: Duration = Duration::from_secs(1);

/// Why a service cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The archive's address is malformed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The SQL door cannot be opened.
    #[error("SQL door: {0}")]
    Sql(#[from] SqlError),
}

/// The query service. Copies share everything.
#[derive(Clone)]
pub struct Service(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn LiveStore>,
    pub(crate) clock: fn() -> UtcMicros,
    pub(crate) door: SqlDoor,
    pub(crate) gate: Gate,
    /// Places for clients of the stream.
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) alerts: alerts::Board,
    pub(crate) gateways: gateways::Board,
    pub(crate) hub: http::Hub,
    /// Finished live answers.
    pub(crate) hot: Hot,
    pub(crate) metrics: Metrics,
    view: watch::Sender<Arc<LiveView>>,
    /// Counts the views; raised once the view is there.
    generation: AtomicU64,
    closing: watch::Sender<bool>,
    refreshing: tokio::sync::Mutex<()>,
    status: Mutex<Status>,
    started: UtcMicros,
}

/// How the last readings of the live store went.
#[derive(Debug, Clone, Default)]
struct Status {
    read_at: Option<UtcMicros>,
    faults: Vec<String>,
}

impl Service {
    /// A service that has read nothing yet. `clock` tells the present.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(settings: Settings, store: Arc<dyn LiveStore>, clock: fn() -> UtcMicros) -> Result<Self, SetupError> {
        let archive = Archive::new(&settings)?;
        let view = watch::Sender::new(Arc::new(LiveView::default()));
        let views = Views { newest: view.subscribe(), clock };
        let started = clock();
        let statements = Statements::new(clock);
        let metrics = Metrics::new(started, &statements);
        Ok(Self(Arc::new(Shared {
            hot: Hot::new(settings.live.cache_bytes),
            metrics,
            generation: AtomicU64::new(0),
            door: SqlDoor::new(archive, views, &settings, statements)?,
            gate: Gate::new(settings.access.clone(), Arc::clone(&store), clock),
            streams: Arc::new(Semaphore::new(settings.live.streams)),
            alerts: alerts::Board::default(),
            gateways: gateways::Board::new(settings.gateways.clone()),
            // Ids of events must not be taken for those of an earlier process.
            hub: http::Hub::new(settings.live.selections, format!("{:x}", clock().0)),
            view,
            closing: watch::Sender::new(false),
            refreshing: tokio::sync::Mutex::new(()),
            status: Mutex::new(Status::default()),
            started,
            settings,
            store,
            clock,
        })))
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.0)
    }

    /// Every door.
    pub fn router(&self) -> Router {
        http::router(Arc::clone(&self.0))
    }

    /// Holds rules against the live view, each second, and tells of them, until `shutdown` turns true. What was not delivered by then is left
    /// in the live store for the next service.
    pub async fn watch_alerts(&self, alerts: Alerts, shutdown: watch::Receiver<bool>) {
        alerts::run(Arc::clone(&self.0), alerts, shutdown).await;
    }

    /// The gate, for doors beside the router.
    #[must_use]
    pub fn gate(&self) -> Gate {
        self.0.gate.clone()
    }

    /// The SQL that the doors beside HTTP offer too.
    #[must_use]
    pub fn sql(&self) -> &SqlDoor {
        &self.0.door
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> UtcMicros {
        (self.0.clock)()
    }

    /// Whether the network that the service tells of is simulated.
    #[must_use]
    pub fn simulated(&self) -> bool {
        self.0.settings.simulated
    }

    /// Reads what has changed in the live store and shows it. Call it after each commit and at least once a second: windows end at `now`.
    /// Until the whole year has been read it goes on with older days for a second and a piece, and windows that lack some have no answers.
    ///
    /// # Errors
    /// [`StoreError`]; what was shown stays, and `/healthz` says so.
    pub async fn refresh(&self, now: UtcMicros) -> Result<(), StoreError> {
        let _one_at_a_time = self.0.refreshing.lock().await;
        let previous = Arc::clone(&self.0.view.borrow());
        let reading = refresh::read(self.0.store.as_ref(), &previous, now);
        let Refreshed { view, faults, cut_short } =
            reading.instrument(tracing::debug_span!("refresh")).await.map_err(|error| self.0.unread(error))?;
        tell(&faults);
        if let Some(error) = cut_short {
            self.0.publish(view);
            return Err(self.0.unread(error));
        }
        self.0.show(view, &faults);
        let (view, started) = (Arc::clone(&self.0.view.borrow()), Instant::now());
        let older = older_days::read(self.0.store.as_ref(), &view, || started.elapsed() >= OLDER_DAYS_FOR);
        let Added { view, faults: broken, cut_short } = older.instrument(tracing::debug_span!("older days")).await;
        tell(&broken);
        if let Some(error) = cut_short {
            tracing::warn!(%error, "older days are read on at the next refresh");
        }
        if let Some(view) = view {
            self.0.show(view, &faults);
        }
        Ok(())
    }
}

fn tell(faults: &[String]) {
    for fault in faults {
        tracing::error!("{fault}");
    }
}

impl Shared {
    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, view: LiveView, faults: &[String]) {
        let faults = faults.iter().map(String::as_str).chain(view.broken_days()).map(str::to_owned).collect();
        *self.status() = Status { read_at: Some(view.now), faults };
        self.publish(view);
    }

    fn publish(&self, view: LiveView) {
        self.metrics.viewed(&view);
        self.view.send_replace(Arc::new(view));
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// What was shown stays. The text may name paths: the page gets the fact, the log the rest.
    fn unread(&self, error: StoreError) -> StoreError {
        tracing::error!("{error}");
        self.status().faults = vec!["the live store cannot be read".to_owned()];
        error
    }

    /// The live view, at most a few seconds old.
    pub(crate) fn view(&self) -> Arc<LiveView> {
        Arc::clone(&self.view.borrow()).fresh((self.clock)())
    }

    /// Which view an answer that is made from now on is of.
    pub(crate) fn moment(&self) -> Moment {
        // The generation first: it may be older than the view, never newer.
        let generation = self.generation.load(Ordering::Acquire);
        let shown = self.view.borrow().now;
        let oldest = (self.clock)() - MAX_AGE_US;
        // One that is too old is moved to the present.
        let as_of = if shown < oldest { oldest + MAX_AGE_US } else { shown };
        Moment { generation, as_of, oldest }
    }

    /// What the metrics look up.
    pub(crate) fn seen(&self) -> Seen {
        let now = (self.clock)();
        let view = Arc::clone(&self.view.borrow());
        let read_at = self.status().read_at;
        Seen {
            view_age: read_at.map(|at| now.since(at).as_secs_f64()),
            round_age: view.as_of().map(|at| now.since(at).as_secs_f64()),
            vantages: view.vantages.len(),
            stream_clients: self.settings.live.streams.saturating_sub(self.streams.available_permits()),
            cache_bytes: self.hot.bytes(),
            versions: self.door.table_versions(),
        }
    }

    /// Wakes with each new view.
    pub(crate) fn views(&self) -> watch::Receiver<Arc<LiveView>> {
        self.view.subscribe()
    }

    /// Tells everyone that the service shuts down.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Becomes true when the service shuts down.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// How the service is doing at `now`.
    pub(crate) fn health(&self, now: UtcMicros) -> Health {
        let status = self.status().clone();
        let (latest, unsent) = {
            let view = self.view.borrow();
            (view.as_of(), unsent(&view))
        };
        let mut reasons = reasons(&status, latest, self.started, now, self.settings.live.stale_after);
        reasons.extend(unsent);
        let word = match (reasons.is_empty(), latest) {
            (false, _) => "degraded",
            (true, None) => "starting",
            (true, Some(_)) => "ok",
        };
        Health {
            status: word.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            simulated: self.settings.simulated,
            latest: latest.map(rfc3339),
            reasons,
            audit: None,
        }
    }
}

/// Vantage points whose rounds come in with no probe sent in the newest hour.
fn unsent(view: &LiveView) -> Vec<String> {
    let newest = view.vantages.iter().filter_map(|(id, vantage)| Some((id, vantage.stored.head.ledger.last()?)));
    newest
        .filter(|(_, hour)| hour.sent == 0 && hour.not_sent > 0)
        .map(|(id, hour)| {
            let count = hour.not_sent;
            format!("{id} could send none of its {count} probes of this hour: check its name resolution (DNS) and its network")
        })
        .collect()
}

/// Everything that is wrong with the service itself.
fn reasons(
    status: &Status,
    latest: Option<UtcMicros>,
    started: UtcMicros,
    now: UtcMicros,
    stale_after: Duration,
) -> Vec<String> {
    let mut reasons = status.faults.clone();
    let unread = now.since(status.read_at.unwrap_or(started));
    if unread > Duration::from_micros(REFRESH_OVERDUE_US.unsigned_abs()) {
        reasons.push(format!("the live store was not read for {} s", unread.as_secs()));
    }
    let silent = now.since(latest.unwrap_or(started));
    if silent > stale_after {
        reasons.push(match latest {
            Some(_) => format!("the newest round started {} s ago", silent.as_secs()),
            None => format!("no round has come since the start {} s ago", silent.as_secs()),
        });
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn reasons_at(status: &Status, latest: Option<i64>, now: i64) -> Vec<String> {
        let latest = latest.map(|at| UtcMicros(at * SECOND));
        reasons(status, latest, UtcMicros(0), UtcMicros(now * SECOND), Duration::from_secs(30))
    }

    #[test]
    fn silence_is_degraded_and_a_start_is_not() {
        let read_at = |at: i64| Status { read_at: Some(UtcMicros(at * SECOND)), faults: Vec::new() };
        assert!(reasons_at(&read_at(29), None, 30).is_empty());
        assert_eq!(reasons_at(&read_at(31), None, 31), ["no round has come since the start 31 s ago"]);
        assert!(reasons_at(&read_at(100), Some(70), 100).is_empty());
        assert_eq!(reasons_at(&read_at(101), Some(70), 101), ["the newest round started 31 s ago"]);
        assert_eq!(reasons_at(&read_at(89), Some(99), 100), ["the live store was not read for 11 s"]);
    }
}
