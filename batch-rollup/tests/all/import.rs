//! What others measured comes into the table once, marked, whatever the files look like.

use std::io::{Cursor, Read, Write};
use std::time::Duration;

use cloudping_batch_rollup::import::{BadRow, Format, Import, ImportError, ImportOptions, ImportReport, Input};
use cloudping_batch_rollup::{Archiver, Rollup, Tables};
use cloudping_model::UtcMicros;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::common::contract::log_of;
use crate::common::*;

fn place() -> (tempfile::TempDir, Tables) {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    (directory, tables)
}

fn input(name: &str, bytes: impl Into<Vec<u8>>) -> Input {
    let bytes = bytes.into();
    Input { name: name.to_owned(), length: bytes.len() as u64, bytes: Box::new(Cursor::new(bytes)) }
}

fn gz(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

async fn import(tables: &Tables, options: ImportOptions, inputs: Vec<Input>) -> Result<ImportReport, ImportError> {
    Import::new(tables.clone(), options).run(inputs, &()).await
}

/// A run of CloudPing.co, typed as DynamoDB does.
fn run(nth: u32) -> String {
    let (target, hour, second) = (["eu-west-1", "ap-south-1"][nth as usize % 2], nth / 2 % 24, nth / 48 % 60);
    let pings: Vec<String> =
        (0..4).map(|seq| format!(r#"{{"M":{{"seq":{{"N":"{seq}"}},"time":{{"N":"{}.{nth}"}}}}}}"#, 70 + seq)).collect();
    format!(
        r#"{{"region":{{"S":"us-east-1"}},"regionTo":{{"S":"{target}"}},"timestamp":{{"S":"2021-05-04T{hour:02}:00:{second:02}.000Z"}},"avg":{{"N":"71.5"}},"attempts":{{"N":"5"}},"attemptsSuccess":{{"N":"4"}},"results":{{"L":[{}]}}}}"#,
        pings.join(",")
    )
}

#[tokio::test]
async fn an_export_and_a_scan_of_the_same_items_are_one_effect() {
    let (_directory, tables) = place();
    let export: String = (0..48).map(|nth| format!("{{\"Item\":{}}}\n", run(nth))).collect();
    // A scan gives the items in any order, some of them newer.
    let items: Vec<String> = (10..60).rev().map(run).collect();
    let scan = format!("{{\n \"Items\": [\n{}\n ],\n \"Count\": 50, \"ScannedCount\": 50\n}}\n", items.join(",\n"));
    let small = ImportOptions { rows_per_commit: 60, ..ImportOptions::default() };
    let planned = ImportOptions { dry_run: true, ..ImportOptions::default() };
    let planned = import(&tables, planned, vec![input("export.json.gz", gz(&export))]).await.unwrap();
    assert_eq!((planned.rounds, planned.rows, planned.commits), (48, 240, 0));
    let first = import(&tables, small.clone(), vec![input("export.json.gz", gz(&export))]).await.unwrap();
    let expected = ImportReport { files: 1, records: 48, rounds: 48, rows: 240, commits: 4, ..ImportReport::default() };
    assert_eq!(first, expected);
    let second = import(&tables, small, vec![input("scan.json", scan)]).await.unwrap();
    assert_eq!((second.records, second.rounds, second.duplicates, second.bad), (50, 12, 38, 0));
    let found = sql(
        &tables,
        "SELECT source, target, protocol, outcome, origin, count(*) AS n, min(rtt_us) AS least FROM samples GROUP BY ALL ORDER BY target, outcome",
    )
    .await;
    let text = |column| texts(&found, column).into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(text("target"), ["ap-south-1", "ap-south-1", "eu-west-1", "eu-west-1"]);
    assert_eq!(text("outcome"), ["answered", "timeout", "answered", "timeout"]);
    assert_eq!((text("protocol"), text("origin")), (vec!["tcp".to_owned(); 4], vec!["cloudping.co".to_owned(); 4]));
    assert_eq!(ints(&found, "n"), [Some(120), Some(30), Some(120), Some(30)]);
    assert_eq!(ints(&found, "least"), [Some(70_100), None, Some(70_000), None]);
}

#[tokio::test]
async fn averages_are_in_the_table_and_in_no_rollup() {
    let (_directory, tables) = place();
    let averages = "{\"region\":\"us-east-1\",\"regionTo\":\"eu-west-1\",\"timestamp\":\"2021-05-04T12:00:00Z\",\"avg\":\"70\",\"attempts\":5,\"attemptsSuccess\":5}\n\
        {\"index\":\"x\",\"region_from\":\"us-east-1\",\"region_to\":\"eu-west-1\",\"timeframe\":\"1D\",\"latency\":\"71\"}\n\
        {\"index\":\"y\",\"region_from\":\"us-east-1\",\"region_to\":\"eu-west-1\",\"timeframe\":\"1M\",\"latency\":\"72\"}\n";
    let without = import(&tables, ImportOptions::default(), vec![input("a", averages)]).await.unwrap();
    assert_eq!((without.rounds, without.skipped, without.bad), (1, 1, 1));
    assert_eq!(
        without.first_bad[0].to_string(),
        "a:2: time is \"absent\", expected given as --at: the row does not say when it was made"
    );
    let options = ImportOptions { at: Some(UtcMicros(TEN)), ..ImportOptions::default() };
    for (rounds, duplicates) in [(1, 1), (0, 2)] {
        let report = import(&tables, options.clone(), vec![input("a", averages)]).await.unwrap();
        assert_eq!((report.rounds, report.duplicates, report.skipped, report.bad), (rounds, duplicates, 1, 0));
    }
    let origins = sql(&tables, "SELECT origin, rtt_us FROM samples ORDER BY rtt_us").await;
    assert_eq!(texts(&origins, "origin"), vec![Some("cloudping.co/average".to_owned()); 2]);
    assert_eq!(ints(&origins, "rtt_us"), [Some(70_000), Some(71_000)]);
    Rollup::new(tables.clone()).run_once(UtcMicros(TEN)).await.unwrap();
    assert_eq!(sql(&tables, "SELECT * FROM rollup_1h").await.num_rows(), 0);
}

#[tokio::test]
async fn atlas_results_stand_beside_our_own() {
    let (_directory, tables) = place();
    Archiver::new(log_of(&rounds(30, TEN, 5, 10)).await, tables.clone()).run_once().await.unwrap();
    let result = |probe: u32, at: u32| {
        format!(
            r#"{{"type":"ping","proto":"ICMP","af":4,"prb_id":{probe},"msm_id":7,"dst_name":"dynamodb.eu-west-1.amazonaws.com","dst_addr":"192.0.2.1","timestamp":{at},"result":[{{"rtt":20.5}},{{"x":"*"}},{{"rtt":21.25}}]}}"#
        )
    };
    let list: Vec<String> = (0..6).map(|nth| result(6_012 + nth % 2, 1_772_359_200 + nth)).collect();
    let mut options = ImportOptions::default();
    let map = "[probes]\n6012 = \"eu-central-1\"\n[targets]\n\"dynamodb.eu-west-1.amazonaws.com\" = \"eu-west-1\"";
    options.mapping.add(map).unwrap();
    let files = vec![input("list.json", format!("[{}]", list.join(",\n"))), input("lines.json", list.join("\n"))];
    let report = import(&tables, options, files).await.unwrap();
    assert_eq!((report.files, report.records, report.rounds, report.rows, report.duplicates), (2, 12, 6, 18, 6));
    Rollup::new(tables.clone()).run_once(UtcMicros(TEN)).await.unwrap();
    let hours = sql(
        &tables,
        "SELECT source, protocol, sent, lost, p50_us FROM rollup_1h WHERE origin = 'ripe-atlas' ORDER BY source",
    )
    .await;
    assert_eq!(texts(&hours, "source"), [Some("atlas-6013".to_owned()), Some("eu-central-1".to_owned())]);
    assert_eq!(texts(&hours, "protocol"), vec![Some("icmp".to_owned()); 2]);
    assert_eq!((ints(&hours, "sent"), ints(&hours, "lost")), (vec![Some(9); 2], vec![Some(3); 2]));
    assert_eq!(floats(&hours, "p50_us"), vec![Some(20_875.0); 2]);
    let own = sql(&tables, "SELECT count(*) AS n FROM samples WHERE origin IS NULL").await;
    assert_eq!(ints(&own, "n"), [Some(60)]);
}

#[tokio::test]
async fn bad_rows_are_counted_named_and_passed_over() {
    let (_directory, tables) = place();
    let mut csv = "ts,source,target,rtt_ms\n".to_owned();
    for nth in 0..100 {
        let rtt = if nth % 4 == 0 { "slow".to_owned() } else { format!("{nth}.5") };
        csv += &format!("{},a,b,{rtt}\n", 1_772_359_200 + nth);
    }
    let report = import(&tables, ImportOptions::default(), vec![input("own.csv", csv)]).await.unwrap();
    assert_eq!((report.records, report.rounds, report.bad, report.first_bad.len()), (100, 75, 25, 20));
    let second = BadRow {
        file: "own.csv".to_owned(),
        line: 6,
        field: "rtt_ms".to_owned(),
        found: "slow".to_owned(),
        expected: "a number, or nothing where there is no answer".to_owned(),
    };
    assert_eq!(report.first_bad[1], second);
    assert_eq!(ints(&sql(&tables, "SELECT count(*) AS n FROM samples WHERE origin = 'csv'").await, "n"), [Some(75)]);
}

#[tokio::test]
async fn files_that_were_put_together_are_all_read() {
    let (_directory, tables) = place();
    let page = |items: std::ops::Range<u32>| {
        format!("{{\"Items\": [{}],\n\"Count\": 3}}\n", items.map(run).collect::<Vec<_>>().join(","))
    };
    let pages = page(0..3) + "and more\n" + &page(3..6) + &page(5..8);
    let report = import(&tables, ImportOptions::default(), vec![input("pages.json", pages)]).await.unwrap();
    assert_eq!((report.records, report.rounds, report.duplicates, report.bad), (10, 8, 1, 1));
    assert_eq!(report.first_bad[0].to_string().split(" is ").next(), Some("pages.json:3: record"));
}

#[tokio::test]
async fn what_is_to_come_was_not_measured() {
    let (_directory, tables) = place();
    let csv = "ts,source,target,rtt_ms\n2026-03-02T10:00:00Z,a,b,1\n2099-01-01T00:00:00Z,a,b,1\n";
    let result = r#"{"type":"ping","prb_id":1,"dst_name":"h","timestamp":4070908800,"result":[{"rtt":1.5}]}"#;
    let options = ImportOptions { now: Some(UtcMicros(TEN)), ..ImportOptions::default() };
    let files = vec![input("own.csv", csv), input("atlas.json", result)];
    let report = import(&tables, options, files).await.unwrap();
    assert_eq!((report.records, report.rounds, report.bad), (3, 1, 2));
    let named: Vec<_> = report.first_bad.iter().map(|row| (row.file.as_str(), row.line, row.field.as_str())).collect();
    assert_eq!(named, [("own.csv", 3, "ts"), ("atlas.json", 1, "timestamp")]);
    assert_eq!(report.first_bad[0].found, "2099-01-01T00:00:00+00:00");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_and_what_was_committed_stays() {
    let (_directory, tables) = place();
    let good = "ts,source,target,rtt_ms\n1772359200,a,b,7\n";
    let mut cut = gz(&good.repeat(1_000));
    cut.truncate(cut.len() / 2);
    let error = import(&tables, ImportOptions::default(), vec![input("cut.csv.gz", cut)]).await.unwrap_err();
    assert!(error.to_string().starts_with("cut.csv.gz: "), "{error}");
    let error = import(&tables, ImportOptions::default(), vec![input("notes.txt", "hello")]).await.unwrap_err();
    assert!(matches!(&error, ImportError::Format { file } if file == "notes.txt"), "{error}");
    let csv = ImportOptions { format: Some(Format::Csv), ..ImportOptions::default() };
    let error = import(&tables, csv, vec![input("notes.txt", "hello")]).await.unwrap_err();
    assert!(error.to_string().starts_with("notes.txt: expected a first line that names the columns ts"), "{error}");
    let each = ImportOptions { rows_per_commit: 1, ..ImportOptions::default() };
    import(&tables, each, vec![input("good.csv", good), input("notes.txt", "hello")]).await.unwrap_err();
    assert_eq!(stored_rows(&tables).await.len(), 1);
}

/// Says that it is read, and has nothing until it is let go; at the latest after a while it ends.
struct Stalled {
    begun: Option<tokio::sync::oneshot::Sender<()>>,
    go: std::sync::mpsc::Receiver<()>,
}

impl Read for Stalled {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.begun.take().map(|begun| begun.send(()));
        let _ = self.go.recv_timeout(Duration::from_secs(5));
        Ok(0)
    }
}

#[tokio::test]
async fn an_import_that_waits_for_bytes_can_be_stopped() {
    let (_directory, tables) = place();
    let ((begun, reading), (let_go, go)) = (tokio::sync::oneshot::channel(), std::sync::mpsc::channel());
    let bytes = Box::new(Stalled { begun: Some(begun), go });
    let stalled = Input { name: "standard input".to_owned(), length: 0, bytes };
    tokio::select! {
        biased;
        report = import(&tables, ImportOptions::default(), vec![stalled]) => panic!("nothing else could go on: {report:?}"),
        begun = reading => begun.unwrap(),
    }
    drop(let_go);
}

#[tokio::test]
async fn progress_comes_to_the_files_end() {
    let (_directory, tables) = place();
    let rows: String = (0..3_000).map(|nth| format!("{},a,b,1\n", 1_772_359_200 + nth)).collect();
    let text = format!("ts,source,target,rtt_ms\n{rows}");
    let told = Told::default();
    let files = [input("one.csv", text.clone()), input("two.csv.gz", gz(&text))];
    let lengths = files.each_ref().map(|file| file.length);
    let report = Import::new(tables, ImportOptions::default()).run(files, &told).await.unwrap();
    assert_eq!((report.rounds, report.duplicates), (3_000, 3_000));
    let expected = [("reading one.csv", lengths[0]), ("reading two.csv.gz", lengths[1])];
    let expected: Vec<_> = expected.map(|(doing, length)| (doing.to_owned(), length, length)).into();
    assert_eq!(told.stages(), expected);
}
