//! Which part of a range comes from where.

use std::collections::BTreeSet;
use std::ops::Range;

use cloudping_model::{Pane, UtcMicros};

use super::{DAY_US, HOUR_US, Reading, Span};

/// Windows that ended this long ago are in the rollups, which follow the samples within minutes, unless these have stalled.
const SETTLED_US: i64 = 6 * HOUR_US;
/// Minutes of the live store that are relied upon; it keeps about 90 before the newest round.
const LIVE_US: i64 = 75 * 60 * 1_000_000;
/// A statement names at most so many ranges of time: more are joined where they lie nearest.
const RANGES: usize = 16;

/// The hours and days that the rollups have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rolled {
    pub(super) days: BTreeSet<UtcMicros>,
    pub(super) hours: BTreeSet<UtcMicros>,
}

/// The parts of a range: they do not overlap, leave nothing out, and none that is a row of a rollup reaches over the end of a window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Days whose rows answer.
    pub(super) days: BTreeSet<UtcMicros>,
    /// Hours whose rows answer.
    pub(super) hours: BTreeSet<UtcMicros>,
    /// What the samples answer, ascending.
    pub(super) samples: Vec<Range<UtcMicros>>,
}

/// From when on the live store's minutes answer; the span's end where they cannot.
pub(crate) fn live_from(span: &Span, exact: bool, now: UtcMicros) -> UtcMicros {
    let minute = Pane::Minute.micros();
    if exact || [span.start.0, span.end.0, span.step_us].iter().any(|at| at % minute != 0) {
        return span.end;
    }
    (now - LIVE_US + (minute - 1)).floor(minute).clamp(span.start, span.end)
}

/// Whether rows of `unit_us` may answer windows of a span at all.
pub(super) fn suits(span: &Span, unit_us: i64, reading: &Reading) -> bool {
    !reading.exact && span.step_us >= unit_us
}

/// Rows that start before this moment are whole. `newest` is the start of the newest row of all: that one may still grow.
pub(super) fn whole_before(newest: UtcMicros, unit_us: i64, now: UtcMicros) -> UtcMicros {
    newest.min((now - SETTLED_US).floor(unit_us))
}

/// Divides a span.
pub(super) fn parts(span: &Span, rolled: &Rolled) -> Parts {
    let mut parts = Parts::default();
    let mut at = span.start;
    while at < span.end {
        if fits(span, &rolled.days, at, DAY_US) {
            parts.days.insert(at);
            at = at + DAY_US;
        } else if fits(span, &rolled.hours, at, HOUR_US) {
            parts.hours.insert(at);
            at = at + HOUR_US;
        } else {
            let after = at + 1;
            let next = |rows: &BTreeSet<UtcMicros>| rows.range(after..).next().copied();
            let next = [next(&rolled.days), next(&rolled.hours)].into_iter().flatten().min();
            let until = next.unwrap_or(span.end).min(span.end);
            push(&mut parts.samples, at..until);
            at = until;
        }
    }
    parts
}

/// Whether the row that starts at `at` lies in one window of the span.
fn fits(span: &Span, rows: &BTreeSet<UtcMicros>, at: UtcMicros, unit_us: i64) -> bool {
    let end = at + unit_us;
    rows.contains(&at) && end <= span.end && span.window_of(at) == span.window_of(end - 1)
}

fn push(ranges: &mut Vec<Range<UtcMicros>>, range: Range<UtcMicros>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// Few ranges that contain all of these.
pub(super) fn hulls(ranges: &[Range<UtcMicros>]) -> Vec<Range<UtcMicros>> {
    let mut gaps: Vec<(i64, usize)> =
        ranges.windows(2).enumerate().map(|(at, pair)| (pair[1].start.0 - pair[0].end.0, at)).collect();
    gaps.sort_unstable();
    // Those that stay.
    let mut kept: Vec<usize> = gaps.iter().rev().take(RANGES - 1).map(|(_, at)| *at).collect();
    kept.sort_unstable();
    let mut hulls = Vec::new();
    let mut from = 0;
    for last in kept.into_iter().chain(ranges.len().checked_sub(1)) {
        hulls.push(ranges[from].start..ranges[last].end);
        from = last + 1;
    }
    hulls
}

/// The hull of rows of `unit_us` that start at these moments.
pub(super) fn rows_hull(rows: &BTreeSet<UtcMicros>, unit_us: i64) -> Option<Range<UtcMicros>> {
    Some(*rows.first()?..*rows.last()? + unit_us)
}

/// Whether a moment lies in one of ascending ranges.
pub(super) fn contains(ranges: &[Range<UtcMicros>], at: UtcMicros) -> bool {
    let after = ranges.partition_point(|range| range.start <= at);
    after.checked_sub(1).is_some_and(|last| at < ranges[last].end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE_US: i64 = 60_000_000;

    fn reading(exact: bool, now: UtcMicros) -> Reading {
        Reading { exact, simulated: false, now }
    }

    #[test]
    fn the_live_store_answers_only_minutes_that_it_holds() {
        let now = UtcMicros(1_000 * DAY_US + 30_000_000);
        let span = |step_us: i64, start: i64| Span {
            start: now.floor(step_us) - start,
            end: now.floor(step_us) + step_us,
            step_us,
        };
        let from = |span: Span, exact: bool| live_from(&span, exact, now).0 - now.floor(MINUTE_US).0;
        assert_eq!(from(span(MINUTE_US, 3 * HOUR_US), false), -74 * MINUTE_US);
        assert_eq!(from(span(DAY_US, DAY_US), false), -74 * MINUTE_US, "also within a window");
        let seconds = span(7_000_000, HOUR_US);
        assert_eq!(live_from(&seconds, false, now), seconds.end);
        let exact = span(MINUTE_US, HOUR_US);
        assert_eq!(live_from(&exact, true, now), exact.end);
        let past = Span { start: UtcMicros(0), end: UtcMicros(DAY_US), step_us: HOUR_US };
        assert_eq!(live_from(&past, false, now), past.end);
    }

    #[test]
    fn rollups_answer_windows_of_an_hour_and_longer() {
        let now = UtcMicros(400 * DAY_US + 13 * HOUR_US + 5);
        let span = |step_us: i64| Span { start: UtcMicros(0), end: now, step_us };
        for (step_us, hours, days) in [(59 * MINUTE_US, false, false), (HOUR_US, true, false), (DAY_US, true, true)] {
            let suits = |unit_us: i64| suits(&span(step_us), unit_us, &reading(false, now));
            assert_eq!((suits(HOUR_US), suits(DAY_US)), (hours, days), "{step_us}");
        }
        assert!(!suits(&span(DAY_US), HOUR_US, &reading(true, now)));
        let today = UtcMicros(400 * DAY_US);
        assert_eq!(
            whole_before(today + 12 * HOUR_US, HOUR_US, now),
            today + 7 * HOUR_US,
            "what may still change is left out"
        );
        assert_eq!(whole_before(today, DAY_US, now), today, "as is today");
        assert_eq!(whole_before(today - 5 * HOUR_US, HOUR_US, now), today - 5 * HOUR_US, "and the newest row");
    }

    #[test]
    fn many_ranges_become_few() {
        let range = |at: i64| UtcMicros(at * at * 10)..UtcMicros(at * at * 10 + 1);
        let ranges: Vec<_> = (0..40).map(range).collect();
        let hulls = hulls(&ranges);
        assert_eq!(hulls.len(), RANGES);
        assert_eq!((hulls[0].clone(), hulls[1].clone()), (UtcMicros(0)..UtcMicros(24 * 24 * 10 + 1), range(25)));
        assert!(super::hulls(&[]).is_empty() && super::hulls(&ranges[..1]) == ranges[..1]);
    }

    proptest! {
        #[test]
        fn the_parts_are_the_span(
            start in 0..5 * 24 * 60_i64,
            minutes in 1..6 * 24 * 60_i64,
            step in 1..3 * 24 * 60_i64,
            days in prop::collection::btree_set(0..12_i64, 0..12),
            hours in prop::collection::btree_set(0..12 * 24_i64, 0..200),
        ) {
            let at = |minutes: i64| UtcMicros(minutes * MINUTE_US);
            let span = Span { start: at(start), end: at(start + minutes), step_us: step * MINUTE_US };
            let rolled = Rolled {
                days: days.iter().map(|day| UtcMicros(day * DAY_US)).collect(),
                hours: hours.iter().map(|hour| UtcMicros(hour * HOUR_US)).collect(),
            };
            let parts = parts(&span, &rolled);
            for minute in start - 1..=start + minutes {
                let at = at(minute);
                let day = parts.days.contains(&at.floor(DAY_US));
                let hour = parts.hours.contains(&at.floor(HOUR_US));
                let sample = contains(&parts.samples, at);
                let inside = (span.start..span.end).contains(&at);
                prop_assert_eq!(usize::from(day) + usize::from(hour) + usize::from(sample), usize::from(inside), "minute {}", minute);
                // A row is never left out where it would do.
                let window = |from: UtcMicros, to: UtcMicros| from >= span.start && to <= span.end && span.window_of(from) == span.window_of(to - 1);
                let (from, to) = (at.floor(HOUR_US), at.floor(HOUR_US) + HOUR_US);
                prop_assert!(!(sample && rolled.hours.contains(&from) && window(from, to)));
            }
            for (rows, unit) in [(&parts.days, DAY_US), (&parts.hours, HOUR_US)] {
                for row in rows {
                    prop_assert_eq!(span.window_of(*row), span.window_of(*row + unit - 1));
                }
            }
            let hulls = hulls(&parts.samples);
            prop_assert!(hulls.len() <= RANGES);
            prop_assert!(parts.samples.iter().all(|range| hulls.iter().any(|hull| hull.start <= range.start && range.end <= hull.end)));
        }
    }
}
