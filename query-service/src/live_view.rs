//! An immutable picture of the live store at one moment, from which every live answer is given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloudping_digest::SeriesSummary;
use cloudping_model::{Family, Protocol, Rolling, UtcMicros, VantageId};
use cloudping_schemas::api::Cell;
use cloudping_schemas::stored::{SeriesKey, VantageHead};

use crate::rolling::{Merged, Panes, Window};
use crate::statistic::Statistic;
use crate::text::rfc3339;

/// What is known of one vantage point.
#[derive(Debug, Default)]
pub struct VantageView {
    /// Its head item's version.
    pub version: u64,
    /// Its head.
    pub head: VantageHead,
    /// Its minute panes, as many as the live store keeps.
    pub minutes: Arc<Panes>,
    /// Its hour panes that may be part of the rolling day.
    pub hours: Arc<Panes>,
    /// When all its panes were listed last, and the head's version then.
    pub listed: (UtcMicros, u64),
    windows: [Arc<Window>; 3],
}

impl VantageView {
    /// A view of these panes at `now`; reuses what `previous` has merged.
    #[must_use]
    pub fn new(
        (version, head): (u64, VantageHead),
        (minutes, hours): (Arc<Panes>, Arc<Panes>),
        listed: (UtcMicros, u64),
        now: UtcMicros,
        previous: &Self,
    ) -> Self {
        let windows = Rolling::ALL.map(|window| {
            let merged = &previous.windows[slot(window)];
            Window::at(window, now, head.folded_until, &minutes, &hours, merged)
        });
        Self { version, head, minutes, hours, listed, windows }
    }

    /// The same panes at another moment.
    #[must_use]
    pub fn at(&self, now: UtcMicros) -> Self {
        let panes = (Arc::clone(&self.minutes), Arc::clone(&self.hours));
        Self::new((self.version, self.head.clone()), panes, self.listed, now, self)
    }

    /// The series of a rolling window.
    pub fn series(&self, window: Rolling) -> &Merged {
        self.windows[slot(window)].series()
    }
}

fn slot(window: Rolling) -> usize {
    match window {
        Rolling::FiveMinutes => 0,
        Rolling::Hour => 1,
        Rolling::Day => 2,
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

/// All vantage points at one moment.
#[derive(Debug, Default)]
pub struct LiveView {
    /// Where the rolling windows end.
    pub now: UtcMicros,
    /// The vantage points.
    pub vantages: BTreeMap<VantageId, Arc<VantageView>>,
}

impl LiveView {
    /// The newest start of a round; `None` before the first.
    #[must_use]
    pub fn as_of(&self) -> Option<UtcMicros> {
        self.vantages.values().map(|view| view.head.watermark).max()
    }

    /// The same panes with windows that end at `now`.
    #[must_use]
    pub fn at(&self, now: UtcMicros) -> Self {
        let vantages = self.vantages.iter();
        Self { now, vantages: vantages.map(|(id, view)| (id.clone(), Arc::new(view.at(now)))).collect() }
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

    /// Targets that any vantage point has measured within the rolling day.
    #[must_use]
    pub fn targets(&self) -> BTreeSet<&str> {
        let keys = self.vantages.values().flat_map(|view| {
            let panes = view.minutes.values().chain(view.hours.values());
            panes.flat_map(|stored| stored.pane.series.keys())
        });
        keys.map(|key| key.target.as_str()).collect()
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
        loss: summary.loss().unwrap_or(0.0),
        low_count: !statistic.supported_by(summary),
        last: summary.last_at_us().map(|at| rfc3339(UtcMicros(at))),
    }
}
