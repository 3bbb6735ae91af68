//! Compaction: fewer files, the same rows.

use std::sync::Arc;

use cloudping_batch_rollup::{
    Archiver, CompactError, CompactOptions, CompactReport, Compactor, Rollup, RollupReport, Table, Tables,
};
use cloudping_model::{Round, UtcMicros};
use cloudping_schemas::tables;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::kernel::{Action, Transaction};
use deltalake_core::protocol::DeltaOperation;

use crate::common::contract::log_of;
use crate::common::*;

pub const DAY: i64 = 24 * HOUR;
/// The start of the day of [`TEN`].
pub const MIDNIGHT: i64 = TEN - 10 * HOUR;

/// Archives each part of the rounds in a commit of its own.
async fn archived(tables: &Tables, parts: impl IntoIterator<Item = &[Round]>) {
    let log = log_of(&[]).await;
    let archiver = Archiver::new(log.clone(), tables.clone());
    for part in parts {
        append(&log, part).await;
        archiver.run_once().await.unwrap();
    }
}

fn place() -> (tempfile::TempDir, Tables) {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    (directory, tables)
}

pub async fn files(tables: &Tables, table: Table) -> usize {
    open(tables, table).await.get_file_uris().unwrap().count()
}

async fn compact(tables: &Tables, now: i64) -> CompactReport {
    Compactor::new(tables.clone()).run_once(UtcMicros(now), &CompactOptions::default(), &()).await.unwrap()
}

/// What files are sorted by, as far as the tests' rounds differ in it.
type Keys = Vec<(Option<String>, Option<String>, Option<i64>)>;

/// The keys of each file, in their order in it.
fn keys(directory: &tempfile::TempDir, table: &DeltaTable) -> Vec<Keys> {
    let mut all = Vec::new();
    for uri in table.get_file_uris().unwrap() {
        let path = directory.path().join("samples").join(uri.split("samples/").last().unwrap());
        let file = std::fs::File::open(path).unwrap();
        let mut keys = Vec::new();
        for batch in parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 1 << 10).unwrap() {
            let batch = batch.unwrap();
            let (source, target, ts) = (texts(&batch, "source"), texts(&batch, "target"), ints(&batch, "ts"));
            keys.extend(source.into_iter().zip(target).zip(ts).map(|((source, target), ts)| (source, target, ts)));
        }
        all.push(keys);
    }
    all
}

#[tokio::test]
async fn an_hour_and_then_its_day_become_one_sorted_file() {
    let (directory, tables) = place();
    let rounds = rounds(1, TEN, 90, 100);
    archived(&tables, rounds.chunks(16)).await;
    let before = files(&tables, Table::Samples).await;
    assert_eq!(before, 23);
    assert_eq!(compact(&tables, TEN + HOUR).await, CompactReport::default(), "no hour is closed");

    let dry = CompactOptions { dry_run: true, ..CompactOptions::default() };
    let compactor = Compactor::new(tables.clone());
    let later = TEN + 5 * HOUR;
    let foreseen = compactor.run_once(UtcMicros(later), &dry, &()).await.unwrap();
    assert_eq!(files(&tables, Table::Samples).await, before);
    let report = compact(&tables, later).await;
    assert_eq!((report.commits, report.files_before, report.files_after), (3, 23, 3), "{report:?}");
    let done = CompactReport { files_after: 0, bytes_after: 0, ..report };
    assert_eq!(foreseen, done, "a dry run foresees it");
    assert!(report.bytes_after < report.bytes_before, "{report:?}");
    assert_eq!(report.rows, rounds.len() as u64 * 3);
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
    assert_eq!(compact(&tables, later).await, CompactReport::default(), "it is done");

    let report = compact(&tables, MIDNIGHT + DAY + HOUR).await;
    assert_eq!((report.commits, report.files_before, report.files_after), (1, 3, 1), "{report:?}");
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
    let [keys] = &keys(&directory, &open(&tables, Table::Samples).await)[..] else { panic!("one file") };
    assert_eq!(keys.len(), rounds.len() * 3);
    assert!(keys.is_sorted());
}

#[tokio::test]
async fn late_rounds_are_merged_without_rewriting_a_large_day() {
    let (_directory, tables) = place();
    let mut all = rounds(1, TEN, 360, 10);
    let late: Vec<_> = (0..4).flat_map(|nth| rounds(10 + nth, TEN + HOUR, 1, 10)).collect();
    let log = log_of(&all).await;
    let archiver = Archiver::new(log.clone(), tables.clone());
    archiver.run_once().await.unwrap();
    let closed = MIDNIGHT + DAY + HOUR;
    for (nth, part) in late.chunks(4).enumerate() {
        append(&log, part).await;
        let report = archiver.run_once().await.unwrap();
        assert_eq!((report.rounds, report.duplicates), (4, 0));
        assert_eq!(files(&tables, Table::Samples).await, nth + 2);
    }
    let before: Vec<_> = open(&tables, Table::Samples).await.get_file_uris().unwrap().collect();
    let report = compact(&tables, closed).await;
    assert_eq!((report.commits, report.files_before, report.files_after), (1, 4, 1), "{report:?}");
    let after: Vec<_> = open(&tables, Table::Samples).await.get_file_uris().unwrap().collect();
    assert_eq!(after.iter().filter(|file| before.contains(file)).count(), 1, "the large file stayed");
    all.extend(late);
    assert_eq!(stored_rows(&tables).await, expected_rows(&all));
    append(&log, &all[..40]).await;
    let again = archiver.run_once().await.unwrap();
    assert_eq!((again.duplicates, again.rows), (40, 0), "the archiver knows rounds in merged files");
    assert_eq!(Rollup::new(tables.clone()).run_once(UtcMicros(TEN)).await.unwrap().commits, 1);
}

#[tokio::test]
async fn a_merge_touches_no_hour_of_the_rollup() {
    let (_directory, tables) = place();
    let rounds = rounds(1, TEN, 60, 300);
    archived(&tables, rounds.chunks(40)).await;
    let rollup = Rollup::new(tables.clone());
    rollup.run_once(UtcMicros(TEN)).await.unwrap();
    let query = "SELECT * FROM rollup_1h ORDER BY source, target, family, hour";
    let before = sql(&tables, query).await;
    let report = compact(&tables, MIDNIGHT + 2 * DAY).await;
    assert_eq!(files(&tables, Table::Samples).await, 1, "{report:?}");
    assert_eq!(rollup.run_once(UtcMicros(TEN)).await.unwrap(), RollupReport::default());
    assert_eq!(sql(&tables, query).await, before);
}

#[tokio::test]
async fn the_hours_of_a_closed_day_become_one_file() {
    let (_directory, tables) = place();
    let rounds = rounds(1, TEN, 12, 1200);
    let log = log_of(&[]).await;
    let (archiver, rollup) = (Archiver::new(log.clone(), tables.clone()), Rollup::new(tables.clone()));
    for part in rounds.chunks(12) {
        append(&log, part).await;
        archiver.run_once().await.unwrap();
        rollup.run_once(UtcMicros(TEN)).await.unwrap();
    }
    let query = "SELECT * FROM rollup_1h ORDER BY source, target, family, hour";
    let before = sql(&tables, query).await;
    assert_eq!(files(&tables, Table::Rollup1h).await, 4);
    compact(&tables, MIDNIGHT + DAY + HOUR).await;
    assert_eq!(files(&tables, Table::Rollup1h).await, 1);
    assert_eq!(sql(&tables, query).await, before);
    append(&log, &crate::common::rounds(9, TEN, 1, 10)).await;
    archiver.run_once().await.unwrap();
    rollup.run_once(UtcMicros(TEN)).await.unwrap();
    let sent = sql(&tables, "SELECT sum(sent) AS sent FROM rollup_1h").await;
    let samples = "SELECT count(*) AS sent FROM samples WHERE outcome NOT IN ('not_sent', 'dns_failure')";
    assert_eq!(ints(&sent, "sent"), ints(&sql(&tables, samples).await, "sent"), "an hour in a merged file is replaced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_compactors_one_loses_and_no_row_is_doubled() {
    let (_directory, tables) = place();
    let rounds = rounds(1, TEN, 60, 300);
    archived(&tables, rounds.chunks(16)).await;
    let runs = [(); 3].map(|()| {
        let tables = tables.clone();
        tokio::spawn(async move { compact(&tables, MIDNIGHT + 2 * DAY).await })
    });
    let mut commits = 0;
    for run in runs {
        commits += run.await.unwrap().commits;
    }
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
    assert_eq!(files(&tables, Table::Samples).await, 1);
    assert!(commits >= 1);
}

/// A commit as a compactor makes it, of all files that the version `read` has.
async fn merged_as_read(read: &DeltaTable, app: Option<&str>) -> Result<i64, String> {
    let remove: Vec<Action> =
        read.snapshot().unwrap().log_data().iter().map(|file| Action::Remove(file.remove_action(false))).collect();
    let transactions = app.map(|app| Transaction::new(app, 0)).into_iter().collect();
    let properties = CommitProperties::default().with_application_transactions(transactions);
    let done = CommitBuilder::from(properties)
        .with_actions(remove)
        .build(
            Some(read.snapshot().unwrap()),
            read.log_store(),
            DeltaOperation::Optimize { predicate: None, target_size: 1 },
        )
        .await;
    done.map(|done| done.version().cast_signed()).map_err(|error| error.to_string())
}

/// What Delta's conflict check does, since the compactor is built on it: appends pass, and only a transaction keeps two compactions apart.
#[tokio::test]
async fn a_merge_lets_appends_pass_and_refuses_other_merges() {
    let (_directory, tables) = place();
    let rounds = rounds(1, TEN, 4, 300);
    let log = log_of(&rounds[..8]).await;
    let archiver = Archiver::new(log.clone(), tables.clone());
    archiver.run_once().await.unwrap();
    let read = open(&tables, Table::Samples).await;
    append(&log, &rounds[8..]).await;
    archiver.run_once().await.unwrap();
    assert_eq!(merged_as_read(&read, Some("cloudping.compact")).await, Ok(3), "after an append");
    let refused = merged_as_read(&read, Some("cloudping.compact")).await.unwrap_err();
    assert!(refused.contains("Concurrent transaction"), "{refused}");
    assert_eq!(merged_as_read(&read, None).await, Ok(4), "Delta alone would let the same files be merged twice");
}

#[tokio::test]
async fn files_in_another_order_and_of_an_older_shape_are_merged_too() {
    let (directory, tables) = place();
    let rounds = rounds(1, TEN, 40, 60);
    archived(&tables, rounds.chunks(16)).await;
    // As written before there was the column `origin`, and back to front.
    let table = open(&tables, Table::Samples).await;
    let uri = table.get_file_uris().unwrap().next().unwrap();
    let path = directory.path().join("samples").join(uri.split("samples/").last().unwrap());
    let file = std::fs::File::open(&path).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 1 << 20).unwrap();
    let mut batch = reader.map(Result::unwrap).next().unwrap();
    let turned = arrow::array::UInt32Array::from_iter_values((0..batch.num_rows() as u32).rev());
    batch = arrow::compute::take_record_batch(&batch, &turned).unwrap();
    batch.remove_column(batch.schema().index_of("origin").unwrap());
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    resize(&directory, &uri, std::fs::metadata(&path).unwrap().len());

    let report = compact(&tables, MIDNIGHT + 2 * DAY).await;
    assert_eq!((report.commits, report.files_after), (1, 1), "{report:?}");
    assert_eq!(stored_rows(&tables).await, expected_rows(&rounds));
    assert!(keys(&directory, &open(&tables, Table::Samples).await).iter().all(|keys| keys.is_sorted()));
}

/// Makes the log say that a file has another size.
fn resize(directory: &tempfile::TempDir, uri: &str, bytes: u64) {
    let name = uri.rsplit('/').next().unwrap();
    for entry in std::fs::read_dir(directory.path().join("samples/_delta_log")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| {
            let mut action: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(add) = action.get_mut("add").filter(|add| add["path"].as_str().unwrap().ends_with(name)) {
                add["size"] = bytes.into();
            }
            action.to_string()
        });
        std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    }
}

#[tokio::test]
async fn a_broken_file_is_named_and_other_days_are_merged() {
    let (directory, tables) = place();
    let mut all = rounds(1, TEN, 24, 300);
    all.extend(rounds(2, TEN + DAY, 24, 300));
    archived(&tables, all.chunks(16)).await;
    let uris: Vec<String> = open(&tables, Table::Samples).await.get_file_uris().unwrap().collect();
    let broken = uris.iter().find(|uri| uri.contains(&format!("{}=2026-03-01", tables::PARTITION))).unwrap();
    let name = broken.split("samples/").last().unwrap();
    std::fs::write(directory.path().join("samples").join(name), "no Parquet").unwrap();
    let now = UtcMicros(MIDNIGHT + 3 * DAY);
    let error = Compactor::new(tables.clone()).run_once(now, &CompactOptions::default(), &()).await.unwrap_err();
    let text = error.to_string();
    let CompactError::Partitions { partitions, first, report, .. } = error else { panic!("{text}") };
    assert_eq!((partitions, first.as_str(), report.commits), (1, "2026-03-01 of samples", 1), "{text}");
    assert!(text.contains(name), "{text} names {name}");
    let left: Vec<String> = open(&tables, Table::Samples).await.get_file_uris().unwrap().collect();
    assert_eq!(left.iter().filter(|uri| uri.contains("2026-03-02")).count(), 1, "{left:?}");
    assert!(left.contains(broken));
}

#[tokio::test]
async fn rows_that_the_log_promises_and_the_file_lacks_stop_a_merge() {
    let (directory, tables) = place();
    archived(&tables, rounds(1, TEN, 24, 300).chunks(16)).await;
    let log = directory.path().join("samples/_delta_log/00000000000000000002.json");
    let text = std::fs::read_to_string(&log).unwrap();
    let lied = text.replacen(r#"\"numRecords\":48"#, r#"\"numRecords\":49"#, 1);
    assert_ne!(text, lied);
    std::fs::write(&log, lied).unwrap();
    let now = UtcMicros(MIDNIGHT + 2 * DAY);
    let error = Compactor::new(tables.clone()).run_once(now, &CompactOptions::default(), &()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("288 rows were written of 288 read, and the log promises 289"), "{text}");
    assert_eq!(files(&tables, Table::Samples).await, 6);
}

#[tokio::test]
async fn without_tables_there_is_nothing_to_do() {
    let storage = Arc::new(deltalake_core::logstore::object_store::memory::InMemory::new());
    let tables = Tables::in_storage("s3://bucket/some/place", storage);
    assert_eq!(compact(&tables, TEN).await, CompactReport::default());
    assert!(tables.open(Table::Samples).await.unwrap().is_none(), "and none is made");
}
