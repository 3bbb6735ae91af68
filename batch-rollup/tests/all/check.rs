//! What is not as it should be is found and named, and does not stop the rest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloudping_batch_rollup::{
    Archiver, Check, CheckReport, FileFault, Regions, RegionsReport, Rollup, RollupError, Table, Tables,
};
use cloudping_model::UtcMicros;
use cloudping_schemas::catalogue::Catalogue;
use cloudping_testkit::MemoryLog;

use crate::common::*;

const DAY: i64 = 24 * HOUR;
/// 2026-03-01 in days since 1970-01-01.
const FIRST: i32 = 20_513;
/// When every day of the tests is over.
const LATER: UtcMicros = UtcMicros(TEN + 30 * DAY);

struct Setting {
    directory: tempfile::TempDir,
    tables: Tables,
    log: Arc<MemoryLog>,
}

impl Setting {
    /// An archive of two days, in a commit each, rolled up.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tables = Tables::in_directory(directory.path());
        let setting = Self { directory, tables, log: Arc::new(MemoryLog::default()) };
        setting.archive(1, TEN).await;
        setting.archive(2, TEN + DAY).await;
        setting.roll_up().await.unwrap();
        setting
    }

    async fn archive(&self, seed: u64, from: i64) {
        append(&self.log, &rounds(seed, from, 90, 60)).await;
        Archiver::new(self.log.clone(), self.tables.clone()).run_once().await.unwrap();
    }

    async fn roll_up(&self) -> Result<u64, RollupError> {
        Rollup::new(self.tables.clone()).run_once(LATER).await.map(|report| report.hours)
    }

    async fn check(&self) -> CheckReport {
        Check::new(self.tables.clone()).run(FIRST..=FIRST + 1, &()).await.unwrap()
    }

    /// The only file of a table's partition.
    fn file(&self, table: Table, partition: &str) -> PathBuf {
        let folder = self.directory.path().join(table.name()).join(partition);
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }
}

fn name(file: &Path) -> String {
    let tail: Vec<_> = file.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
    format!("{}/{}", tail[1], tail[0])
}

#[tokio::test]
async fn an_archive_as_it_should_be_has_no_difference() {
    let setting = Setting::new().await;
    let report = setting.check().await;
    assert_eq!((report.differences, report.pending), (0, 0), "{:?}", report.told);
    assert_eq!((report.hours, report.days), (48, 2));
    // Twelve series of one hour and a half, each day.
    assert_eq!(report.rows, 2 * (12 * 2 + 12));
    assert!(report.files >= 5 && report.samples > 0, "{report:?}");

    // What is not rolled up yet is no difference.
    setting.archive(3, TEN + 2 * HOUR).await;
    let report = setting.check().await;
    assert_eq!((report.differences, report.pending), (0, 3), "{report:?}");
}

#[tokio::test]
async fn a_wrong_row_is_told_by_series_window_and_column() {
    let setting = Setting::new().await;
    let hours = open(&setting.tables, Table::Rollup1h).await;
    let pair = "source = 'eu-west-1' AND target = 'us-east-1'";
    let (hours, _) = hours.update().with_predicate(pair).with_update("lost", "lost + 1").await.unwrap();
    let report = setting.check().await;
    assert_eq!(report.differences, 4, "two hours a day: {:?}", report.told);
    let told = &report.told[0];
    assert_eq!(told.table, "rollup_1h");
    for part in ["source eu-west-1", "target us-east-1", "2026-03-01T10:00:00", "column lost"] {
        assert!(told.place.contains(part), "{}", told.place);
    }
    hours.delete().with_predicate("source = 'sa-east-1'").await.unwrap();
    let report = setting.check().await;
    let gone = report.told.iter().filter(|told| (told.expected.as_str(), told.found.as_str()) == ("a row", "none"));
    assert_eq!((report.differences, gone.count()), (4 + 12, 12), "{:?}", report.told);
}

#[tokio::test]
async fn a_round_that_is_there_twice_is_told() {
    let setting = Setting::new().await;
    let samples = open(&setting.tables, Table::Samples).await;
    let twice = sql(&setting.tables, "SELECT * FROM samples WHERE source = 'sa-east-1' LIMIT 1").await;
    samples.write(vec![twice]).await.unwrap();
    setting.roll_up().await.unwrap();
    let report = setting.check().await;
    assert_eq!(report.differences, 1, "the rollups count it twice, as the samples have it: {:?}", report.told);
    let told = &report.told[0];
    assert!(told.place.starts_with("source sa-east-1, target ") && told.found == "2 rows", "{told:?}");
}

/// What can become of a file.
async fn damaged(damage: impl Fn(&Path), expected: impl Fn(&FileFault) -> bool) {
    let setting = Setting::new().await;
    let file = setting.file(Table::Samples, "date=2026-03-01");
    setting.archive(5, TEN + HOUR).await;
    setting.archive(6, TEN + DAY + 2 * HOUR).await;
    damage(&file);
    // Beside it lies what nobody listed.
    std::fs::write(file.with_file_name("notes.parquet"), "not listed").unwrap();

    let error = setting.roll_up().await.unwrap_err();
    assert!(error.to_string().contains(&name(&file)), "{error}");
    let RollupError::Broken { report, broken } = error else { panic!("{error}") };
    assert!(broken.iter().all(|error| expected(&error.broken_file().unwrap().fault)), "{broken:?}");
    assert_eq!(broken.len(), 2, "an hour and a day need it: {broken:?}");
    assert_eq!((report.hours, report.days), (1 + 2, 1), "the other hour, the other date");
    let hours = sql(&setting.tables, "SELECT DISTINCT hour FROM rollup_1h WHERE date = DATE '2026-03-02'").await;
    assert_eq!(hours.num_rows(), 4);

    let report = setting.check().await;
    let told: Vec<_> = report.told.iter().map(|told| (told.table, told.place.as_str())).collect();
    assert_eq!(told, [("samples", format!("file {}", name(&file)).as_str())]);
    assert!(report.hours > 0, "the other date is checked");
}

#[tokio::test]
async fn a_file_that_is_missing_or_empty_is_named() {
    damaged(|file| std::fs::remove_file(file).unwrap(), |fault| *fault == FileFault::Missing).await;
    let empty = |file: &Path| std::fs::write(file, "").unwrap();
    damaged(empty, |fault| matches!(fault, FileFault::Size { found: 0, .. })).await;
}

#[tokio::test]
async fn a_file_that_is_cut_off_or_garbled_is_named() {
    let cut = |file: &Path| {
        let bytes = std::fs::read(file).unwrap();
        std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    };
    damaged(cut, |fault| matches!(fault, FileFault::Size { .. })).await;
    let text = |file: &Path| {
        let length = std::fs::metadata(file).unwrap().len();
        std::fs::write(file, &"text ".repeat(length as usize).as_bytes()[..length as usize]).unwrap();
    };
    damaged(text, |fault| matches!(fault, FileFault::Unreadable(_))).await;
}

#[tokio::test]
async fn a_file_of_another_table_is_named() {
    let setting = Setting::new().await;
    let (samples, hours) =
        (setting.file(Table::Samples, "date=2026-03-02"), setting.file(Table::Rollup1h, "date=2026-03-02"));
    std::fs::copy(hours, &samples).unwrap();
    let report = setting.check().await;
    assert_eq!(report.told[0].place, format!("file {}", name(&samples)));
}

#[tokio::test]
async fn regions_are_the_catalogue_and_what_was_seen_and_are_written_when_they_change() {
    let setting = Setting::new().await;
    let catalogue = Catalogue::built_in().unwrap();
    let regions = Regions::new(setting.tables.clone());
    let all = catalogue.regions().len() as u64;
    assert_eq!(regions.run_once(&catalogue).await.unwrap(), RegionsReport { regions: all, rows: all });
    assert_eq!(regions.run_once(&catalogue).await.unwrap(), RegionsReport { regions: all, rows: 0 });
    let times = "SELECT CAST(first_ts AS BIGINT) AS first, CAST(last_ts AS BIGINT) AS last FROM regions WHERE id = ";
    let found = sql(&setting.tables, &format!("{times}'eu-west-1'")).await;
    assert_eq!((ints(&found, "first"), ints(&found, "last")), (vec![Some(TEN)], vec![Some(TEN + DAY + HOUR)]));
    let found = sql(&setting.tables, &format!("{times}'us-west-2'")).await;
    assert_eq!((ints(&found, "first"), ints(&found, "last")), (vec![None], vec![None]));

    // A target of one's own has an id and nothing else.
    let mut own = rounds(7, TEN + 2 * DAY, 2, 60);
    own[0].samples[0].target = cloudping_model::TargetId::new("shop").unwrap();
    append(&setting.log, &own).await;
    Archiver::new(setting.log.clone(), setting.tables.clone()).run_once().await.unwrap();
    setting.roll_up().await.unwrap();
    let report = regions.run_once(&catalogue).await.unwrap();
    assert_eq!(report, RegionsReport { regions: all + 1, rows: all + 1 });
    let found = sql(&setting.tables, "SELECT provider, latitude FROM regions WHERE id = 'shop'").await;
    assert_eq!((texts(&found, "provider"), floats(&found, "latitude")), (vec![None], vec![None]));
    assert_eq!(setting.check().await.differences, 0);
}
