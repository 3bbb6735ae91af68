//! The six rolling windows.

use std::sync::Arc;

use cloudping_model::{Pane, Rolling, UtcMicros};

use crate::panes::{Panes, StoredPane, between, together};
use crate::{Columns, Growing, TwoStacks};

/// The rolling windows of one vantage point, each made and advanced when it is asked for: one that nobody reads costs nothing.
///
/// A window is the panes of its size that are closed, which are on two stacks; the hours and minutes that are not contained in these
/// yet, which are summed once for all windows; and the panes that still change, which are merged on top at every reading.
#[derive(Debug, Default)]
pub struct Windows {
    /// Closed minutes that no hour contains yet.
    minutes: Growing<StoredPane>,
    /// Hours that no day contains yet.
    hours: Growing<StoredPane>,
    /// All minutes that no hour contains yet, the open ones too.
    recent: Option<(Recent, Arc<Columns>)>,
    windows: [Window; Rolling::ALL.len()],
}

#[derive(Debug, Default)]
struct Window {
    stacks: TwoStacks<StoredPane>,
    /// What is closed, merged at the second reading: where a window is read less often than it advances, that would be for nothing.
    closed: Option<(Closed, Option<Arc<Columns>>)>,
    whole: Option<(Whole, Arc<Columns>)>,
}

/// Changes whenever what is closed does: of the stacks and the hours.
type Closed = ((u64, u64), Option<u64>);
/// Which open panes: start, and version.
type Open = Vec<(UtcMicros, u64)>;
/// Changes whenever the minutes that no hour contains do.
type Recent = (u64, Open);
type Whole = (Closed, Option<Recent>, Open);

/// What a window is made of.
struct Parts {
    /// On its stacks.
    closed: Vec<StoredPane>,
    /// Whether the hours that no day contains yet are in it, all of them.
    hours: bool,
    /// The minutes that no hour contains yet and that are open, if all that no hour contains are in it.
    minutes: Option<Vec<StoredPane>>,
    /// What else is in it.
    open: Vec<StoredPane>,
}

impl Windows {
    /// The series of the window that ends at `now`. Panes that start later are not in it. What did not change since the last call is not
    /// merged again, and the same answer is the same `Arc`.
    pub fn series(&mut self, window: Rolling, panes: &Panes, now: UtcMicros) -> Arc<Columns> {
        let parts = self.advanced(window, panes, now);
        let hours = parts.hours.then_some(&self.hours);
        let kept = &mut self.windows[slot(window)];
        let state = (kept.stacks.changes(), hours.map(Growing::changes));
        let recent = parts.minutes.as_ref().map(|open| (self.minutes.changes(), ids(open)));
        let key = (state, recent, ids(&parts.open));
        if let Some((_, whole)) = kept.whole.as_ref().filter(|(known, _)| *known == key) {
            return Arc::clone(whole);
        }
        let sums = kept.stacks.sums().into_iter().flatten().chain(hours.and_then(Growing::sum));
        let mut all: Vec<Arc<Columns>> = sums.cloned().collect();
        all.extend(
            kept.stacks.pending().iter().chain(hours.map_or(&[][..], Growing::pending)).map(StoredPane::columns),
        );
        match kept.closed.take() {
            Some((known, closed)) if known == state => {
                let closed = closed.unwrap_or_else(|| together(all));
                all = vec![Arc::clone(&closed)];
                kept.closed = Some((state, Some(closed)));
            }
            _ => kept.closed = Some((state, None)),
        }
        if let (Some(open), Some(key)) = (&parts.minutes, &key.1) {
            let known = self.recent.take().filter(|(known, _)| known == key);
            let (_, recent) = self.recent.insert(known.unwrap_or_else(|| {
                let minutes = self.minutes.sum().cloned().into_iter();
                let waiting = self.minutes.pending().iter().chain(open).map(StoredPane::columns);
                (key.clone(), together(minutes.chain(waiting).collect()))
            }));
            all.push(Arc::clone(recent));
        }
        all.extend(parts.open.iter().map(StoredPane::columns));
        let whole = together(all);
        kept.whole = Some((key, Arc::clone(&whole)));
        whole
    }

    /// Brings the window to `now` without merging its parts: what keeping a window costs that is read later.
    pub fn advance(&mut self, window: Rolling, panes: &Panes, now: UtcMicros) {
        self.advanced(window, panes, now);
    }

    fn advanced(&mut self, window: Rolling, panes: &Panes, now: UtcMicros) -> Parts {
        let (first, end) = (window.first_pane(now), now + 1);
        let (stored, closed_until) = match window.pane() {
            Pane::Minute => (&panes.minutes, open_minutes(now)),
            Pane::Hour => (&panes.hours, Pane::Hour.start_of(panes.folded_until)),
            Pane::Day => (&panes.days, Pane::Day.start_of(panes.hours_folded_until)),
        };
        let open = between(stored, first.max(closed_until), end);
        let closed = between(stored, first, closed_until.min(end));
        let mut parts = Parts { closed, hours: false, minutes: None, open };
        if window.pane() == Pane::Day {
            self.young_hours(panes, first, end, &mut parts);
        }
        if window.pane() != Pane::Minute {
            self.young_minutes(panes, first, now, &mut parts);
        }
        self.windows[slot(window)].stacks.advance(&parts.closed);
        parts
    }

    /// Sums the hours that no day contains yet. If they are not all in the window that begins with `first`, those that are become open
    /// panes of it: nothing has been folded for longer than the window, and no other window need be made of the same ones.
    fn young_hours(&mut self, panes: &Panes, first: UtcMicros, end: UtcMicros, parts: &mut Parts) {
        let from = panes.hours_folded_until;
        if first > from {
            parts.open.extend(between(&panes.hours, first, end));
            return;
        }
        // An hour into which minutes are still folded changes with each of them.
        let closed_until = Pane::Hour.start_of(panes.folded_until).max(from);
        self.hours.set(&between(&panes.hours, from, closed_until.min(end)));
        parts.open.extend(between(&panes.hours, closed_until, end));
        parts.hours = true;
    }

    /// Sums the closed minutes that no hour contains yet, as [`Self::young_hours`] does hours.
    fn young_minutes(&mut self, panes: &Panes, first: UtcMicros, now: UtcMicros, parts: &mut Parts) {
        let (from, end) = (panes.folded_until, now + 1);
        if first > from {
            parts.open.extend(between(&panes.minutes, first, end));
            return;
        }
        let closed_until = open_minutes(now).max(from);
        self.minutes.set(&between(&panes.minutes, from, closed_until.min(end)));
        parts.minutes = Some(between(&panes.minutes, closed_until, end));
    }
}

fn ids(panes: &[StoredPane]) -> Open {
    panes.iter().map(|pane| (pane.start(), pane.version())).collect()
}

/// The running minute and the two before it, which still receive stragglers, are open: a closed minute that changes costs a whole stack.
fn open_minutes(now: UtcMicros) -> UtcMicros {
    Pane::Minute.start_of(now) - 2 * Pane::Minute.micros()
}

fn slot(window: Rolling) -> usize {
    match window {
        Rolling::FiveMinutes => 0,
        Rolling::Hour => 1,
        Rolling::Day => 2,
        Rolling::Week => 3,
        Rolling::Month => 4,
        Rolling::Year => 5,
    }
}
