//! The archive holds every event once, whatever happens on the way.

use std::sync::Arc;

use cloudping_batch_rollup::{ArchiveError, ArchiveReport, Archiver, Table, Tables};
use cloudping_model::{Gap, GapReason, Round, RouteChange, UtcMicros};
use cloudping_ports::EventLog;
use cloudping_schemas::tables;
use cloudping_testkit::{FaultPlan, Faulty, MemoryLog, Operation, When};
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::logstore::object_store::memory::InMemory;
use deltalake_core::operations::create::CreateBuilder;

use crate::common::contract::{self, SMALL, log_of};
use crate::common::*;

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
async fn a_gap_that_no_row_can_carry_is_counted() {
    let (_directory, tables) = place();
    let mut rounds = rounds(8, TEN, 3, 10);
    let gap = Some(Gap { reason: GapReason::Suspended, rounds: 3, micros: 30_000_000 });
    for bare in [1, 2, 3] {
        rounds[bare].samples.clear();
    }
    (rounds[0].gap, rounds[1].gap, rounds[2].gap) = (gap, gap, gap);
    let log = log_of(&rounds).await;
    append(&log, &rounds[..4]).await;
    let report = Archiver::new(log, tables.clone()).run_once().await.unwrap();
    assert_eq!((report.rounds, report.rowless_gaps), (12, 2));
    let stored = sql(&tables, "SELECT sum(gap_rounds) AS missing FROM samples").await;
    assert_eq!(ints(&stored, "missing"), [Some(3)]);
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

/// The table's rows: month, minute, target, and how the level moved.
async fn stored_changes(tables: &Tables) -> Vec<(String, i64, String, i64)> {
    let found = sql(tables, "SELECT *, after_us - before_us AS step FROM changes ORDER BY minute, target").await;
    let (month, target) = (texts(&found, "month"), texts(&found, "target"));
    let rows = ints(&found, "minute").into_iter().zip(ints(&found, "step"));
    let row = |(at, (minute, step)): (usize, (Option<i64>, Option<i64>))| {
        (month[at].clone().unwrap(), minute.unwrap(), target[at].clone().unwrap(), step.unwrap())
    };
    rows.enumerate().map(row).collect()
}

fn expected_changes(changes: &[RouteChange]) -> Vec<(String, i64, String, i64)> {
    let row = |change: &RouteChange| ("2026-03-01".to_owned(), change.minute.0, change.target.to_string(), 11_000);
    changes.iter().map(row).collect()
}

#[tokio::test]
async fn each_route_change_becomes_one_row_however_often_it_is_told() {
    let (_directory, tables) = place();
    let changes = [route_change("a", 1), route_change("b", 1), route_change("a", 90)];
    let rounds = rounds(8, TEN, 4, 10);
    let log = log_of(&rounds).await;
    append_changes(&log, &[&changes[..2], &changes[..1]].concat()).await;
    let report = Archiver::new(log.clone(), tables.clone()).run_once().await.unwrap();
    assert_eq!((report.changes, report.rounds, report.unreadable), (2, 16, 0));
    assert_eq!(stored_changes(&tables).await, expected_changes(&changes[..2]));
    append_changes(&log, &changes).await;
    let again = Archiver::new(log.clone(), tables.clone()).run_once().await.unwrap();
    assert_eq!((again.records, again.changes, again.rows), (3, 1, 0));
    assert_eq!(stored_changes(&tables).await, expected_changes(&changes));
    // Beside one of another year, and all of them known.
    let far = route_change("a", -400 * 24 * 60);
    append_changes(&log, &[std::slice::from_ref(&far), &changes].concat()).await;
    let third = Archiver::new(log.clone(), tables.clone()).run_once().await.unwrap();
    assert_eq!((third.records, third.changes), (4, 1));
    let stored = stored_changes(&tables).await;
    assert_eq!((stored[0].1, &stored[1..]), (far.minute.0, &expected_changes(&changes)[..]));
    let full = sql(&tables, "SELECT * FROM changes WHERE target = 'b'").await;
    assert_eq!(
        (texts(&full, "source"), texts(&full, "protocol")),
        (vec![Some("eu-west-1".to_owned())], vec![Some("tcp".to_owned())])
    );
    assert_eq!((ints(&full, "family"), ints(&full, "ended_count")), (vec![Some(6)], vec![Some(7)]));
    assert_eq!((floats(&full, "score"), floats(&full, "ended_p99_us")), (vec![Some(1.5)], vec![Some(4.0)]));
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
}

#[tokio::test]
async fn a_crash_between_the_changes_and_the_samples_doubles_neither() {
    let (directory, tables) = place();
    let rounds = rounds(9, TEN, 8, 10);
    let log = log_of(&rounds[..16]).await;
    Archiver::new(log.clone(), tables.clone()).run_once().await.unwrap();
    append(&log, &rounds[16..]).await;
    append_changes(&log, &[route_change("a", 1)]).await;
    let archiver = Archiver::new(log, tables.clone());
    assert_eq!(archiver.run_once().await.unwrap().changes, 1);
    // As if the process had died before the second commit of the samples.
    std::fs::remove_file(directory.path().join("samples/_delta_log/00000000000000000002.json")).unwrap();
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds[..16]));
    let again = archiver.run_once().await.unwrap();
    assert_eq!((again.changes, again.rounds), (0, 16));
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
    assert_eq!(stored_changes(&tables).await, expected_changes(&[route_change("a", 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archivers_that_race_append_each_change_once() {
    let (_directory, tables) = place();
    let changes: Vec<RouteChange> = (0..12).map(|minute| route_change("a", minute)).collect();
    let log = Arc::new(MemoryLog::default());
    for change in &changes {
        append_changes(&log, &[change.clone(), change.clone()]).await;
    }
    let options = cloudping_batch_rollup::ArchiveOptions { rows_per_commit: 6, ..SMALL };
    let runs = [(); 3].map(|()| {
        let archiver = Archiver::with_options(log.clone(), tables.clone(), options);
        tokio::spawn(async move { archiver.run_once().await })
    });
    let mut appended = 0;
    for run in runs {
        appended += run.await.unwrap().unwrap().changes;
    }
    assert_eq!(stored_changes(&tables).await, expected_changes(&changes));
    // A run that lost the race for the samples may have appended changes that it does not report: never more than there are.
    assert!(appended <= changes.len() as u64, "{appended}");
}

/// The columns of `samples` in the first release.
const FIRST_COLUMNS: usize = 13;

/// A table of the first release with these rounds in it.
async fn old_table(tables: &Tables, rounds: &[Round]) {
    let (_elsewhere, other) = place();
    Archiver::new(log_of(rounds).await, other.clone()).run_once().await.unwrap();
    let schema = tables::samples();
    let names: Vec<&str> = schema.fields().iter().take(FIRST_COLUMNS).map(|field| field.name().as_str()).collect();
    let rows = sql(&other, &format!("SELECT {} FROM samples", names.join(", "))).await;
    let columns: StructType = schema.as_ref().try_into_kernel().unwrap();
    let table = CreateBuilder::new()
        .with_location(tables.uri(Table::Samples))
        .with_columns(columns.fields().take(FIRST_COLUMNS).cloned())
        .with_partition_columns(["date"])
        .await
        .unwrap();
    table.write([rows]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_the_first_release_gets_the_new_columns_while_it_is_read_and_written() {
    let (_directory, tables) = place();
    let rounds = rounds(10, TEN, 20, 10);
    old_table(&tables, &rounds[..40]).await;
    let old = open(&tables, Table::Samples).await;
    assert!(old.snapshot().unwrap().schema().field("gap_us").is_none());
    let session = datafusion::prelude::SessionContext::new();
    old.update_datafusion_session(&session.state()).unwrap();
    let reader = session.read_table(Arc::new(old.table_provider().build().await.unwrap())).unwrap();

    let mut gapped = rounds[40..].to_vec();
    gapped[3].gap =
        Some(cloudping_model::Gap { reason: cloudping_model::GapReason::Overload, rounds: 3, micros: 30 * SECOND });
    let log = log_of(&rounds[..40]).await;
    append(&log, &gapped).await;
    let runs = [(); 2].map(|()| {
        let options = cloudping_batch_rollup::ArchiveOptions { origin: tables::Origin::Simulated, ..SMALL };
        let archiver = Archiver::with_options(log.clone(), tables.clone(), options);
        tokio::spawn(async move { archiver.run_once().await })
    });
    let mut archived = 0;
    for run in runs {
        archived += run.await.unwrap().unwrap().rounds;
    }
    assert_eq!(archived, 40, "the old rows are known");
    let read: usize = reader.collect().await.unwrap().iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(read, expected_rows(&rounds[..40]).len(), "a reader keeps its version");
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
    let told =
        "SELECT count(*) FILTER (WHERE origin IS NULL) AS old, count(*) FILTER (WHERE origin = 'simulated') AS new,
                sum(gap_rounds) AS rounds, count(gap_us) AS gaps FROM samples";
    let told = sql(&tables, told).await;
    let each = (expected_rows(&rounds[..40]).len() as i64, expected_rows(&rounds[40..]).len() as i64);
    assert_eq!((ints(&told, "old"), ints(&told, "new")), (vec![Some(each.0)], vec![Some(each.1)]));
    assert_eq!((ints(&told, "rounds"), ints(&told, "gaps")), (vec![Some(3)], vec![Some(1)]));
}
