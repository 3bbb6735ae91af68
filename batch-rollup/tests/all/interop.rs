//! Other engines read the same files and find the same numbers: the Delta tables, in whose folders files lie that no longer belong to them, and the
//! export. They come from PyPI, by `xtask/requirements.txt`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cloudping_batch_rollup::athena::{Definition, Holding, duckdb_views};
use cloudping_batch_rollup::export::{Destination, ExportFormat, ExportOptions, Exporter};
use cloudping_batch_rollup::{Archiver, CompactOptions, Compactor, Rollup, Table, Tables};
use cloudping_model::UtcMicros;
use cloudping_testkit::MemoryLog;
use cloudping_testkit::servers::Server;
use serde_json::{Value, json};

use crate::common::*;

const TABLES: [Table; 2] = [Table::Samples, Table::Rollup1h];

/// `None`, said on standard error, where no Python with the engines is named.
fn python() -> Option<OsString> {
    let python = std::env::var_os("CLOUDPING_TEST_PYTHON");
    if python.is_none() {
        eprintln!("SKIPPED: set CLOUDPING_TEST_PYTHON to a python with the packages of xtask/requirements.txt");
    }
    python
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/interop").join(name)
}

/// What a script prints, which is JSON.
fn run(python: &OsString, name: &str, arguments: &[&str]) -> Value {
    let output = Command::new(python).arg(script(name)).args(arguments).output().unwrap();
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Two days of rounds in small files, rewritten into large ones; the small ones still lie in the folder.
async fn archive(directory: &Path) -> Tables {
    let tables = Tables::in_directory(&directory.join("tables"));
    let log = Arc::new(MemoryLog::default());
    for part in 0..4_i64 {
        let from = TEN + (part / 2) * 24 * HOUR + (part % 2) * 1_800 * SECOND;
        append(&log, &rounds(part.cast_unsigned(), from, 600, 3)).await;
        Archiver::new(log.clone(), tables.clone()).run_once().await.unwrap();
        Rollup::new(tables.clone()).run_once(UtcMicros(TEN)).await.unwrap();
    }
    let days_later = UtcMicros(TEN + 10 * 24 * HOUR);
    Compactor::new(tables.clone()).run_once(days_later, &CompactOptions::default(), &()).await.unwrap();
    for table in TABLES {
        let active = open(&tables, table).await.get_file_uris().unwrap().count();
        assert!(parquet_files(&directory.join("tables").join(table.name())) > active, "{table:?}: no stale files");
    }
    tables
}

fn parquet_files(folder: &Path) -> usize {
    let count = |path: PathBuf| match path.is_dir() {
        true => parquet_files(&path),
        false => usize::from(path.extension().is_some_and(|end| end == "parquet")),
    };
    // The log's folder holds checkpoints in Parquet.
    let inside = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    inside.filter(|path| !path.ends_with("_delta_log")).map(count).sum()
}

/// What every engine should find.
async fn expected(tables: &Tables) -> Value {
    let one = async |query: &str| -> Vec<Value> {
        let found = sql(tables, query).await;
        found.schema().fields().iter().map(|field| json!(floats(&found, field.name())[0])).collect()
    };
    let samples = one(
        "SELECT count(*), sum(rtt_us), sum(arrow_cast(arrow_cast(ts, 'Timestamp(Microsecond, None)'), 'Int64') % 1000000007), \
         count(DISTINCT struct(source, epoch, round)) FROM samples",
    )
    .await;
    let hours = one("SELECT count(*), sum(sent), sum(received), sum(p50_us) FROM rollup_1h").await;
    let medians = sql(
        tables,
        "SELECT source, target, percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(rtt_us AS DOUBLE)) AS p50 FROM samples \
         GROUP BY source, target ORDER BY source, target",
    )
    .await;
    let (source, target, p50) = (texts(&medians, "source"), texts(&medians, "target"), floats(&medians, "p50"));
    let pairs: Vec<Value> = (0..p50.len()).map(|at| json!([source[at], target[at], p50[at]])).collect();
    json!({
        "samples": {"n": samples[0], "rtt": samples[1], "times": samples[2], "rounds": samples[3], "pairs": pairs},
        "rollup_1h": {"n": hours[0], "sent": hours[1], "received": hours[2], "p50": hours[3]},
    })
}

/// Equal, but for the last digits of floating-point sums that were added in another order.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            found.len() == wanted.len() && wanted.iter().all(|(key, value)| same(&found[key], value))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| same(found, wanted))
        }
        _ => match (found.as_f64(), wanted.as_f64()) {
            (Some(found), Some(wanted)) => (found - wanted).abs() <= 1e-9 * wanted.abs(),
            _ => found == wanted,
        },
    }
}

/// An archive with stale files in its folders, and its export.
struct Place {
    directory: tempfile::TempDir,
    tables: Tables,
}

impl Place {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tables = archive(directory.path()).await;
        let to = Destination::in_directory(&directory.path().join("export")).unwrap();
        let formats = ExportFormat::ALL.to_vec();
        let options = ExportOptions {
            tables: TABLES.to_vec(),
            formats,
            rows_per_file: 5_000,
            no_wait: true,
            ..ExportOptions::default()
        };
        let later = UtcMicros(TEN + 72 * HOUR);
        let report = Exporter::new(tables.clone(), to).run_once(later, &options, &()).await.unwrap();
        assert_eq!(report.not_closed, 0);
        Self { directory, tables }
    }

    fn export(&self) -> String {
        self.directory.path().join("export").display().to_string()
    }

    /// As `engines.py` takes it.
    async fn told(&self) -> String {
        let since = "2026-03-01".parse().unwrap();
        let definition = Definition::new(Holding::Export, &self.export(), "cloudping", since);
        // The export has no files of them, and their views no rows.
        let absent = [Table::Rollup1d, Table::Changes, Table::Regions].into();
        let views = duckdb_views(&definition, &absent);
        let no_views = duckdb_views(&definition, &Table::ALL.into());
        let mut files = BTreeMap::new();
        for table in TABLES {
            let uris: Vec<String> = open(&self.tables, table).await.get_file_uris().unwrap().collect();
            files.insert(table.name(), uris);
        }
        let tables = self.directory.path().join("tables");
        json!({ "tables": tables, "files": files, "export": self.export(), "views": views, "no_views": no_views })
            .to_string()
    }
}

#[tokio::test]
async fn every_engine_finds_the_same_numbers() {
    let Some(python) = python() else { return };
    let place = Place::new().await;
    let wanted = expected(&place.tables).await;
    assert_eq!(wanted["samples"]["pairs"].as_array().unwrap().len(), 12);
    let told = place.told().await;
    let engines =
        [("duckdb", 4), ("polars", 2), ("pandas", 2), ("pyarrow", 2), ("deltalake", 1), ("chdb", 3), ("datafusion", 2)];
    // Side by side: most of their time they load themselves.
    let found: Vec<Value> = std::thread::scope(|scope| {
        let (python, told) = (&python, &told);
        let runs = engines.map(|(engine, _)| scope.spawn(move || run(python, "engines.py", &[engine, told])));
        runs.map(|run| run.join().unwrap()).into()
    });
    for ((engine, ways), found) in engines.into_iter().zip(found) {
        assert_eq!(found.as_object().unwrap().len(), ways, "{engine}");
        for (way, found) in found.as_object().unwrap() {
            assert!(same(found, &wanted), "{engine}, {way}: {found}\nwanted: {wanted}");
        }
    }
}

#[tokio::test]
async fn digests_metadata_and_the_guide_hold_what_they_promise() {
    let Some(python) = python() else { return };
    let place = Place::new().await;
    let wanted = expected(&place.tables).await;
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/archive.md");
    let [guide, folder] = [guide.as_path(), place.directory.path()].map(|path| path.display().to_string());
    assert_eq!(run(&python, "guide.py", &[&guide, &folder]), json!({ "sql": 2, "python": 5 }));
    // The numbers that a reader of the digests' bytes finds, without any code of ours.
    let digests = run(&python, "digests.py", &[&place.export()]);
    assert_eq!((&digests["digests"], &digests["sketched"], &digests["series"]), (&json!(24), &json!(24), &json!(12)));
    for error in ["hourly", "merged"] {
        assert!(digests[error].as_f64().unwrap() < 0.001, "{digests}");
    }
    let loaded = run(&python, "croissant.py", &[&place.export()]);
    assert_eq!(loaded["issues"], "");
    assert_eq!(loaded["records"]["samples"].as_f64(), wanted["samples"]["n"].as_f64());
    assert_eq!(loaded["records"]["rollup_1h"].as_f64(), wanted["rollup_1h"]["n"].as_f64());
}

#[test]
fn athenas_parser_and_glues_api_take_the_definitions() {
    let Some(python) = python() else { return };
    let Some(server) = Server::glue() else { return };
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/golden/athena");
    let address = format!("http://{}", server.address());
    let found = run(&python, "athena.py", &[&golden.display().to_string(), &address]);
    assert_eq!(found, json!({ "statements": 10, "queries": 7, "tables": 10 }));
}
