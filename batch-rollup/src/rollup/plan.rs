//! What is to be computed: decided from the lists of files alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cloudping_model::{Pane, UtcMicros};
use deltalake_core::kernel::Add;

use crate::hours::{date_of, panes_of, start_of_date};

/// How long after its end a day is computed, in µs: by then the rounds that were under way, and nearly all that come late, are there. What comes
/// later has the day computed again.
pub const DAY_GRACE_US: i64 = 30 * 60_000_000;
/// So many commits of the samples after it last said so, the rollup says again that it is up to date, though it has nothing to write: each run reads the
/// commits since.
const COMMITS_UNCLAIMED: u64 = 30;
/// So many days, each a read of all its samples, are computed between two commits.
const DAYS_AT_ONCE: usize = 7;

/// The first day that is not to be computed yet, in days since 1970-01-01: it runs, or has just ended.
#[must_use]
pub fn open_day(now: UtcMicros) -> i32 {
    date_of(now - DAY_GRACE_US)
}

/// The days to compute: those before `open` that files were added to since the last computation, and those that have been over since then. The last
/// computation took every day before `computed` into account.
#[must_use]
pub fn due_days<'a>(
    added: impl IntoIterator<Item = &'a Add>,
    active: impl IntoIterator<Item = &'a Add>,
    computed: Option<i32>,
    open: i32,
) -> BTreeSet<i32> {
    let days = |file: &Add| panes_of(file, "ts", Pane::Day).into_iter().map(date_of);
    let late = added.into_iter().flat_map(days).filter(|day| *day < open);
    let computed = computed.unwrap_or(i32::MIN);
    let over = active.into_iter().flat_map(days).filter(|day| (computed..open).contains(day));
    late.chain(over).collect()
}

/// Whether to say that the days are up to date although none was computed.
#[must_use]
pub(crate) fn claim_is_due(computed: Option<i64>, version: u64) -> bool {
    let computed = computed.and_then(|computed| u64::try_from(computed).ok());
    computed.is_none_or(|computed| version.saturating_sub(computed) >= COMMITS_UNCLAIMED)
}

/// Days by the first day of their month.
pub(crate) fn by_month(days: &BTreeSet<i32>) -> BTreeMap<i32, BTreeSet<UtcMicros>> {
    let mut months: BTreeMap<i32, BTreeSet<UtcMicros>> = BTreeMap::new();
    for &day in days {
        months.entry(crate::hours::month_of(day)).or_default().insert(start_of_date(day));
    }
    months
}

/// Windows by partition as they are committed: the newest first, so that a backlog delays nothing fresh, and no more at a time than a run that is cut off
/// may lose.
pub(crate) fn batches(partitions: &BTreeMap<i32, BTreeSet<UtcMicros>>, pane: Pane) -> VecDeque<BTreeSet<UtcMicros>> {
    let at_once = if pane == Pane::Day { DAYS_AT_ONCE } else { usize::MAX };
    let newest_first = partitions.values().rev().flat_map(|windows| {
        let windows: Vec<UtcMicros> = windows.iter().rev().copied().collect();
        windows.chunks(at_once).map(|batch| batch.iter().copied().collect()).collect::<Vec<_>>()
    });
    newest_first.collect()
}

#[cfg(test)]
mod tests {
    use cloudping_schemas::tables::PARTITION;

    use super::*;
    use crate::hours::date_text;

    fn file(day: i32) -> Add {
        Add { partition_values: [(PARTITION.to_owned(), Some(date_text(day)))].into(), ..Add::default() }
    }

    #[test]
    fn a_day_is_open_until_its_grace_is_over() {
        let midnight = start_of_date(20_000);
        assert_eq!(open_day(midnight), 19_999);
        assert_eq!(open_day(midnight + (DAY_GRACE_US - 1)), 19_999);
        assert_eq!(open_day(midnight + DAY_GRACE_US), 20_000);
    }

    #[test]
    fn a_day_is_due_when_it_is_over_and_when_something_comes_late() {
        let active = [8, 9, 10, 11].map(file);
        let due = |added: &[Add], computed, open| Vec::from_iter(due_days(added, &active, computed, open));
        assert_eq!(due(&active, None, 11), [8, 9, 10], "all that are over");
        assert_eq!(due(&[], Some(11), 11), [0; 0]);
        assert_eq!(due(&[file(11)], Some(11), 11), [0; 0], "it is still running");
        assert_eq!(due(&[], Some(11), 12), [11], "it has ended, and nothing was added to it since the last run");
        assert_eq!(due(&[file(9), file(11)], Some(11), 11), [9], "late");
        assert_eq!(due(&[file(9)], Some(11), 12), [9, 11]);
        assert_eq!(due(&[file(10)], Some(11), 10), [0; 0], "the clock was set back: the day is open again");
        assert_eq!(due(&[], Some(10), 11), [10], "which that run said, so that it comes once it is over");
    }

    #[test]
    fn the_newest_come_first_and_a_month_in_weeks() {
        let days = by_month(&(20..50).collect());
        let batches = |pane| Vec::from_iter(batches(&days, pane).into_iter().map(|batch| batch.len()));
        assert_eq!(batches(Pane::Day), [7, 7, 5, 7, 4]);
        assert_eq!(batches(Pane::Hour), [19, 11], "a date's hours");
        let first = super::batches(&days, Pane::Day).pop_front().unwrap();
        assert_eq!(first.last(), Some(&start_of_date(49)));
    }

    #[test]
    fn it_says_now_and_then_that_nothing_was_due() {
        assert!(claim_is_due(None, 0) && claim_is_due(Some(5), 35));
        assert!(!claim_is_due(Some(5), 34) && !claim_is_due(Some(50), 34));
    }

    #[test]
    fn days_are_gathered_by_month() {
        let days = BTreeSet::from([30, 31, 58, 59]);
        let months = by_month(&days);
        let lengths: Vec<_> = months.iter().map(|(month, days)| (*month, days.len())).collect();
        assert_eq!(lengths, [(0, 1), (31, 2), (59, 1)]);
    }
}
