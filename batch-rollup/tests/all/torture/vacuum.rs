//! The vacuum: what it deletes, and what it never does.

use std::path::Path;
use std::time::{Duration, SystemTime};

use cloudping_batch_rollup::{
    Archiver, CompactOptions, Compactor, Table, Tables, Vacuum, VacuumError, VacuumOptions, VacuumReport,
};
use cloudping_model::UtcMicros;

use super::compact::{DAY, MIDNIGHT, files};
use crate::common::contract::log_of;
use crate::common::*;

fn wall() -> UtcMicros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UtcMicros(i64::try_from(since.as_micros()).unwrap())
}

fn parquet_files(directory: &Path) -> usize {
    let mut found = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let hidden = path.file_name().unwrap().to_string_lossy().starts_with('_');
        match path.is_dir() {
            true if !hidden => found += parquet_files(&path),
            _ => found += usize::from(path.extension().is_some_and(|end| end == "parquet")),
        }
    }
    found
}

/// Samples in one merged file, and the six that it was made of.
async fn merged() -> (tempfile::TempDir, Tables) {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    let log = log_of(&[]).await;
    let archiver = Archiver::new(log.clone(), tables.clone());
    for part in rounds(1, TEN, 24, 300).chunks(16) {
        append(&log, part).await;
        archiver.run_once().await.unwrap();
    }
    let now = UtcMicros(MIDNIGHT + 2 * DAY);
    Compactor::new(tables.clone()).run_once(now, &CompactOptions::default(), &()).await.unwrap();
    assert_eq!(files(&tables, Table::Samples).await, 1);
    assert_eq!(parquet_files(directory.path()), 7);
    (directory, tables)
}

async fn vacuum(tables: &Tables, now: UtcMicros, options: VacuumOptions) -> VacuumReport {
    Vacuum::new(tables.clone()).run_once(now, &options, &()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_go_once_no_version_within_the_retention_needs_them() {
    let (directory, tables) = merged().await;
    let before = stored_rows(&tables).await;
    let week = VacuumOptions::default();
    let due = wall() + week.retention_us + SECOND;
    let first = vacuum(&tables, due, week).await;
    assert_eq!((first.files, first.new), (0, 6), "the clock may have been set: what no vacuum has seen stays");
    assert_eq!(vacuum(&tables, due - 2 * 60 * SECOND, week).await.files, 0, "a reader may still need them");
    let dry = vacuum(&tables, due, VacuumOptions { dry_run: true, ..week }).await;
    assert_eq!((dry.tables, dry.files, dry.paths.len()), (5, 6, 6));
    assert!(dry.paths[0].starts_with("samples/date=2026-03-01/"), "{dry:?}");
    assert_eq!(parquet_files(directory.path()), 7);
    assert!(dry.bytes > 6_000, "{dry:?}");
    let runs = [(); 2].map(|()| {
        let tables = tables.clone();
        tokio::spawn(async move { vacuum(&tables, due, week).await })
    });
    for run in runs {
        run.await.unwrap();
    }
    assert_eq!(parquet_files(directory.path()), 1);
    assert_eq!(stored_rows(&tables).await, before);
    assert_eq!(vacuum(&tables, due, week).await, VacuumReport { tables: 5, ..VacuumReport::default() });
}

#[tokio::test]
async fn what_a_failed_commit_left_goes_when_it_is_as_old_and_foreign_files_stay() {
    let (directory, tables) = merged().await;
    let samples = directory.path().join("samples");
    let day = samples.join("date=2026-03-01");
    for (name, age) in [("old.parquet", 2 * 3_600), ("young.parquet", 1_800), ("notes.txt", 9_999_999)] {
        let path = day.join(name);
        std::fs::write(&path, "left over").unwrap();
        let at = SystemTime::now() - Duration::from_secs(age);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    }
    for folder in ["_mine", ".cache"] {
        std::fs::create_dir(samples.join(folder)).unwrap();
        let path = samples.join(folder).join("old.parquet");
        std::fs::write(&path, "mine").unwrap();
        let at = SystemTime::now() - Duration::from_secs(9_999_999);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    }
    let hour = VacuumOptions { retention_us: HOUR, ..VacuumOptions::default() };
    assert_eq!(vacuum(&tables, wall(), hour).await.files, 0);
    let report = vacuum(&tables, wall(), hour).await;
    assert_eq!(report.paths, ["samples/date=2026-03-01/old.parquet"]);
    for kept in
        ["date=2026-03-01/young.parquet", "date=2026-03-01/notes.txt", "_mine/old.parquet", ".cache/old.parquet"]
    {
        assert!(samples.join(kept).exists(), "{kept}");
    }
}

#[tokio::test]
async fn a_file_on_its_way_into_the_table_outlives_a_clock_that_is_set_forward() {
    let (directory, tables) = merged().await;
    let week = VacuumOptions::default();
    assert_eq!(vacuum(&tables, wall(), week).await.new, 0);
    std::thread::sleep(Duration::from_millis(20));
    let path = directory.path().join("samples/date=2026-03-01/on-its-way.parquet");
    std::fs::write(&path, "rows").unwrap();
    let set_forward = wall() + 30 * DAY;
    let report = vacuum(&tables, set_forward, week).await;
    assert_eq!((report.files, report.new), (6, 1), "those that were replaced before the last vacuum go");
    assert!(path.exists());
    let next = vacuum(&tables, set_forward + DAY, week).await;
    assert_eq!(next.paths, ["samples/date=2026-03-01/on-its-way.parquet"], "it never came into the table");
}

#[tokio::test]
async fn half_written_files_go_when_they_are_as_old() {
    let (directory, tables) = merged().await;
    let hour = VacuumOptions { retention_us: HOUR, ..VacuumOptions::default() };
    let names = ["date=2026-03-01/part-9.zstd.parquet#1", "_delta_log/00000000000000000099.json#1", "notes#1"];
    for name in names {
        let path = directory.path().join("samples").join(name);
        std::fs::write(&path, "half").unwrap();
        let at = SystemTime::now() - Duration::from_secs(2 * 3_600);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    }
    let young = directory.path().join("samples/date=2026-03-01/part-8.zstd.parquet#1");
    std::fs::write(&young, "half").unwrap();
    assert_eq!(vacuum(&tables, wall(), hour).await.new, 2);
    let dry = vacuum(&tables, wall(), VacuumOptions { dry_run: true, ..hour }).await;
    let report = vacuum(&tables, wall(), hour).await;
    let expected = ["_delta_log/00000000000000000099.json#1", "date=2026-03-01/part-9.zstd.parquet#1"];
    assert_eq!(report.paths, expected.map(|name| format!("samples/{name}")));
    assert_eq!((dry, report.bytes), (report.clone(), 8));
    let left = names.map(|name| directory.path().join("samples").join(name).exists());
    assert_eq!((left, young.exists()), ([false, false, true], true));
}

#[tokio::test]
async fn retentions_that_could_break_readers_are_refused() {
    let (_directory, tables) = merged().await;
    let vacuum = Vacuum::new(tables);
    let of = |retention_us, force| VacuumOptions { retention_us, force, dry_run: true };
    for (options, expected) in [
        (of(HOUR - 1, false), "a retention of 3599 s, expected 3600 at least"),
        (of(-1, true), "expected 3600 at least"),
        (of(7 * DAY + SECOND, true), "a retention of 604801 s, expected 604800 at most"),
    ] {
        let error = vacuum.run_once(wall(), &options, &()).await.unwrap_err();
        assert!(matches!(error, VacuumError::TooShort(_) | VacuumError::TooLong(_)));
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(vacuum.run_once(wall() + SECOND, &of(0, true), &()).await.unwrap().files, 6);
}
