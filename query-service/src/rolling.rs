//! Rolling windows as merges of panes. Pure: panes and a moment in, merged series out.
//!
//! A minute is folded into its hour when it closes: minutes before `folded_until` are contained in their hours, those from there on are
//! not. So 5 m and 1 h are merges of minutes, and 1 d is the merge of the hours in the window and of all minutes that are not folded yet.
//!
//! Most of a window stands still from one second to the next. A window is therefore kept in two parts: a closed part that is merged
//! once and shared by all later views for as long as it holds the same panes, and the open panes that are merged on top.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use cloudping_digest::SeriesSummary;
use cloudping_model::{Pane, Rolling, UtcMicros};
use cloudping_schemas::stored::{PaneItem, SeriesKey};

/// The series of one window.
pub type Merged = BTreeMap<SeriesKey, SeriesSummary>;

/// A pane as it was read.
#[derive(Debug, Clone)]
pub struct StoredPane {
    /// Its item's version.
    pub version: u64,
    /// Its content.
    pub pane: Arc<PaneItem>,
}

/// Panes of one size, by start.
pub type Panes = BTreeMap<UtcMicros, StoredPane>;

/// The series of several parts together, each series' digests compressed once.
#[must_use]
pub fn merge<'a>(parts: impl IntoIterator<Item = &'a Merged>) -> Merged {
    let mut by_key: BTreeMap<&SeriesKey, Vec<&SeriesSummary>> = BTreeMap::new();
    for (key, summary) in parts.into_iter().flatten() {
        by_key.entry(key).or_default().push(summary);
    }
    let merged = by_key.into_iter().map(|(key, summaries)| {
        let summary = SeriesSummary::merge_many(summaries);
        (key.clone(), summary)
    });
    merged.collect()
}

/// Which panes make up a window: their size, start and version.
type Fingerprint = Vec<(Pane, UtcMicros, u64)>;

/// Some panes, and their merge once it was asked for.
#[derive(Debug, Default)]
struct Part {
    fingerprint: Fingerprint,
    panes: Vec<Arc<PaneItem>>,
    merged: OnceLock<Merged>,
}

impl Part {
    fn add(&mut self, size: Pane, stored: &StoredPane) {
        self.fingerprint.push((size, stored.pane.start, stored.version));
        self.panes.push(Arc::clone(&stored.pane));
    }

    fn merged(&self) -> &Merged {
        self.merged.get_or_init(|| merge(self.panes.iter().map(|pane| &pane.series)))
    }
}

/// One rolling window of one vantage point at one moment.
#[derive(Debug, Default)]
pub struct Window {
    closed: Arc<Part>,
    open: Part,
    merged: OnceLock<Merged>,
}

impl Window {
    /// The window that ends at `now`. Panes that start later are not in it. What `previous` has merged is reused.
    #[must_use]
    pub fn at(
        window: Rolling,
        now: UtcMicros,
        folded_until: UtcMicros,
        minutes: &Panes,
        hours: &Panes,
        previous: &Arc<Self>,
    ) -> Arc<Self> {
        let (closed, open) = match window.pane() {
            Pane::Minute => of_minutes(window.first_pane(now), now, minutes),
            _ => of_hours(window.first_pane(now), now, folded_until, minutes, hours),
        };
        let same_closed = closed.fingerprint == previous.closed.fingerprint;
        if same_closed && open.fingerprint == previous.open.fingerprint {
            return Arc::clone(previous);
        }
        let closed = if same_closed { Arc::clone(&previous.closed) } else { Arc::new(closed) };
        Arc::new(Self { closed, open, merged: OnceLock::new() })
    }

    /// Its series. Merged on the first call.
    pub fn series(&self) -> &Merged {
        self.merged.get_or_init(|| {
            let open = self.open.panes.iter().map(|pane| &pane.series);
            merge([self.closed.merged()].into_iter().chain(open))
        })
    }
}

/// Minutes from `first` on; the running one and the one before it, which still receives stragglers, are open.
fn of_minutes(first: UtcMicros, now: UtcMicros, minutes: &Panes) -> (Part, Part) {
    let (mut closed, mut open) = (Part::default(), Part::default());
    let open_from = Pane::Minute.start_of(now) - Pane::Minute.micros();
    for (start, stored) in panes_in(minutes, first, now) {
        let part = if start < open_from { &mut closed } else { &mut open };
        part.add(Pane::Minute, stored);
    }
    (closed, open)
}

/// Hours from `first` on and the minutes that no hour contains yet; hours into which nothing is being folded any more are closed.
fn of_hours(first: UtcMicros, now: UtcMicros, folded_until: UtcMicros, minutes: &Panes, hours: &Panes) -> (Part, Part) {
    let (mut closed, mut open) = (Part::default(), Part::default());
    let open_from = Pane::Hour.start_of(folded_until);
    for (start, stored) in panes_in(hours, first, now) {
        let part = if start < open_from { &mut closed } else { &mut open };
        part.add(Pane::Hour, stored);
    }
    for (_, stored) in panes_in(minutes, first.max(folded_until), now) {
        open.add(Pane::Minute, stored);
    }
    (closed, open)
}

fn panes_in(panes: &Panes, first: UtcMicros, now: UtcMicros) -> impl Iterator<Item = (UtcMicros, &StoredPane)> {
    // BTreeMap::range panics on a reversed range: before the first unfolded minute there is nothing.
    let last = now.max(first);
    let range = panes.range(first..=last).map(|(start, stored)| (*start, stored));
    range.filter(move |(start, _)| *start <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudping_model::{Family, Protocol, TargetId};
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000_000;

    fn key() -> SeriesKey {
        SeriesKey { target: TargetId::new("a").unwrap(), protocol: Protocol::TcpConnect, family: Family::V4 }
    }

    /// A pane with `lost` losses; its version is their number, as panes only grow.
    fn put(panes: &mut Panes, start: UtcMicros, lost: u64) {
        let mut summary = SeriesSummary::new();
        (0..lost).for_each(|_| summary.record_loss(start.0, false));
        let mut pane = PaneItem::starting(start);
        pane.series.insert(key(), summary);
        let stored = StoredPane { version: lost, pane: Arc::new(pane) };
        panes.insert(start, stored);
    }

    /// What the stream processor keeps of these losses by minute, with every minute before `folded` in its hour.
    fn stored(losses: &BTreeMap<i64, u64>, folded: UtcMicros) -> (Panes, Panes) {
        let (mut minutes, mut hours) = (Panes::new(), Panes::new());
        let mut by_hour = BTreeMap::new();
        for (minute, lost) in losses {
            let start = UtcMicros(minute * MINUTE);
            put(&mut minutes, start, *lost);
            if start < folded {
                *by_hour.entry(Pane::Hour.start_of(start)).or_insert(0) += lost;
            }
        }
        for (start, lost) in by_hour {
            put(&mut hours, start, lost);
        }
        (minutes, hours)
    }

    fn lost(window: &Window) -> u64 {
        window.series().get(&key()).map_or(0, SeriesSummary::lost)
    }

    proptest! {
        /// Whatever is folded when, and whatever a window has merged before: it counts each minute in it once.
        #[test]
        fn a_window_counts_each_minute_once(
            losses in prop::collection::btree_map(0i64..2000, 1u64..4, 1..60),
            steps in prop::collection::vec((0i64..2000, 0i64..200), 1..8),
        ) {
            let mut previous = Rolling::ALL.map(|_| Arc::new(Window::default()));
            for (now, lag) in steps {
                let now = UtcMicros(now * MINUTE + 30_000_000);
                let folded = UtcMicros(Pane::Minute.start_of(now).0 - lag * MINUTE);
                let (minutes, hours) = stored(&losses, folded);
                for (window, previous) in Rolling::ALL.into_iter().zip(&mut previous) {
                    *previous = Window::at(window, now, folded, &minutes, &hours, previous);
                    let within = window.first_pane(now).0 / MINUTE;
                    let within = within.max(0)..=now.0 / MINUTE;
                    let expected: u64 = losses.range(within).map(|(_, lost)| lost).sum();
                    prop_assert_eq!(lost(previous), expected, "{:?} at {:?}, folded until {:?}", window, now, folded);
                }
            }
        }
    }

    #[test]
    fn the_closed_part_is_merged_once() {
        let mut minutes = Panes::new();
        (0..60).for_each(|minute| put(&mut minutes, UtcMicros(minute * MINUTE), 1));
        let at = |now: i64, minutes: &Panes, previous: &Arc<Window>| {
            Window::at(Rolling::Hour, UtcMicros(now), UtcMicros(0), minutes, &Panes::new(), previous)
        };
        let first = at(59 * MINUTE, &minutes, &Arc::default());
        assert_eq!(lost(&first), 60);
        assert!(Arc::ptr_eq(&first, &at(59 * MINUTE + 1, &minutes, &first)));
        put(&mut minutes, UtcMicros(59 * MINUTE), 2);
        let second = at(59 * MINUTE + 2, &minutes, &first);
        assert!(Arc::ptr_eq(&first.closed, &second.closed) && second.closed.merged.get().is_some());
        assert_eq!(lost(&second), 61);
        // A late round changes a closed pane.
        put(&mut minutes, UtcMicros(10 * MINUTE), 5);
        assert_eq!(lost(&at(59 * MINUTE + 3, &minutes, &second)), 65);
    }
}
