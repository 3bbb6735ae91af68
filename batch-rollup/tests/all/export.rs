//! The export: closed partitions as plain files, each row once, the same bytes every time, and never changed in silence.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloudping_batch_rollup::export::{
    Destination, ExportError, ExportFormat, ExportOptions, ExportReport, Exporter, MANIFEST, Manifest, Publication,
};
use cloudping_batch_rollup::{Appender, ArchiveOptions, Archiver, Rollup, Table, Tables};
use cloudping_model::UtcMicros;
use cloudping_schemas::tables::Origin;
use cloudping_testkit::MemoryLog;
use datafusion::prelude::{ParquetReadOptions, SessionContext};

use crate::common::*;

const DAY: i64 = 24 * HOUR;
/// The tables' first day, 2026-03-01.
const FIRST: i64 = TEN - 10 * HOUR;
/// The third day is running: two are closed.
const NOW: UtcMicros = UtcMicros(FIRST + 2 * DAY + 2 * HOUR);

/// An archive that rounds are added to.
struct Archive {
    _directory: tempfile::TempDir,
    tables: Tables,
    log: Arc<MemoryLog>,
}

impl Archive {
    async fn with(origin: Origin) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tables = Tables::in_directory(directory.path());
        let archive = Self { _directory: directory, tables, log: Arc::new(MemoryLog::default()) };
        for day in 0..3 {
            for part in 0..2 {
                let from = FIRST + day * DAY + part * HOUR;
                archive.add(origin, (10 * day + part).cast_unsigned(), from).await;
            }
        }
        archive
    }

    async fn add(&self, origin: Origin, seed: u64, from: i64) {
        append(&self.log, &rounds(seed, from, 50, 20)).await;
        let options = ArchiveOptions { origin, ..ArchiveOptions::default() };
        Archiver::with_options(self.log.clone(), self.tables.clone(), options).run_once().await.unwrap();
        Rollup::new(self.tables.clone()).run_once(UtcMicros(TEN)).await.unwrap();
    }

    async fn export(&self, to: &Path, options: &ExportOptions) -> ExportReport {
        let to = Destination::in_directory(to).unwrap();
        Exporter::new(self.tables.clone(), to).run_once(NOW, options, &()).await.unwrap()
    }
}

/// Only these tables: how others are computed has tests of its own.
fn options() -> ExportOptions {
    ExportOptions { tables: vec![Table::Samples, Table::Rollup1h], ..ExportOptions::default() }
}

fn manifest(root: &Path) -> Manifest {
    serde_json::from_slice(&fs::read(root.join(MANIFEST)).unwrap()).unwrap()
}

/// Every file below a folder but the export's own notes, by its path.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("_state.json") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// What a query finds in the exported samples, as texts.
async fn exported(root: &Path, table: Table, select: &str) -> Vec<Option<String>> {
    let session = SessionContext::new();
    let partition = vec![("date".to_owned(), arrow::datatypes::DataType::Date32)];
    let options = ParquetReadOptions::default().table_partition_cols(partition);
    let folder = root.join(table.name());
    session.register_parquet("exported", folder.to_str().unwrap(), options).await.unwrap();
    let rows = session.sql(&format!("SELECT {select} AS found FROM exported")).await.unwrap().collect().await.unwrap();
    texts(&rows[0], "found")
}

#[tokio::test]
async fn closed_days_are_exported_and_every_row_is_there_once() {
    let archive = Archive::with(Origin::Measured).await;
    let root = tempfile::tempdir().unwrap();
    let dry = ExportOptions { dry_run: true, ..options() };
    let planned = ExportReport { written: 4, not_closed: 2, ..ExportReport::default() };
    assert_eq!(archive.export(root.path(), &dry).await, planned);
    assert_eq!(files(root.path()).len(), 0);

    let report = archive.export(root.path(), &options()).await;
    assert_eq!((report.written, report.kept, report.revised, report.not_closed), (4, 0, 0, 2));
    let sums = "concat(count(*), ' ', sum(rtt_us), ' ', count(DISTINCT concat(source, epoch, '/', round)), ' ', min(ts), ' ', max(date))";
    let wanted = sql(&archive.tables, &format!("SELECT {sums} AS found FROM samples WHERE date < '2026-03-03'")).await;
    assert_eq!(exported(root.path(), Table::Samples, sums).await, texts(&wanted, "found"));
    let hours = "concat(count(*), ' ', sum(sent), ' ', sum(p50_us), ' ', count(digest))";
    let wanted =
        sql(&archive.tables, &format!("SELECT {hours} AS found FROM rollup_1h WHERE date < '2026-03-03'")).await;
    assert_eq!(exported(root.path(), Table::Rollup1h, hours).await, texts(&wanted, "found"));

    let manifest = manifest(root.path());
    assert_eq!((manifest.simulated, manifest.origins.iter().next().unwrap().as_str()), (Some(false), "measured"));
    let partitions: Vec<(&str, &str)> =
        manifest.partitions.iter().map(|entry| (entry.table.as_str(), entry.partition.as_str())).collect();
    let days = ["date=2026-03-01", "date=2026-03-02"];
    assert_eq!(partitions, ["samples", "rollup_1h"].map(|table| days.map(|day| (table, day))).concat());
    let first = &manifest.partitions[0].files[0];
    assert!(first.first_ts.as_deref().unwrap().starts_with("2026-03-01T00:00:00."), "{first:?}");
    assert!(first.last_ts.as_deref().unwrap().starts_with("2026-03-01T01:16:"), "{first:?}");
    assert_eq!(first.path, "samples/date=2026-03-01/part-0000.parquet");
    let total: u64 = manifest.files().map(|file| file.rows).sum();
    assert_eq!(total, report.rows);
    for file in manifest.files() {
        assert_eq!(fs::metadata(root.path().join(&file.path)).unwrap().len(), file.bytes);
    }
    let mut check = std::process::Command::new("sha256sum");
    let checked = check.args(["--check", "--quiet", "SHA256SUMS"]).current_dir(root.path()).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let dictionary = fs::read_to_string(root.path().join("dictionary.md")).unwrap();
    assert!(dictionary.contains("| `rtt_us` | int32 | microseconds | yes |"), "{dictionary}");
    assert!(!dictionary.contains("simulated network:"), "{dictionary}");
}

#[tokio::test]
async fn what_has_ended_waits_for_the_archive_and_for_the_rollups() {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    let archive = Archive { _directory: directory, tables: tables.clone(), log: Arc::new(MemoryLog::default()) };
    let only = |table| ExportOptions { tables: vec![table], dry_run: true, ..ExportOptions::default() };
    let counts = async |options: &ExportOptions| {
        let root = tempfile::tempdir().unwrap();
        let report = archive.export(root.path(), options).await;
        (report.written, report.waiting, report.not_closed)
    };
    let archived = async |seed, from| {
        append(&archive.log, &rounds(seed, from, 20, 20)).await;
        Archiver::new(archive.log.clone(), tables.clone()).run_once().await.unwrap();
    };
    let rolled_up = async |now| Rollup::new(tables.clone()).run_once(now).await.unwrap();
    archived(1, FIRST).await;
    rolled_up(NOW).await;
    assert_eq!(counts(&only(Table::Samples)).await, (0, 1, 0), "the archiver may be behind: nothing later has come");
    let as_it_is = ExportOptions { no_wait: true, ..only(Table::Samples) };
    assert_eq!(counts(&as_it_is).await, (1, 0, 0));
    archived(2, FIRST + DAY).await;
    assert_eq!(counts(&only(Table::Samples)).await, (1, 1, 0));
    assert_eq!(counts(&only(Table::Rollup1h)).await, (1, 0, 0), "the second day has no hours yet");
    archived(3, FIRST + 5 * HOUR).await;
    assert_eq!(counts(&only(Table::Rollup1h)).await, (0, 1, 0), "samples came that its hours do not know");
    rolled_up(NOW).await;
    archived(4, FIRST + 2 * DAY).await;
    assert_eq!(counts(&only(Table::Samples)).await, (2, 0, 1));
    assert_eq!(counts(&only(Table::Rollup1h)).await, (2, 0, 0));
    let imported = ExportOptions { origins: [Origin::Csv].into(), ..only(Table::Samples) };
    assert_eq!(counts(&imported).await, (2, 0, 1), "imports wait for no producer");
}

#[tokio::test]
async fn a_month_waits_until_each_of_its_days_is_computed() {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    let log = Arc::new(MemoryLog::default());
    for (seed, from) in [(1, FIRST - 2 * DAY), (2, FIRST - DAY), (3, FIRST + HOUR)] {
        append(&log, &rounds(seed, from, 10, 20)).await;
    }
    Archiver::new(log, tables.clone()).run_once().await.unwrap();
    let waiting = async || {
        let root = tempfile::tempdir().unwrap();
        let exporter = Exporter::new(tables.clone(), Destination::in_directory(root.path()).unwrap());
        let only = ExportOptions { tables: vec![Table::Rollup1d], dry_run: true, ..ExportOptions::default() };
        let report = exporter.run_once(UtcMicros(FIRST + 3 * HOUR), &only, &()).await.unwrap();
        (report.written, report.waiting)
    };
    Rollup::new(tables.clone()).run_once(UtcMicros(FIRST - DAY + 2 * HOUR)).await.unwrap();
    assert_eq!(waiting().await, (0, 1), "February has one of its two days");
    Rollup::new(tables.clone()).run_once(UtcMicros(FIRST + 2 * HOUR)).await.unwrap();
    assert_eq!(waiting().await, (1, 0));
}

#[tokio::test]
async fn the_same_rows_are_the_same_bytes_wherever_a_run_was_cut_off() {
    let archive = Archive::with(Origin::Measured).await;
    let both = ExportOptions { formats: ExportFormat::ALL.to_vec(), rows_per_file: 400, ..options() };
    let root = tempfile::tempdir().unwrap();
    archive.export(root.path(), &both).await;
    let whole = files(root.path());
    assert!(whole.contains_key("csv/samples/date=2026-03-01/part-0002.csv.gz"), "{:?}", whole.keys());

    let again = archive.export(root.path(), &both).await;
    assert_eq!(again, ExportReport { kept: 8, not_closed: 4, ..ExportReport::default() });
    assert_eq!(files(root.path()), whole);

    let elsewhere = tempfile::tempdir().unwrap();
    let to = Destination::in_directory(elsewhere.path()).unwrap();
    let exporter = Exporter::new(archive.tables.clone(), to);
    let mut cut_off = 0;
    for micros in [500, 5_000, 20_000, 60_000, 120_000, 200_000] {
        let run = exporter.run_once(NOW, &both, &());
        cut_off += u32::from(tokio::time::timeout(Duration::from_micros(micros), run).await.is_err());
    }
    assert!(cut_off > 1, "{cut_off}");
    // What a killed upload leaves, and a file of a run that had more of them.
    let folder = elsewhere.path().join("samples/date=2026-03-01");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("part-0000.parquet#1"), "half").unwrap();
    fs::write(folder.join("part-0009.parquet"), "older").unwrap();
    fs::remove_file(elsewhere.path().join("_state.json")).ok();
    exporter.run_once(NOW, &both, &()).await.unwrap();
    assert_eq!(files(elsewhere.path()), whole);
}

#[tokio::test]
async fn late_rows_are_a_new_revision_and_a_lost_file_is_none() {
    let archive = Archive::with(Origin::Measured).await;
    let root = tempfile::tempdir().unwrap();
    let samples = ExportOptions { tables: vec![Table::Samples], ..options() };
    archive.export(root.path(), &samples).await;
    let before = manifest(root.path());

    archive.add(Origin::Measured, 77, FIRST + 5 * HOUR).await;
    let report = archive.export(root.path(), &samples).await;
    assert_eq!((report.written, report.kept, report.revised), (1, 1, 1));
    let after = manifest(root.path());
    let (old, new) = (&before.partitions[0], &after.partitions[0]);
    assert_eq!((new.revision, new.rows), (2, old.rows + 600));
    assert_eq!((new.superseded[0].revision, &new.superseded[0].files), (1, &old.files));
    assert_eq!(after.partitions[1], before.partitions[1]);

    fs::remove_file(root.path().join(&new.files[0].path)).unwrap();
    let report = archive.export(root.path(), &samples).await;
    assert_eq!((report.written, report.kept, report.revised), (1, 1, 0));
    assert_eq!(manifest(root.path()), after);
}

#[tokio::test]
async fn csv_holds_the_same_rows() {
    let archive = Archive::with(Origin::Simulated).await;
    let root = tempfile::tempdir().unwrap();
    let day = "2026-03-02".parse().ok();
    let csv = ExportOptions { formats: vec![ExportFormat::CsvGz], from: day, to: day, ..options() };
    let report = archive.export(root.path(), &csv).await;
    assert_eq!((report.written, report.files), (2, 2));
    let bytes = fs::read(root.path().join("csv/samples/date=2026-03-02/part-0000.csv.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("ts,source,target,protocol,family,outcome,rtt_us,"), "{text}");
    let first = lines.next().unwrap();
    assert!(first.starts_with("2026-03-02T00:00:") && first.contains("Z,ap-south-1,eu-west-1,tcp,4,"), "{first}");
    let rtt = |line: &str| line.split(',').nth(6).and_then(|rtt| rtt.parse::<i64>().ok());
    let sum: i64 = text.lines().skip(1).filter_map(rtt).sum();
    let wanted = sql(&archive.tables, "SELECT sum(rtt_us) AS rtt FROM samples WHERE date = '2026-03-02'").await;
    assert_eq!(ints(&wanted, "rtt"), [Some(sum)]);
    assert_eq!(manifest(root.path()).simulated, Some(true));
    let dictionary = fs::read_to_string(root.path().join("dictionary.md")).unwrap();
    assert!(dictionary.contains("simulated network:"), "{dictionary}");
}

#[tokio::test]
async fn an_export_is_described_for_the_registry_and_spoils_no_other_folder() {
    let archive = Archive::with(Origin::Measured).await;
    let root = tempfile::tempdir().unwrap();
    let publication = Publication {
        arn: "arn:aws:s3:::latency/export".to_owned(),
        region: "us-east-1".to_owned(),
        contact: "data@example.com".to_owned(),
        managed_by: "[Example](https://example.com): \"latency\"".to_owned(),
        documentation: "https://example.com/archive".to_owned(),
        added: "2026-02-01".parse().unwrap(),
    };
    archive.export(root.path(), &ExportOptions { publication: Some(publication), ..options() }).await;
    let entry = fs::read_to_string(root.path().join("aws-open-data.yaml")).unwrap();
    assert!(entry.contains("\nManagedBy: \"[Example](https://example.com): \\\"latency\\\"\"\n"), "{entry}");
    assert!(entry.contains("\nRegistryEntryLastModified: \"2026-03-02\"\n"), "{entry}");

    for (file, text) in [("manifest.json", "{}"), ("_state.json", "[]")] {
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join(file), text).unwrap();
        let to = Destination::in_directory(other.path()).unwrap();
        let refused = Exporter::new(archive.tables.clone(), to).run_once(NOW, &options(), &()).await.unwrap_err();
        assert!(matches!(refused, ExportError::Foreign { .. }), "{refused}");
        assert!(refused.to_string().contains(file), "{refused}");
    }
}

/// An object store in memory stands for S3: the same code writes to both.
#[tokio::test]
async fn an_object_store_takes_the_same_export() {
    use deltalake_core::logstore::object_store::memory::InMemory;
    use deltalake_core::logstore::object_store::{ObjectStore, ObjectStoreExt};
    let archive = Archive::with(Origin::Measured).await;
    let root = tempfile::tempdir().unwrap();
    archive.export(root.path(), &options()).await;
    let store = Arc::new(InMemory::new());
    let to = Destination::in_storage(store.clone(), "public/latency", "s3://bucket/public/latency");
    let exporter = Exporter::new(archive.tables.clone(), to);
    exporter.run_once(NOW, &options(), &()).await.unwrap();
    let kept = exporter.run_once(NOW, &options(), &()).await.unwrap();
    assert_eq!((kept.written, kept.kept), (0, 4));
    let listed: Vec<_> = futures::TryStreamExt::try_collect(store.list(None)).await.unwrap();
    let mut found = BTreeMap::new();
    for file in listed {
        let path = file.location.as_ref().strip_prefix("public/latency/").unwrap().to_owned();
        if path != "_state.json" {
            found.insert(path, store.get(&file.location).await.unwrap().bytes().await.unwrap().to_vec());
        }
    }
    assert_eq!(found, files(root.path()));
}

#[tokio::test]
async fn what_others_measured_goes_out_only_when_asked_for_and_under_its_own_terms() {
    let archive = Archive::with(Origin::Measured).await;
    for (seed, origin) in [(90, Origin::RipeAtlas), (91, Origin::Csv)] {
        let imported = rounds(seed, FIRST + 8 * HOUR, 10, 20);
        Appender::new(archive.tables.clone()).append(imported, origin).await.unwrap();
    }
    Rollup::new(archive.tables.clone()).run_once(UtcMicros(TEN)).await.unwrap();
    let root = tempfile::tempdir().unwrap();
    let read = |file: &str| fs::read_to_string(root.path().join(file)).unwrap();
    archive.export(root.path(), &options()).await;
    let own = manifest(root.path());
    assert_eq!((own.license.as_str(), own.origins), ("CC-BY-4.0", ["measured".to_owned()].into()));
    for table in [Table::Samples, Table::Rollup1h] {
        let foreign = exported(root.path(), table, "CAST(count(origin) AS VARCHAR)").await;
        assert_eq!(foreign, [Some("0".to_owned())], "{table:?}");
    }
    assert!(read("LICENSE.txt").starts_with("Creative Commons"));

    // The same place, and other rows of the same files.
    let all = ExportOptions { origins: Origin::ALL.into(), ..options() };
    let report = archive.export(root.path(), &all).await;
    assert_eq!((report.written, report.revised), (4, 2));
    let mixed = manifest(root.path());
    assert_eq!(mixed.license, "LicenseRef-by-origin");
    assert_eq!(Vec::from_iter(&mixed.origins), ["csv", "measured", "ripe-atlas"]);
    let foreign = exported(root.path(), Table::Samples, "CAST(count(origin) AS VARCHAR)").await;
    let wanted = sql(&archive.tables, "SELECT CAST(count(origin) AS VARCHAR) AS found FROM samples").await;
    assert_eq!(foreign, texts(&wanted, "found"));
    assert!(
        read("LICENSE.txt")
            .starts_with("Rows of these origins (column `origin`) were imported from others: csv, ripe-atlas.")
    );
    assert!(read("LICENSE.txt").contains("For all other rows"));
    assert!(read("dictionary.md").contains("imported rows have their own terms: csv, ripe-atlas."));
    assert!(!read("croissant.json").contains("creativecommons.org"));
    assert!(read("croissant.json").contains("measured by others, in ways of their own: csv, ripe-atlas."));

    let only = ExportOptions { origins: [Origin::Csv].into(), ..options() };
    archive.export(root.path(), &only).await;
    assert_eq!(manifest(root.path()).origins, ["csv".to_owned()].into());
    assert!(!read("LICENSE.txt").contains("Creative Commons"));
    assert!(!read("croissant.json").contains("timed by the kernel"));
}

#[tokio::test]
async fn an_export_without_samples_says_what_its_archive_is_of() {
    let steps = ExportOptions { tables: vec![Table::Changes], ..ExportOptions::default() };
    let nowhere = tempfile::tempdir().unwrap();
    let empty = Tables::in_directory(nowhere.path());
    let unknown = tempfile::tempdir().unwrap();
    let to = Destination::in_directory(unknown.path()).unwrap();
    Exporter::new(empty, to).run_once(NOW, &steps, &()).await.unwrap();
    assert_eq!(manifest(unknown.path()).simulated, None);
    assert!(fs::read_to_string(unknown.path().join(MANIFEST)).unwrap().contains("\"simulated\": null"));
    assert!(
        fs::read_to_string(unknown.path().join("dictionary.md")).unwrap().contains("simulated network is not known")
    );

    for (origin, simulated) in [(Origin::Simulated, true), (Origin::Measured, false)] {
        let archive = Archive::with(origin).await;
        archive.tables.open_or_create(Table::Changes).await.unwrap();
        let root = tempfile::tempdir().unwrap();
        archive.export(root.path(), &steps).await;
        assert_eq!(manifest(root.path()).simulated, Some(simulated));
        let described = fs::read_to_string(root.path().join("croissant.json")).unwrap();
        assert_eq!(described.contains("SIMULATED network"), simulated, "{described}");
    }
}
