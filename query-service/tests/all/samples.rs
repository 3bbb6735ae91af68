//! Samples as they are: pages, cursors and downloads.

use crate::common::*;
use arrow::array::RecordBatch;
use axum::body::Body;
use axum::http::Request;
use cloudping_schemas::tables;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const PAIR: &str = "/api/v1/samples?source=us-east-1&target=eu-west-1";
const DAYS: &str = "&start=2025-12-31T00:00:00Z&end=2026-01-02T12:00:00Z";

/// Two targets over three days, some probes of both at the same moment.
fn rows() -> Vec<SampleRow> {
    let start = NOON - 2 * DAY;
    let of =
        |at: i64, target: &'static str| SampleRow { target, ..answered(start + at * 7 * MINUTE, 1_000 + at as i32) };
    (0..300).flat_map(|at| [of(at, "eu-west-1"), of(at, "sa-east-1")]).collect()
}

async fn pages(world: &World, path: &str, limit: usize) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let next = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let page = world.get(&format!("{path}&limit={limit}{next}")).await.ok();
        let samples = page["samples"].as_array().unwrap();
        assert!(samples.len() <= limit);
        found.extend(samples.clone());
        match page["next"].as_str() {
            Some(text) => cursor = Some(text.to_owned()),
            None => return found,
        }
    }
}

#[tokio::test]
async fn pages_go_on_where_they_ended() {
    let world = World::new();
    let rows = rows();
    // In files of any order, as they are before a compaction.
    for part in [&rows[300..], &rows[..300]] {
        world.append(tables::SAMPLES, samples(part)).await;
    }
    world.service.refresh(NOW).await.unwrap();
    let whole = pages(&world, &format!("{PAIR}{DAYS}"), 10_000).await;
    assert_eq!(whole.len(), 300);
    assert_eq!(
        whole[0],
        json!({"ts": "2025-12-31T12:00:00.000000Z", "source": "us-east-1", "target": "eu-west-1", "protocol": "tcp", "family": 4,
        "outcome": "answered", "rtt_us": 1_000, "connect_us": 1_000, "retransmits": 0, "address": "10.0.0.1", "epoch": 0, "round": 0})
    );
    for limit in [1, 70, 299, 300] {
        let limit_pages = if limit == 1 {
            format!("{PAIR}&start=2025-12-31T00:00:00Z&end=2025-12-31T12:30:00Z")
        } else {
            format!("{PAIR}{DAYS}")
        };
        let paged = pages(&world, &limit_pages, limit).await;
        assert_eq!(paged, whole[..paged.len()], "{limit}");
        assert_eq!(paged.len(), if limit == 1 { 5 } else { 300 });
    }
    let source = pages(&world, &format!("/api/v1/samples?source=us-east-1{DAYS}"), 130).await;
    assert_eq!(source.len(), 600);
    let order = |row: &Value| (row["ts"].as_str().unwrap().to_owned(), row["target"].as_str().unwrap().to_owned());
    assert!(source.is_sorted_by_key(order));
}

#[tokio::test]
async fn equal_rows_are_told_as_often_as_they_are() {
    let world = World::new();
    let mut rows = vec![answered(NOON - DAY, 5); 25];
    rows.extend((0..5).map(|at| answered(NOON - DAY + 1 + at, 6)));
    world.archive_samples(&rows).await;
    for limit in [4, 25, 26] {
        let told = pages(&world, &format!("{PAIR}{DAYS}"), limit).await;
        let fives = told.iter().filter(|row| row["rtt_us"] == 5).count();
        assert_eq!((told.len(), fives), (30, 25), "{limit}");
    }
}

#[tokio::test]
async fn cursors_are_of_one_query() {
    let world = World::new();
    world.archive_samples(&rows()).await;
    let page = world.get(&format!("{PAIR}{DAYS}&limit=10")).await;
    let cursor = page.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(page.header("cloudping-next"), cursor);
    let detail = async |query: String| world.get(&query).await.problem(400);
    let other = detail(format!("/api/v1/samples?source=us-east-1{DAYS}&cursor={cursor}")).await;
    assert!(other.starts_with("cursor belongs to another query"), "{other}");
    let none = detail(format!("{PAIR}{DAYS}&cursor=abc")).await;
    assert_eq!(none, "cursor is \"abc\", expected what the page before gave as next");
    assert!(detail(format!("{PAIR}&limit=10001")).await.contains("expected 1 to 10000"));
    assert!(detail(format!("{PAIR}&download=true&limit=5")).await.contains("limit is given beside download"));
    assert!(world.get("/api/v1/samples?source=mars").await.problem(404).contains("no source \"mars\""));
    assert_eq!(world.get("/api/v1/samples").await.problem(400), "source is missing, expected a vantage point's id");
    // As a table the cursor is a header, and a page of another form goes on with it.
    let csv = world.get(&format!("{PAIR}{DAYS}&limit=10&format=csv&cursor={cursor}")).await;
    assert_eq!(csv.body.lines().count(), 11);
    assert!(csv.body.starts_with("ts,source,target,protocol,family,outcome,rtt_us,"), "{}", csv.body);
    assert!(!csv.header("cloudping-next").is_empty());
    let empty = world.get(&format!("{PAIR}&start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z&format=csv")).await;
    assert_eq!((empty.body.lines().count(), empty.header("cloudping-next")), (1, ""));
}

#[tokio::test]
async fn a_download_has_every_row_in_every_form() {
    let world = World::new();
    world.archive_samples(&rows()).await;
    let path = format!("/api/v1/samples?source=us-east-1{DAYS}&download=true");
    for format in ["json", "csv", "ndjson", "arrow", "parquet"] {
        let answer = world.get(&format!("{path}&format={format}")).await;
        assert!(
            answer.header("content-disposition").starts_with("attachment; filename=\"samples-us-east-1."),
            "{format}"
        );
        let rows = match format {
            "json" => answer.json().as_array().unwrap().len(),
            "csv" => answer.body.lines().count() - 1,
            "ndjson" => answer.body.lines().count(),
            "arrow" => {
                let reader = arrow::ipc::reader::StreamReader::try_new(&answer.bytes[..], None).unwrap();
                reader.map(|batch| batch.unwrap().num_rows()).sum()
            }
            _ => {
                let reader =
                    parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(answer.bytes.clone(), 1_000)
                        .unwrap();
                reader.map(|batch: Result<RecordBatch, _>| batch.unwrap().num_rows()).sum()
            }
        };
        assert_eq!(rows, 600, "{format}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_makes_room_for_the_next() {
    let world = World::with(now, |settings| settings.sql.downloads = 1);
    // More than the pieces that may wait: the reading cannot end before the client takes some.
    let rows: Vec<SampleRow> = (0..200_000).map(|at| answered(NOON - DAY + at * SECOND / 10, 7)).collect();
    world.archive_samples(&rows).await;
    let path = format!("{PAIR}{DAYS}&download=true&format=csv");
    let open = async || world.service.router().oneshot(Request::get(&path).body(Body::empty()).unwrap()).await.unwrap();
    let first = open().await;
    let mut body = first.into_body().into_data_stream();
    assert!(!body.next().await.unwrap().unwrap().is_empty());
    assert_eq!(open().await.status(), 429);
    drop(body);
    let mut tries = 0;
    while open().await.status() == 429 {
        tries += 1;
        assert!(tries < 100, "the place of a client that has left is not given to the next");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
