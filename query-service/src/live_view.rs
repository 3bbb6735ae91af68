//! An immutable picture of the live store at one moment, from which every live answer is given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cloudping_digest::SeriesSummary;
use cloudping_model::{Family, Pane, Protocol, Rolling, RouteChange, UtcMicros, VantageId};
use cloudping_schemas::api::Cell;
use cloudping_schemas::stored::{SeriesKey, VantageHead};
use cloudping_windows::{Columns, Panes, Places, Windows};

use crate::statistic::Statistic;
use crate::text::{millis, rfc3339};

/// A view that is older than this when it is asked is moved to the present first, so that windows age out although nothing is read.
pub const MAX_AGE_US: i64 = 3_000_000;

/// The series of one window.
pub type Merged = BTreeMap<SeriesKey, SeriesSummary>;

/// What the live store holds of one vantage point.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Its head item's version.
    pub version: u64,
    /// Its head.
    pub head: VantageHead,
    /// Which series its panes are of.
    pub places: Arc<Places>,
    /// Its panes: as many minutes as there are, hours and days as far as the rolling windows need them.
    pub panes: Panes,
    /// Its newest route changes, in the order of their minutes.
    pub changes: Arc<Vec<RouteChange>>,
    /// When all its minutes and hours were listed last, and the head's version then.
    pub listed: (UtcMicros, u64),
    /// The same of all its days.
    pub days_listed: (UtcMicros, u64),
    /// From when on its days are known; `None` before the first reading.
    pub days_from: Option<UtcMicros>,
    /// Of older days that could not be read: when that was, and why.
    pub broken_days: Option<(UtcMicros, Arc<str>)>,
}

impl Stored {
    /// Whether everything has been read that the window is made of.
    #[must_use]
    pub fn has_all_of(&self, window: Rolling, now: UtcMicros) -> bool {
        window.pane() != Pane::Day || self.days_from.is_some_and(|from| from <= window.first_pane(now))
    }

    /// Whether days of the window are still to come.
    fn is_reading(&self, window: Rolling, now: UtcMicros) -> bool {
        !self.has_all_of(window, now) && self.broken_days.is_none()
    }
}

/// What is known of one vantage point at one moment.
#[derive(Debug, Default)]
pub struct VantageView {
    /// What is stored.
    pub stored: Arc<Stored>,
    now: UtcMicros,
    merged: [OnceLock<Arc<Merged>>; Rolling::ALL.len()],
    /// What earlier views have merged, and later ones will go on with.
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    windows: Windows,
    /// The last answer for each window, with what it was made of.
    named: [Option<(Arc<Columns>, Arc<Merged>)>; Rolling::ALL.len()],
}

impl Shared {
    fn series(&mut self, slot: usize, stored: &Stored, now: UtcMicros) -> Arc<Merged> {
        let columns = self.windows.series(Rolling::ALL[slot], &stored.panes, now);
        if let Some((_, merged)) = self.named[slot].as_ref().filter(|(of, _)| Arc::ptr_eq(of, &columns)) {
            return Arc::clone(merged);
        }
        let named = columns.summaries().filter_map(|(place, summary)| {
            let key = stored.places.get(place)?;
            Some((key.clone(), summary))
        });
        let merged: Arc<Merged> = Arc::new(named.collect());
        self.named[slot] = Some((columns, Arc::clone(&merged)));
        merged
    }
}

impl VantageView {
    /// A view at `now`; goes on with what `previous` has merged.
    #[must_use]
    pub fn new(stored: Stored, now: UtcMicros, previous: &Self) -> Self {
        Self::of(Arc::new(stored), now, previous)
    }

    /// The same panes at another moment.
    #[must_use]
    pub fn at(&self, now: UtcMicros) -> Self {
        Self::of(Arc::clone(&self.stored), now, self)
    }

    fn of(stored: Arc<Stored>, now: UtcMicros, previous: &Self) -> Self {
        let merged = Default::default();
        Self { stored, now, merged, shared: Arc::clone(&previous.shared) }
    }

    /// The series of a rolling window; none while days of it are still to be read. Merged on the first call; the same `Arc` as in an earlier
    /// view holds the same.
    pub fn series(&self, window: Rolling) -> &Arc<Merged> {
        let slot = Rolling::ALL.into_iter().position(|other| other == window).unwrap_or(0);
        self.merged[slot].get_or_init(|| {
            if !self.stored.has_all_of(window, self.now) {
                return Arc::default();
            }
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.series(slot, &self.stored, self.now)
        })
    }

    /// The start of the first pane that is kept; unknown while days are still to be read.
    #[must_use]
    pub fn earliest(&self) -> Option<UtcMicros> {
        if self.stored.is_reading(Rolling::Year, self.now) {
            return None;
        }
        let panes = &self.stored.panes;
        let firsts = [&panes.days, &panes.hours, &panes.minutes].map(|panes| panes.keys().next().copied());
        firsts.into_iter().flatten().min()
    }

    /// The targets that it has measured within the last hours.
    fn targets(&self) -> BTreeSet<&str> {
        let (panes, mut places) = (&self.stored.panes, BTreeSet::new());
        for pane in panes.minutes.values().chain(panes.hours.values()) {
            places.extend(pane.columns().places());
        }
        let keys = places.into_iter().filter_map(|place| self.stored.places.get(place));
        keys.map(|key| key.target.as_str()).collect()
    }
}

/// Which cells are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The rolling window.
    pub window: Rolling,
    /// The number in the cell.
    pub statistic: Statistic,
    /// Probes of this kind.
    pub protocol: Protocol,
    /// Only this source.
    pub source: Option<String>,
    /// Only this target.
    pub target: Option<String>,
}

impl Selection {
    /// Whether a route change is of a selected pair.
    #[must_use]
    pub fn has(&self, change: &RouteChange) -> bool {
        let is = |wanted: &Option<String>, id: &str| wanted.as_deref().is_none_or(|wanted| wanted == id);
        let pair = is(&self.source, change.vantage.as_str()) && is(&self.target, change.target.as_str());
        pair && self.protocol == change.protocol
    }
}

/// A window has no answers yet: after a start its days may still be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "window {0:?} has no answers yet: the service was started a while ago and still reads what it is made of; ask again later, or for a shorter one"
)]
pub struct StillReading(&'static str);

/// All vantage points at one moment.
#[derive(Debug, Default)]
pub struct LiveView {
    /// Where the rolling windows end.
    pub now: UtcMicros,
    /// The vantage points.
    pub vantages: BTreeMap<VantageId, Arc<VantageView>>,
    /// Whether the store gave up before every vantage point was read once.
    pub partial: bool,
}

impl LiveView {
    /// The newest start of a round; `None` before the first.
    #[must_use]
    pub fn as_of(&self) -> Option<UtcMicros> {
        self.vantages.values().map(|view| view.stored.head.watermark).max()
    }

    /// This view, or where it is old the same panes with windows that end at `now`.
    #[must_use]
    pub fn fresh(self: Arc<Self>, now: UtcMicros) -> Arc<Self> {
        if (now - self.now.0).0 <= MAX_AGE_US { self } else { Arc::new(self.at(now)) }
    }

    /// The same panes with windows that end at `now`.
    #[must_use]
    pub fn at(&self, now: UtcMicros) -> Self {
        let vantages = self.vantages.iter();
        let vantages = vantages.map(|(id, view)| (id.clone(), Arc::new(view.at(now)))).collect();
        Self { now, vantages, partial: self.partial }
    }

    /// The pairs of a window and protocol, ordered by source and target; of a pair that was measured over both families IPv4.
    pub fn pairs(
        &self,
        window: Rolling,
        protocol: Protocol,
        source: Option<&str>,
    ) -> impl Iterator<Item = (&VantageId, &SeriesKey, &SeriesSummary)> {
        let wanted = move |id: &VantageId| source.is_none_or(|source| source == id.as_str());
        let views = self.vantages.iter().filter(move |(id, _)| wanted(id));
        views.flat_map(move |(id, view)| {
            preferred(view.series(window), protocol).map(move |(key, summary)| (id, key, summary))
        })
    }

    /// The selected cells, ordered by source and target.
    #[must_use]
    pub fn cells(&self, selection: &Selection) -> Vec<Cell> {
        let target = selection.target.as_deref();
        let pairs = self.pairs(selection.window, selection.protocol, selection.source.as_deref());
        let wanted = pairs.filter(|(_, key, _)| target.is_none_or(|target| target == key.target.as_str()));
        wanted.map(|(source, key, summary)| cell(source, key, summary, selection.statistic)).collect()
    }

    /// That no vantage point's days of the window are still to come. What is broken is not waited for.
    ///
    /// # Errors
    /// [`StillReading`].
    pub fn whole(&self, window: Rolling) -> Result<(), StillReading> {
        let reading = self.partial || self.vantages.values().any(|view| view.stored.is_reading(window, self.now));
        if reading { Err(StillReading(window.name())) } else { Ok(()) }
    }

    /// What could not be read of older days.
    pub fn broken_days(&self) -> impl Iterator<Item = &str> {
        self.vantages.values().filter_map(|view| Some(&*view.stored.broken_days.as_ref()?.1))
    }

    /// The newest route changes of all vantage points.
    pub fn changes(&self) -> impl Iterator<Item = &RouteChange> {
        self.vantages.values().flat_map(|view| view.stored.changes.iter())
    }

    /// Targets that any vantage point has measured within the rolling day.
    #[must_use]
    pub fn targets(&self) -> BTreeSet<&str> {
        self.vantages.values().flat_map(|view| view.targets()).collect()
    }
}

/// One series a target: of one protocol, IPv4 where there is a choice.
fn preferred(series: &Merged, protocol: Protocol) -> impl Iterator<Item = (&SeriesKey, &SeriesSummary)> {
    let of_protocol = series.iter().filter(move |(key, _)| key.protocol == protocol);
    of_protocol.filter(|(key, _)| {
        let v4 = SeriesKey { family: Family::V4, ..(*key).clone() };
        key.family == Family::V4 || !series.contains_key(&v4)
    })
}

fn cell(source: &VantageId, key: &SeriesKey, summary: &SeriesSummary, statistic: Statistic) -> Cell {
    Cell {
        source: source.to_string(),
        target: key.target.to_string(),
        rtt_ms: statistic.of(summary),
        count: summary.received(),
        sent: summary.sent(),
        lost: summary.lost(),
        retransmitted: summary.retransmitted(),
        loss: summary.loss().unwrap_or(0.0),
        stddev_ms: summary.stddev_us().map(millis),
        jitter_ms: summary.jitter_us().map(millis),
        low_count: !statistic.supported_by(summary),
        last: summary.last_at_us().map(|at| rfc3339(UtcMicros(at))),
    }
}
