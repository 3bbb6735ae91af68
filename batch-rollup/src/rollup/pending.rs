//! Which windows a rollup still has to compute: a short list of ranges, kept with its rows.
//!
//! A rollup's commit says of which version of the samples it is. What that version has touched and the commit does not hold, since the run is not
//! through or since a file is broken, is listed in the same commit. So each commit counts, however the run ends.
//!
//! The list is as many Delta application transactions at most as it may have ranges: an application cannot be deleted again.

use std::collections::BTreeSet;
use std::ops::Range;

use cloudping_model::{Pane, UtcMicros};
use deltalake_core::kernel::Transaction;
use deltalake_core::{DeltaTable, DeltaTableError};

use crate::archive::transaction;
use crate::checkpoint::pending_app;

/// So many ranges are told apart. Those that lie nearest are joined: the windows between them are then computed again, which changes nothing.
const RANGES: usize = 16;
/// A range is stored as its first window, counted from 1970, times this, plus the number of its windows: 1,900 years of hours.
const LENGTHS: i64 = 1 << 24;
/// What ends the list before its last place.
const END: i64 = 0;

/// Ranges of a rollup's windows, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pane: Pane,
    ranges: Vec<Range<i64>>,
}

impl Pending {
    /// The ranges that hold all these windows: few others where there are many ranges, else none.
    pub(crate) fn of(windows: &BTreeSet<UtcMicros>, pane: Pane) -> Self {
        let numbers: Vec<i64> = windows.iter().map(|&window| number(window, pane)).collect();
        let gaps = numbers.windows(2).zip(1..).map(|(pair, at)| (pair[1] - pair[0], at));
        let mut gaps: Vec<(i64, usize)> = gaps.filter(|(width, _)| *width > 1).collect();
        gaps.sort_unstable_by(|a, b| b.cmp(a));
        let mut ends: Vec<usize> = gaps.into_iter().take(RANGES - 1).map(|(_, at)| at).collect();
        ends.sort_unstable();
        ends.push(numbers.len());
        let mut rest = 0;
        let ranges = ends.into_iter().filter_map(|end| {
            let range = numbers.get(rest..end)?;
            rest = end;
            Some(*range.first()?..range.last()? + 1)
        });
        Self { pane, ranges: ranges.collect() }
    }

    /// This, and every window from one on. Of too many ranges the last are joined.
    pub(crate) fn and_from(mut self, first: UtcMicros) -> Self {
        let first = number(first, self.pane);
        self.ranges.retain(|range| range.start < first);
        let full = self.ranges.len() == RANGES;
        let first = self.ranges.pop_if(|last| full || last.end >= first).map_or(first, |last| last.start);
        self.ranges.push(first..first + LENGTHS - 1);
        self
    }

    /// What a rollup's loaded version says.
    pub(crate) async fn read(rollup: &DeltaTable, pane: Pane) -> Result<Self, DeltaTableError> {
        let mut stored = Vec::new();
        for place in 0..RANGES {
            match transaction(rollup, &pending_app(pane, place)).await? {
                None | Some(END) => break,
                Some(range) => stored.push(range),
            }
        }
        Ok(Self::from_stored(&stored, pane))
    }

    fn from_stored(stored: &[i64], pane: Pane) -> Self {
        let range = |&range: &i64| {
            let first = range.div_euclid(LENGTHS);
            first..first + range.rem_euclid(LENGTHS)
        };
        Self { pane, ranges: stored.iter().map(range).collect() }
    }

    /// What says it in a commit.
    pub(crate) fn transactions(&self) -> Vec<Transaction> {
        let stored = self.stored().into_iter().chain([END]).take(RANGES);
        stored.zip(0..).map(|(range, place)| Transaction::new(pending_app(self.pane, place), range)).collect()
    }

    fn stored(&self) -> Vec<i64> {
        self.ranges.iter().map(|range| range.start * LENGTHS + (range.end - range.start)).collect()
    }

    /// Those of some windows that are in it.
    pub(crate) fn among(&self, windows: impl IntoIterator<Item = UtcMicros>) -> BTreeSet<UtcMicros> {
        if self.ranges.is_empty() {
            return BTreeSet::new();
        }
        let holds = |window: &UtcMicros| self.ranges.iter().any(|range| range.contains(&number(*window, self.pane)));
        windows.into_iter().filter(holds).collect()
    }
}

fn number(window: UtcMicros, pane: Pane) -> i64 {
    window.0.div_euclid(pane.micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(numbers: impl IntoIterator<Item = i64>) -> BTreeSet<UtcMicros> {
        numbers.into_iter().map(|number| UtcMicros(number * Pane::Hour.micros())).collect()
    }

    #[test]
    fn windows_become_ranges_and_come_back_from_the_table() {
        let windows = hours([1, 2, 3, 9, 490_000, 490_001]);
        let pending = Pending::of(&windows, Pane::Hour);
        assert_eq!(pending.ranges, [1..4, 9..10, 490_000..490_002]);
        assert_eq!(Pending::from_stored(&pending.stored(), Pane::Hour), pending);
        assert_eq!(pending.among(hours(0..500_000)), windows);
        let said: Vec<_> = pending.transactions().into_iter().map(|said| (said.app_id, said.version)).collect();
        assert_eq!((said.len(), said[3].1), (4, END));
        assert_eq!(said[1], ("cloudping/rollup_1h/pending/1".to_owned(), 9 * LENGTHS + 1));
    }

    #[test]
    fn no_windows_are_no_range() {
        let none = Pending::of(&BTreeSet::new(), Pane::Day);
        assert_eq!(none, Pending::from_stored(&[], Pane::Day));
        let said: Vec<_> = none.transactions().into_iter().map(|said| (said.app_id, said.version)).collect();
        assert_eq!(said, [("cloudping/rollup_1d/pending/0".to_owned(), END)]);
    }

    #[test]
    fn all_from_a_window_on_take_what_they_meet_and_leave_what_lies_before() {
        let from = |windows: &[i64], first| {
            let pending = Pending::of(&hours(windows.iter().copied()), Pane::Hour);
            pending.and_from(UtcMicros(first * Pane::Hour.micros())).ranges
        };
        assert_eq!(from(&[], 5).as_slice(), std::slice::from_ref(&(5..LENGTHS + 4)));
        assert_eq!(from(&[1, 2, 9], 5), [1..3, 5..LENGTHS + 4]);
        assert_eq!(from(&[1, 3, 4, 9], 5), [1..2, 3..LENGTHS + 2], "they touch");
        assert_eq!(from(&[1, 3, 4, 5, 6], 5), [1..2, 3..LENGTHS + 2]);
        let many: Vec<i64> = (0..16).map(|nth| nth * 10).collect();
        let joined = from(&many, 500);
        assert_eq!((joined.len(), joined[15].clone()), (RANGES, 150..LENGTHS + 149));
        let all = Pending { pane: Pane::Hour, ranges: joined };
        assert_eq!(Pending::from_stored(&all.stored(), Pane::Hour), all);
    }

    #[test]
    fn of_too_many_ranges_the_nearest_are_joined_and_none_is_lost() {
        // The fifth and the sixth, and the eighth and the ninth, are the nearest of 18.
        let windows =
            hours((0..18).map(|nth| nth * 10 + if nth == 5 || nth == 8 { -1 - i64::from(nth == 5) } else { 0 }));
        let pending = Pending::of(&windows, Pane::Hour);
        assert_eq!(pending.ranges.len(), RANGES);
        assert_eq!(pending.among(windows.clone()), windows);
        assert!(pending.ranges.contains(&(40..49)) && pending.ranges.contains(&(70..80)), "{:?}", pending.ranges);
        assert_eq!(pending.transactions().len(), RANGES);
    }
}
