//! The rollup is a function of the samples, at every moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use cloudping_batch_rollup::hours::date_of;
use cloudping_batch_rollup::rollup_plan::{DAY_GRACE_US, open_day};
use cloudping_batch_rollup::{Archiver, Check, Rollup, RollupError, RollupReport, Table, Tables};
use cloudping_digest::trino::from_trino_bytes;
use cloudping_model::{Outcome, Pane, Round, RoundId, UtcMicros};
use cloudping_schemas::tables::PERCENTILES;
use cloudping_testkit::MemoryLog;

use crate::common::*;

/// Long after everything that the tests measure: every day is over.
const LATER: UtcMicros = UtcMicros(TEN + 30 * 24 * HOUR);
/// By when no day of the tests is over.
const EARLY: UtcMicros = UtcMicros(TEN);

/// Source, target, family and start of the window.
type Key = (String, String, i64, UtcMicros);

/// A rollup's row: sent, received, lost, retransmitted, unknown; min, max, mean, stddev, then the percentiles.
#[derive(Debug, Default, Clone, PartialEq)]
struct Numbers {
    counts: [i64; 5],
    latencies: Vec<Option<f64>>,
}

struct Setting {
    _directory: tempfile::TempDir,
    tables: Tables,
    log: Arc<MemoryLog>,
    rounds: Vec<Round>,
}

impl Setting {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            tables: Tables::in_directory(directory.path()),
            _directory: directory,
            log: Arc::new(MemoryLog::default()),
            rounds: Vec::new(),
        }
    }

    async fn archive(&mut self, rounds: Vec<Round>) {
        append(&self.log, &rounds).await;
        self.rounds.extend(rounds);
        Archiver::new(self.log.clone(), self.tables.clone()).run_once().await.unwrap();
    }

    async fn roll_up(&self) -> RollupReport {
        self.roll_up_at(EARLY).await
    }

    async fn roll_up_at(&self, now: UtcMicros) -> RollupReport {
        Rollup::new(self.tables.clone()).run_once(now).await.unwrap()
    }

    async fn check(&self) {
        self.check_windows(Pane::Hour, plain(&self.rounds, Pane::Hour)).await;
    }

    /// Every day before `open` (days since 1970-01-01).
    async fn check_days(&self, open: i32) {
        let mut expected = plain(&self.rounds, Pane::Day);
        expected.retain(|(_, _, _, day), _| date_of(*day) < open);
        self.check_windows(Pane::Day, expected).await;
    }

    async fn check_windows(&self, pane: Pane, expected: BTreeMap<Key, Numbers>) {
        let stored = stored(&self.tables, pane).await;
        assert_eq!(stored.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (key, found) in &stored {
            let wanted = &expected[key];
            assert_eq!(found.counts, wanted.counts, "{key:?}");
            for (found, wanted) in found.latencies.iter().zip(&wanted.latencies) {
                match (found, wanted) {
                    (Some(found), Some(wanted)) => {
                        assert!((found - wanted).abs() <= 1e-6 * wanted.max(1.0), "{key:?}: {found} {wanted}")
                    }
                    _ => assert_eq!(found, wanted, "{key:?}"),
                }
            }
        }
    }
}

/// The rollup by the plainest means.
fn plain(rounds: &[Round], pane: Pane) -> BTreeMap<Key, Numbers> {
    let distinct: BTreeMap<RoundId, &Round> = rounds.iter().map(|round| (round.id.clone(), round)).collect();
    let mut hours: BTreeMap<Key, (Numbers, Vec<f64>)> = BTreeMap::new();
    for round in distinct.values() {
        let sent = |outcome| !matches!(outcome, Outcome::NotSent | Outcome::DnsFailure);
        for sample in round.samples.iter().filter(|sample| sent(sample.outcome)) {
            let hour = pane.start_of(round.sent_at(sample));
            let family = i64::from(sample.family.number());
            let key = (round.id.vantage.to_string(), sample.target.to_string(), family, hour);
            let (numbers, rtts) = hours.entry(key).or_default();
            let answered = sample.outcome == Outcome::Answered;
            let steps = [
                true,
                sample.rtt_us.is_some(),
                !answered,
                sample.outcome == Outcome::Retransmitted,
                answered && sample.rtt_us.is_none(),
            ];
            for (count, step) in numbers.counts.iter_mut().zip(steps) {
                *count += i64::from(step);
            }
            rtts.extend(sample.rtt_us.map(f64::from));
        }
    }
    (hours.into_iter())
        .map(|(key, (numbers, rtts))| {
            let latencies = latencies(rtts);
            (key, Numbers { latencies, ..numbers })
        })
        .collect()
}

fn latencies(mut rtts: Vec<f64>) -> Vec<Option<f64>> {
    if rtts.is_empty() {
        return vec![None; 4 + PERCENTILES.len()];
    }
    rtts.sort_by(f64::total_cmp);
    let n = rtts.len() as f64;
    let mean = rtts.iter().sum::<f64>() / n;
    let variance = rtts.iter().map(|rtt| (rtt - mean).powi(2)).sum::<f64>() / n;
    let mut numbers = vec![rtts[0], rtts[rtts.len() - 1], mean, variance.sqrt()];
    for (_, quantile) in PERCENTILES {
        let rank = quantile * (n - 1.0);
        let (low, high) = (rtts[rank.floor() as usize], rtts[rank.ceil() as usize]);
        numbers.push(low * (1.0 - rank.fract()) + high * rank.fract());
    }
    numbers.into_iter().map(Some).collect()
}

async fn stored(tables: &Tables, pane: Pane) -> BTreeMap<Key, Numbers> {
    let name = if pane == Pane::Hour { "rollup_1h" } else { "rollup_1d" };
    let time = if pane == Pane::Hour { "hour" } else { "CAST(day AS TIMESTAMP)" };
    let found = sql(tables, &format!("SELECT *, {time} AS start FROM {name}")).await;
    let starts =
        cast(found.column_by_name("start").unwrap(), &DataType::Timestamp(TimeUnit::Microsecond, None)).unwrap();
    let hours = starts.as_primitive::<TimestampMicrosecondType>();
    let (source, target, family) = (texts(&found, "source"), texts(&found, "target"), ints(&found, "family"));
    let counts = ["sent", "received", "lost", "retransmitted", "unknown"].map(|column| ints(&found, column));
    let names = ["min_us", "max_us", "mean_us", "stddev_us"].into_iter().chain(PERCENTILES.map(|(name, _)| name));
    let columns: Vec<_> = names.map(|column| floats(&found, column)).collect();
    let digests = bytes(&found, "digest");
    let mut rows = BTreeMap::new();
    for at in 0..found.num_rows() {
        let key =
            (source[at].clone().unwrap(), target[at].clone().unwrap(), family[at].unwrap(), UtcMicros(hours.value(at)));
        let numbers = Numbers {
            counts: counts.each_ref().map(|column| column[at].unwrap()),
            latencies: columns.iter().map(|column| column[at]).collect(),
        };
        let received = numbers.counts[1];
        assert_eq!(digests[at].is_some(), received > 0);
        if let Some(bytes) = &digests[at] {
            let digest = from_trino_bytes(bytes).unwrap();
            assert_eq!(digest.count().cast_signed(), received);
            assert_eq!(digest.min_us().map(f64::from), numbers.latencies[0]);
        }
        assert_eq!(rows.insert(key.clone(), numbers), None, "{key:?} twice");
    }
    rows
}

#[tokio::test]
async fn it_equals_the_plain_computation_and_follows_what_comes() {
    let mut setting = Setting::new();
    setting.archive(rounds(1, TEN - 30 * 60 * SECOND, 200, 20)).await;
    let first = setting.roll_up().await;
    assert_eq!((first.hours, first.commits), (2, 1));
    setting.check().await;
    assert_eq!(setting.roll_up().await, RollupReport::default());

    setting.archive(rounds(2, TEN + 3 * HOUR, 20, 20)).await;
    assert_eq!(setting.roll_up().await.hours, 1);
    setting.check().await;
    // The hour that is running grows.
    setting.archive(rounds(3, TEN + 3 * HOUR + 400 * SECOND, 20, 20)).await;
    assert_eq!(setting.roll_up().await.hours, 1);
    setting.check().await;
}

#[tokio::test]
async fn late_samples_change_their_hour_and_no_other() {
    let mut setting = Setting::new();
    // Three hours in one file of the rollup, across midnight.
    let start = TEN + 12 * HOUR;
    setting.archive(rounds(4, start, 130, 60)).await;
    let first = setting.roll_up().await;
    assert_eq!((first.hours, first.commits), (3, 2));
    let before = stored(&setting.tables, Pane::Hour).await;

    setting.archive(rounds(5, start + HOUR + 20 * SECOND, 5, 7)).await;
    assert_eq!(setting.roll_up().await.hours, 1);
    setting.check().await;
    let late = UtcMicros(start + HOUR);
    for (key, numbers) in stored(&setting.tables, Pane::Hour).await {
        assert_eq!(before[&key] == numbers, key.3 != late, "{key:?}");
    }
}

#[tokio::test]
async fn samples_that_were_not_sent_make_no_row() {
    let mut setting = Setting::new();
    let mut unsent = rounds(6, TEN, 10, 10);
    for sample in unsent.iter_mut().flat_map(|round| &mut round.samples) {
        sample.outcome = Outcome::NotSent;
        sample.rtt_us = None;
        sample.connect_us = None;
    }
    setting.archive(unsent).await;
    let report = setting.roll_up().await;
    assert_eq!((report.hours, report.rows, report.commits), (1, 0, 1));
    setting.check().await;
    assert_eq!(setting.roll_up().await, RollupReport::default());
}

#[tokio::test]
async fn a_run_that_is_cut_off_leaves_only_the_rest_to_the_next() {
    let mut setting = Setting::new();
    let dates = 6;
    setting.archive(rounds(43, TEN, 5 * 4, 6 * 3_600)).await;
    let newest = UtcMicros(TEN + 19 * 6 * HOUR);
    let (mut runs, mut commits) = (0, 0);
    while commits < dates {
        let rollup = Rollup::new(setting.tables.clone());
        let next = commits + 1;
        tokio::select! {
            biased;
            () = committed(&setting.tables, next) => {}
            run = rollup.run_once(EARLY) => drop(run.unwrap()),
        }
        commits = open(&setting.tables, Table::Rollup1h).await.version().unwrap();
        assert!(stored(&setting.tables, Pane::Hour).await.keys().any(|key| key.3 == newest), "the newest come first");
        runs += 1;
        assert!(runs <= dates, "each run goes on where the last one was cut off");
    }
    assert!(runs > 1, "{runs}");
    setting.check().await;
    assert_eq!(setting.roll_up().await, RollupReport::default());
}

/// Waits for a version of the rollup of hours.
async fn committed(tables: &Tables, version: u64) {
    loop {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let rollup = tables.open(Table::Rollup1h).await.unwrap();
        if rollup.is_some_and(|rollup| rollup.version() >= Some(version)) {
            return;
        }
    }
}

#[tokio::test]
async fn a_broken_file_costs_its_own_windows_again_and_no_other() {
    let mut setting = Setting::new();
    setting.archive(rounds(44, TEN, 3 * 8, 3 * 3_600)).await;
    let samples = open(&setting.tables, Table::Samples).await;
    let file: Vec<_> = samples.get_file_uris().unwrap().filter(|file| file.contains("date=2026-03-01")).collect();
    let [file] = &file[..] else { panic!("{file:?}") };
    let file = file.trim_start_matches("file://");
    let kept = std::fs::read(file).unwrap();
    std::fs::remove_file(file).unwrap();

    let rollup = Rollup::new(setting.tables.clone());
    let broken = async || match rollup.run_once(LATER).await.unwrap_err() {
        RollupError::Broken { report, broken } => (report.hours, report.days, report.commits, broken.len()),
        other => panic!("{other}"),
    };
    // By the statistics it is needed from ten o'clock to ten o'clock, and for the day.
    let (hours, days, _, missing) = broken().await;
    assert_eq!((hours, days, missing), (22 + 22 + 7, 3, 13 + 1), "all others");
    assert_eq!(broken().await, (0, 0, 0, missing), "only they are tried again");
    setting.archive(rounds(45, TEN + 48 * HOUR, 1, 1)).await;
    assert_eq!(broken().await, (1, 1, 2, missing), "and what is new is computed");

    std::fs::write(file, kept).unwrap();
    let report = Check::new(setting.tables.clone()).run(0..=date_of(LATER), &()).await.unwrap();
    assert_eq!((report.differences, report.pending), (0, missing as u64), "{:?}", report.told);
    let mended = setting.roll_up_at(LATER).await;
    assert_eq!(mended.hours + mended.days, missing as u64);
    setting.check().await;
    setting.check_days(i32::MAX).await;
    assert_eq!(setting.roll_up_at(LATER).await, RollupReport::default());
}

#[tokio::test]
async fn an_hour_of_many_samples_keeps_exact_percentiles_and_a_compressed_digest() {
    let mut setting = Setting::new();
    setting.archive(rounds(7, TEN, 3_500, 1)).await;
    setting.roll_up().await;
    setting.check().await;
    let digests = bytes(&sql(&setting.tables, "SELECT digest FROM rollup_1h").await, "digest");
    let longest = digests.into_iter().flatten().map(|digest| digest.len()).max().unwrap();
    assert!((1_000..=37 + 16 * 512).contains(&longest), "{longest}");
}

#[tokio::test]
async fn without_samples_there_is_nothing_to_do() {
    let setting = Setting::new();
    assert_eq!(setting.roll_up().await, RollupReport::default());
    setting.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollups_that_race_or_are_cut_off_end_in_the_same_rows() {
    let mut setting = Setting::new();
    let mut random = fastrand::Rng::with_seed(8);
    let mut cut_off = 0;
    for part in 0..12_i64 {
        setting.archive(rounds(100 + part.cast_unsigned(), TEN + part * 25 * 60 * SECOND, 30, 60)).await;
        let racing: Vec<_> = (0..2)
            .map(|_| {
                let rollup = Rollup::new(setting.tables.clone());
                let patience = Duration::from_millis(random.u64(1..400));
                tokio::spawn(async move { tokio::time::timeout(patience, rollup.run_once(EARLY)).await })
            })
            .collect();
        for run in racing {
            match run.await.unwrap() {
                Ok(done) => drop(done.unwrap()),
                Err(_) => cut_off += 1,
            }
        }
    }
    assert!(cut_off > 3, "{cut_off}");
    setting.roll_up().await;
    setting.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollups_that_start_together_write_each_hour_once() {
    for seed in 0..3 {
        let mut setting = Setting::new();
        // Two dates, hence two commits, of which the first owes what the second holds.
        setting.archive(rounds(20 + seed, TEN + 13 * HOUR, 100, 100)).await;
        let together: Vec<_> = (0..3)
            .map(|_| {
                let rollup = Rollup::new(setting.tables.clone());
                tokio::spawn(async move { rollup.run_once(EARLY).await })
            })
            .collect();
        for run in together {
            run.await.unwrap().unwrap();
        }
        setting.check().await;
    }
}

#[tokio::test]
async fn what_it_was_computed_from_is_part_of_the_commit() {
    let mut setting = Setting::new();
    setting.archive(rounds(9, TEN, 5, 10)).await;
    setting.roll_up().await;
    let rollup = open(&setting.tables, Table::Rollup1h).await;
    let samples = open(&setting.tables, Table::Samples).await;
    let app = cloudping_batch_rollup::checkpoint::ROLLUP_APP;
    let computed = rollup.snapshot().unwrap().transaction_version(rollup.log_store().as_ref(), app).await.unwrap();
    assert_eq!(computed, samples.version().map(u64::cast_signed));
    let p50 = sql(&setting.tables, "SELECT p50_us FROM rollup_1h WHERE received > 0").await;
    assert!(p50.column(0).as_primitive::<Float64Type>().iter().all(|value| value.is_some()));
}

#[tokio::test]
async fn a_day_comes_when_it_is_over_and_again_when_something_is_late() {
    let mut setting = Setting::new();
    let day = 24 * HOUR;
    let midnight = TEN + 14 * HOUR;
    setting.archive(rounds(31, midnight - 2 * HOUR, 240, 60)).await;
    let before = setting.roll_up_at(UtcMicros(midnight + DAY_GRACE_US - 1)).await;
    assert_eq!((before.hours, before.days), (4, 0));
    setting.check_days(0).await;
    let over = UtcMicros(midnight + DAY_GRACE_US);
    assert_eq!(setting.roll_up_at(over).await.days, 1, "nothing came since, but the day has ended");
    setting.check_days(open_day(over)).await;
    assert_eq!(setting.roll_up_at(over).await, RollupReport::default());

    setting.archive(rounds(32, midnight - 5 * HOUR, 10, 60)).await;
    let late = setting.roll_up_at(UtcMicros(over.0 + HOUR)).await;
    assert_eq!((late.hours, late.days, late.commits), (1, 1, 2));
    setting.check_days(open_day(over)).await;
    let next = setting.roll_up_at(UtcMicros(over.0 + day)).await;
    assert_eq!((next.hours, next.days), (0, 1));
    setting.check_days(open_day(UtcMicros(over.0 + day))).await;
    setting.check().await;
}

#[tokio::test]
async fn a_day_that_a_clock_ahead_took_for_over_is_computed_again_at_its_end() {
    let mut setting = Setting::new();
    let day = 24 * HOUR;
    let midnight = TEN + 14 * HOUR;
    setting.archive(rounds(41, midnight - 2 * HOUR, 240, 60)).await;
    let ahead = setting.roll_up_at(UtcMicros(midnight + 5 * day)).await;
    assert_eq!(ahead.days, 2, "the second has only begun");

    // The clock is right again. Both days get more, and the one that is over is computed.
    setting.archive(rounds(42, midnight - HOUR, 2 * 60, 10 * 60)).await;
    assert_eq!(setting.roll_up_at(UtcMicros(midnight + 20 * HOUR)).await.days, 1);
    let over = UtcMicros(midnight + day + DAY_GRACE_US);
    assert_eq!(setting.roll_up_at(over).await.days, 1);
    setting.check_days(open_day(over)).await;
    assert_eq!(setting.roll_up_at(over).await, RollupReport::default());
}

#[tokio::test]
async fn a_late_day_leaves_the_other_days_of_its_file_alone() {
    let mut setting = Setting::new();
    let day = 24 * HOUR;
    // Across the end of the month.
    setting.archive(rounds(33, TEN + 29 * day, 40, 3 * 3_600)).await;
    let report = setting.roll_up_at(UtcMicros(TEN + 40 * day)).await;
    assert_eq!((report.days, report.commits), (6, 6 + 2), "a commit a date of hours, one a month of days");
    setting.check_days(i32::MAX).await;
    merge_days(&setting.tables).await;
    setting.archive(rounds(34, TEN + 29 * day + HOUR, 10, 60)).await;
    assert_eq!(setting.roll_up_at(UtcMicros(TEN + 40 * day)).await.days, 1);
    setting.check_days(i32::MAX).await;
    setting.check().await;
}

/// As a compaction does: each month's days in one file.
async fn merge_days(tables: &Tables) {
    let open = open(tables, Table::Rollup1d).await;
    let (merged, metrics) = open.optimize().await.unwrap();
    assert!(metrics.num_files_removed > metrics.num_files_added, "{metrics:?}");
    assert_eq!(merged.get_file_uris().unwrap().count(), 2);
}

#[tokio::test]
async fn days_equal_the_plain_computation_however_samples_come() {
    for seed in 0..3 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut setting = Setting::new();
        let mut now = TEN;
        for part in 0..6 {
            let start = TEN + random.i64(0..60) * HOUR;
            let rounds = rounds(seed * 100 + part, start, random.u64(1..200), random.i64(1..900));
            setting.archive(rounds).await;
            now += random.i64(0..20) * HOUR;
            setting.roll_up_at(UtcMicros(now)).await;
            setting.check_days(open_day(UtcMicros(now))).await;
        }
        setting.roll_up_at(LATER).await;
        setting.check_days(i32::MAX).await;
        setting.check().await;
        assert_eq!(setting.roll_up_at(LATER).await, RollupReport::default());
    }
}

#[tokio::test]
async fn progress_comes_to_the_end_of_hours_and_days() {
    let mut setting = Setting::new();
    setting.archive([rounds(41, TEN, 3, 1_800), rounds(42, TEN + 24 * HOUR, 1, 1)].concat()).await;
    let told = Told::default();
    let done = Rollup::new(setting.tables.clone()).run_watched(UtcMicros(TEN + 24 * HOUR), &told).await.unwrap();
    assert_eq!((done.hours, done.days), (3, 1));
    assert_eq!(told.stages(), [("computing hours".to_owned(), 3, 3), ("computing days".to_owned(), 1, 1)]);
}

#[tokio::test]
async fn what_is_up_to_date_is_said_now_and_then() {
    let mut setting = Setting::new();
    for part in 0..31 {
        setting.archive(rounds(200 + part, TEN, 1, 1)).await;
    }
    setting.roll_up().await;
    let said = open(&setting.tables, Table::Rollup1d).await.version();
    assert_eq!(said, Some(1));
    setting.archive(rounds(300, TEN, 1, 1)).await;
    setting.roll_up().await;
    assert_eq!(open(&setting.tables, Table::Rollup1d).await.version(), said, "a commit to read is no matter");
}
