//! What the archive promises wherever its tables lie.

use std::sync::Arc;
use std::time::Duration;

use cloudping_batch_rollup::{ArchiveOptions, ArchiveReport, Archiver, Rollup, RollupReport, Table, Tables};
use cloudping_model::Round;
use cloudping_schemas::tables::Origin;
use cloudping_testkit::MemoryLog;

use super::*;

/// Small, so that a few rounds take many commits.
pub const SMALL: ArchiveOptions = ArchiveOptions { rows_per_commit: 20, records_per_read: 3, origin: Origin::Measured };

/// A log that holds these rounds.
pub async fn log_of(rounds: &[Round]) -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::default());
    append(&log, rounds).await;
    log
}

pub async fn every_sample_becomes_a_row_and_a_second_run_adds_none(tables: Tables) {
    let rounds = rounds(1, TEN, 30, 10);
    let log = log_of(&rounds).await;
    let archiver = Archiver::new(log.clone(), tables.clone());
    let report = archiver.run_once().await.unwrap();
    let rows = expected_rows(&rounds);
    let expected =
        ArchiveReport { records: 120, rounds: 120, rows: rows.len() as u64, commits: 1, ..ArchiveReport::default() };
    assert_eq!(report, expected);
    assert_eq!(stored_rows(&tables).await, rows);
    assert_eq!(archiver.run_once().await.unwrap(), ArchiveReport::default());
    assert_eq!(Archiver::new(log, tables.clone()).run_once().await.unwrap(), ArchiveReport::default());
    assert_eq!(stored_rows(&tables).await, rows);
}

pub async fn archivers_that_race_take_turns(tables: Tables) {
    let rounds = rounds(6, TEN, 15, 10);
    let log = log_of(&rounds).await;
    let runs: Vec<_> = (0..3)
        .map(|_| {
            let archiver = Archiver::with_options(log.clone(), tables.clone(), SMALL);
            tokio::spawn(async move { archiver.run_once().await })
        })
        .collect();
    let mut archived = 0;
    for run in runs {
        archived += run.await.unwrap().unwrap().rounds;
    }
    assert_eq!(archived, rounds.len() as u64);
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
}

pub async fn an_archiver_dropped_anywhere_is_replaced_by_the_next(tables: Tables) {
    let mut random = fastrand::Rng::with_seed(7);
    let rounds = rounds(7, TEN, 48, 10);
    let log = Arc::new(MemoryLog::default());
    let mut cut_off = 0;
    for part in rounds.chunks(16) {
        append(&log, part).await;
        let archiver = Archiver::with_options(log.clone(), tables.clone(), SMALL);
        let patience = Duration::from_micros(random.u64(100..80_000));
        cut_off += u32::from(tokio::time::timeout(patience, archiver.run_once()).await.is_err());
    }
    assert!(cut_off > 3, "{cut_off}");
    Archiver::new(log, tables.clone()).run_once().await.unwrap();
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
}

pub async fn a_table_is_created_once_by_many(tables: Tables) {
    let creators: Vec<_> = (0..4)
        .map(|_| {
            let tables = tables.clone();
            tokio::spawn(async move { tables.open_or_create(Table::Samples).await.map(|table| table.version()) })
        })
        .collect();
    for creator in creators {
        assert_eq!(creator.await.unwrap().unwrap(), Some(0));
    }
}

pub async fn hours_follow_the_samples_also_when_rollups_race(tables: Tables) {
    let log = Arc::new(MemoryLog::default());
    let mut all = Vec::new();
    // Into the next hour.
    for part in 0..3 {
        let some = rounds(part, TEN + 13 * HOUR + part.cast_signed() * 1_800 * SECOND, 20, 60);
        append(&log, &some).await;
        all.extend(some);
        Archiver::new(log.clone(), tables.clone()).run_once().await.unwrap();
        let runs = [(); 2].map(|()| {
            let rollup = Rollup::new(tables.clone());
            tokio::spawn(async move { rollup.run_once(UtcMicros(TEN)).await })
        });
        for run in runs {
            run.await.unwrap().unwrap();
        }
        assert_eq!(Rollup::new(tables.clone()).run_once(UtcMicros(TEN)).await.unwrap(), RollupReport::default());
        let sums = sql(&tables, "SELECT sum(sent) AS sent, sum(received) AS received FROM rollup_1h").await;
        let samples = || all.iter().flat_map(|round| &round.samples);
        let sent = samples().filter(|sample| sample.outcome.was_sent()).count();
        let received = samples().filter(|sample| sample.rtt_us.is_some()).count();
        assert_eq!(ints(&sums, "sent"), [Some(sent as i64)]);
        assert_eq!(ints(&sums, "received"), [Some(received as i64)]);
    }
}
