//! The archive holds every event once, whatever happens on the way.

mod common;

use std::sync::Arc;
use std::time::Duration;

use cloudping_batch_rollup::{ArchiveError, ArchiveOptions, ArchiveReport, Archiver, Table, Tables};
use cloudping_model::{Round, UtcMicros};
use cloudping_ports::EventLog;
use cloudping_testkit::{FaultPlan, Faulty, MemoryLog, Operation, When};
use common::*;

/// Small, so that a few rounds take many commits.
const SMALL: ArchiveOptions = ArchiveOptions { rows_per_commit: 20, records_per_read: 3 };

fn place() -> (tempfile::TempDir, Tables) {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    (directory, tables)
}

async fn log_of(rounds: &[Round]) -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::default());
    append(&log, rounds).await;
    log
}

#[tokio::test]
async fn every_sample_becomes_a_row_and_a_second_run_adds_none() {
    let (_directory, tables) = place();
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

#[tokio::test]
async fn rows_lie_sorted_in_one_file_a_date() {
    let (directory, tables) = place();
    let midnight = TEN + 14 * HOUR;
    let log = log_of(&rounds(2, midnight - 60 * SECOND, 12, 10)).await;
    Archiver::new(log, tables.clone()).run_once().await.unwrap();
    let table = open(&tables, Table::Samples).await;
    let files: Vec<_> = table.get_file_uris().unwrap().collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for date in ["2026-03-01", "2026-03-02"] {
        let [file] = &files.iter().filter(|file| file.contains(date)).collect::<Vec<_>>()[..] else {
            panic!("{files:?}");
        };
        let path = directory.path().join("samples").join(file.split("samples/").last().unwrap());
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(
            std::fs::File::open(path).unwrap(),
            1 << 20,
        );
        let batch = reader.unwrap().next().unwrap().unwrap();
        let keys: Vec<_> =
            (texts(&batch, "source").into_iter()).zip(texts(&batch, "target")).zip(ints(&batch, "ts")).collect();
        assert_eq!(keys.len(), 72);
        assert!(keys.is_sorted());
    }
}

#[tokio::test]
async fn duplicates_noise_and_disorder_change_nothing() {
    let (_directory, tables) = place();
    let mut random = fastrand::Rng::with_seed(3);
    let original = rounds(3, TEN, 25, 120);
    let mut sent: Vec<Round> = original.clone();
    sent.extend(original.iter().filter(|_| random.u32(0..3) == 0).cloned());
    random.shuffle(&mut sent);
    let log = Arc::new(MemoryLog::default());
    let mut noise = 0;
    for round in &sent {
        append(&log, std::slice::from_ref(round)).await;
        if random.u32(0..5) == 0 {
            noise += 1;
            log.append(round.id.vantage.as_str(), "no event".into()).await.unwrap();
        }
    }
    // Would be a partition that no reader can name.
    let far = Round { started_at: UtcMicros(i64::MAX), ..original[0].clone() };
    append(&log, &[far]).await;
    let report = Archiver::with_options(log, tables.clone(), SMALL).run_once().await.unwrap();
    assert_eq!(report.unreadable, noise + 1);
    assert_eq!(report.duplicates, (sent.len() - original.len()) as u64);
    assert_eq!(report.rounds, original.len() as u64);
    assert!(report.commits > 10, "{report:?}");
    assert_eq!(stored_rows(&tables).await, expected_rows(&original));
}

#[tokio::test]
async fn a_round_that_was_logged_again_later_in_another_shard_is_known() {
    let (_directory, tables) = place();
    let rounds = rounds(4, TEN, 10, 10);
    let log = log_of(&rounds).await;
    let archiver = Archiver::new(log.clone(), tables.clone());
    archiver.run_once().await.unwrap();
    for round in &rounds[5..9] {
        for key in ["some", "other", "shards", "keys"] {
            log.append(key, cloudping_schemas::event::encode(round).into()).await.unwrap();
        }
    }
    let again = archiver.run_once().await.unwrap();
    assert_eq!((again.records, again.duplicates, again.rows, again.commits), (16, 16, 0, 1));
    assert_eq!(archiver.run_once().await.unwrap(), ArchiveReport::default(), "the checkpoint moved on");
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
}

#[tokio::test]
async fn a_fault_at_each_read_loses_and_doubles_nothing() {
    let (_directory, tables) = place();
    let rounds = rounds(5, TEN, 8, 10);
    let log = log_of(&rounds).await;
    let mut failures = 0;
    for call in 1.. {
        let when = if call % 2 == 0 { When::BeforeActing } else { When::AfterActing };
        let plan = FaultPlan::none().fail(Operation::Read, call, when);
        let faulty = Arc::new(Faulty::new(log.clone(), plan));
        match Archiver::with_options(faulty, tables.clone(), SMALL).run_once().await {
            Err(ArchiveError::Log(_)) => failures += 1,
            Err(other) => panic!("{other}"),
            Ok(_) => break,
        }
        let stored = stored_rows(&tables).await;
        let mut distinct = stored.clone();
        distinct.dedup();
        assert_eq!(stored, distinct);
    }
    assert!(failures > 5, "{failures}");
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archivers_that_race_take_turns() {
    let (_directory, tables) = place();
    let rounds = rounds(6, TEN, 30, 10);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archiver_dropped_anywhere_is_replaced_by_the_next() {
    let (_directory, tables) = place();
    let mut random = fastrand::Rng::with_seed(7);
    let rounds = rounds(7, TEN, 60, 10);
    let log = Arc::new(MemoryLog::default());
    let mut cut_off = 0;
    for part in rounds.chunks(16) {
        append(&log, part).await;
        let archiver = Archiver::with_options(log.clone(), tables.clone(), SMALL);
        let patience = Duration::from_micros(random.u64(100..150_000));
        cut_off += u32::from(tokio::time::timeout(patience, archiver.run_once()).await.is_err());
    }
    assert!(cut_off > 3, "{cut_off}");
    Archiver::new(log, tables.clone()).run_once().await.unwrap();
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_created_once_by_many() {
    for _ in 0..5 {
        let (_directory, tables) = place();
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
}

#[tokio::test]
async fn an_unusable_place_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let error = Archiver::new(log_of(&[]).await, Tables::in_directory(&file)).run_once().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("table samples at") && text.contains("/file/samples"), "{text}");
}
