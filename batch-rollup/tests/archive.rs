//! The archive holds every event once, whatever happens on the way.

mod common;

use std::sync::Arc;

use cloudping_batch_rollup::{ArchiveError, ArchiveReport, Archiver, Table, Tables};
use cloudping_model::{Round, UtcMicros};
use cloudping_ports::EventLog;
use cloudping_testkit::{FaultPlan, Faulty, MemoryLog, Operation, When};
use common::contract::{SMALL, log_of};
use common::*;
use deltalake_core::logstore::object_store::memory::InMemory;

fn place() -> (tempfile::TempDir, Tables) {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    (directory, tables)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_archive_keeps_its_promises_in_a_folder() {
    keeps_its_promises(&|| {
        let (directory, tables) = place();
        (Some(directory), tables)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_archive_keeps_its_promises_in_a_storage() {
    keeps_its_promises(&|| (None, Tables::in_storage("s3://bucket/some/place", Arc::new(InMemory::new())))).await;
}

async fn keeps_its_promises(fresh: &dyn Fn() -> (Option<tempfile::TempDir>, Tables)) {
    let (_directory, tables) = fresh();
    contract::every_sample_becomes_a_row_and_a_second_run_adds_none(tables).await;
    let (_directory, tables) = fresh();
    contract::archivers_that_race_take_turns(tables).await;
    let (_directory, tables) = fresh();
    contract::an_archiver_dropped_anywhere_is_replaced_by_the_next(tables).await;
    let (_directory, tables) = fresh();
    contract::hours_follow_the_samples_also_when_rollups_race(tables).await;
    for _ in 0..5 {
        let (_directory, tables) = fresh();
        contract::a_table_is_created_once_by_many(tables).await;
    }
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

#[tokio::test]
async fn an_unusable_place_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let error = Archiver::new(log_of(&[]).await, Tables::in_directory(&file)).run_once().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("table samples at") && text.contains("/file/samples"), "{text}");
}
