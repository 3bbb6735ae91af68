//! All six windows against a plain model: whatever is folded when, and whatever was read before, each minute counts once.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudping_digest::{Counts, SeriesSummary};
use cloudping_model::{Pane, Rolling, UtcMicros};
use cloudping_windows::{Columns, Panes, StoredPane, StoredPanes, Windows};
use proptest::prelude::*;

const MINUTE: i64 = 60_000_000;
const DAYS: i64 = 420;

/// What a minute measured: its lost probes. Its one round-trip time is its number, µs.
type Losses = BTreeMap<i64, u64>;

fn summary(minute: i64, lost: u64) -> SeriesSummary {
    let last_at_us = Some(minute * MINUTE);
    SeriesSummary::from_sorted(&[minute as u32], Counts { lost, last_at_us, ..Counts::default() })
}

/// Panes of a size that hold the minutes that are folded into them. Their versions are what they hold: panes only grow.
fn panes(losses: &Losses, size: Pane, folded_until: UtcMicros) -> Arc<StoredPanes> {
    let mut summaries: BTreeMap<UtcMicros, (u64, Vec<SeriesSummary>)> = BTreeMap::new();
    for (minute, lost) in losses.iter().filter(|(minute, _)| **minute * MINUTE < folded_until.0) {
        let (version, pane) = summaries.entry(size.start_of(UtcMicros(minute * MINUTE))).or_default();
        *version += 1 + lost;
        pane.push(summary(*minute, *lost));
    }
    let panes = summaries.into_iter().map(|(start, (version, minutes))| {
        let mut columns = Columns::default();
        columns.push(3, SeriesSummary::merge_many(&minutes));
        let pane = match size {
            Pane::Day => StoredPane::packed(start, version, &columns),
            _ => StoredPane::new(start, version, columns),
        };
        (start, pane)
    });
    Arc::new(panes.collect())
}

/// How a stream processor of version 1 (by the minute) or 2 (by the hour and the day) has folded at a watermark.
fn stored(losses: &Losses, watermark: UtcMicros, by_the_minute: bool) -> Panes {
    let folded = watermark - 15 * MINUTE;
    let (folded_until, hours_folded_until) = match by_the_minute {
        true => (Pane::Minute.start_of(folded), Pane::Hour.start_of(folded)),
        false => (Pane::Hour.start_of(folded), Pane::Day.start_of(folded)),
    };
    Panes {
        minutes: panes(losses, Pane::Minute, UtcMicros(i64::MAX)),
        hours: panes(losses, Pane::Hour, folded_until),
        days: panes(losses, Pane::Day, hours_folded_until),
        folded_until,
        hours_folded_until,
    }
}

fn counted(columns: &Columns) -> (u64, u64) {
    columns.get(3).map_or((0, 0), |summary| (summary.lost(), summary.sum_us()))
}

fn expected(losses: &Losses, window: Rolling, now: UtcMicros) -> (u64, u64) {
    let first = window.first_pane(now).0 / MINUTE;
    let within = losses.range(first..=(now.0 / MINUTE).max(first));
    within.fold((0, 0), |(lost, sum), (minute, its)| (lost + its, sum + *minute as u64))
}

/// Now, the watermark behind it, which folding it is, a late loss.
type Step = (i64, i64, bool, Option<(usize, u64)>);

fn step() -> impl Strategy<Value = Step> {
    let forward = prop_oneof![4 => 0i64..4, 4 => 50i64..200, 2 => 1000i64..4000, 1 => 20_000i64..200_000];
    let behind = prop_oneof![4 => 0i64..2, 1 => 0i64..100, 1 => 0i64..50_000];
    (forward, behind, any::<bool>(), prop::option::of((any::<usize>(), 1u64..3)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_window_counts_each_minute_once(
        seed in prop::collection::btree_map(0..DAYS * 1440, 0u64..4, 1..150),
        dense in (0..DAYS * 1440, 1i64..400),
        steps in prop::collection::vec(step(), 1..10),
    ) {
        let mut losses: Losses = seed;
        losses.extend((0..dense.1).map(|at| (dense.0 + at, 1)));
        let mut windows = Windows::default();
        let mut now = UtcMicros(dense.0 * MINUTE + 30_000_000);
        for (forward, behind, by_the_minute, late) in steps {
            now = now + forward * MINUTE;
            if let Some((at, more)) = late {
                let at = at % losses.len();
                *losses.values_mut().nth(at).unwrap() += more;
            }
            let panes = stored(&losses, now - behind * MINUTE, by_the_minute);
            for window in Rolling::ALL {
                let series = windows.series(window, &panes, now);
                prop_assert_eq!(counted(&series), expected(&losses, window, now), "{:?} at {:?}", window, now);
                prop_assert!(Arc::ptr_eq(&series, &windows.series(window, &panes, now)));
            }
        }
    }
}

#[test]
fn round_trip_times_that_are_known_one_by_one_stay_so() {
    let losses: Losses = (0..500).map(|day| (day * 1440, 0)).collect();
    let now = UtcMicros(499 * 1440 * MINUTE + 20 * MINUTE);
    let year = Windows::default().series(Rolling::Year, &stored(&losses, now, false), now);
    let summary = year.get(3).unwrap();
    assert_eq!((summary.received(), summary.digest().is_exact()), (365, true));
    assert_eq!(summary.quantile(0.5), Some(f64::from((499 - 182) * 1440)));
}
