//! The SQL door's answers in every form: streamed, bounded, cancelled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::*;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, UInt64Type};
use arrow::ipc::reader::StreamReader;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use futures::StreamExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use tower::ServiceExt;

fn encoded(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn asked(world: &World, query: &str, format: &str) -> Answer {
    world.get(&format!("/api/v1/sql?format={format}&q={}", encoded(query))).await
}

/// The response before its body is read.
async fn begun(world: &World, query: &str, format: &str) -> Response {
    let path = format!("/api/v1/sql?format={format}&q={}", encoded(query));
    let request = Request::get(path).body(Body::empty()).unwrap();
    world.service.router().oneshot(request).await.unwrap()
}

fn arrow_of(bytes: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(bytes, None).unwrap().collect::<Result<_, _>>().unwrap()
}

const THREE: &str = "select id, name, 1.5 as x, latitude > 0 as north, null as nothing, [1, 2] as list from regions order by id limit 3";

#[tokio::test]
async fn every_form_has_the_same_rows() {
    let world = World::new();
    let rows = asked(&world, THREE, "json").await.ok()["rows"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    let ndjson = asked(&world, THREE, "ndjson").await;
    assert_eq!(
        (ndjson.header("content-type"), ndjson.header("cloudping-truncated")),
        ("application/x-ndjson", "false")
    );
    assert!(ndjson.body.starts_with("{\"id\":\""), "columns keep their order: {}", ndjson.body);
    let objects: Vec<Value> = ndjson.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let arrays: Vec<Value> = objects
        .iter()
        .map(|row| json!([row["id"], row["name"], row["x"], row["north"], row["nothing"], row["list"]]))
        .collect();
    assert_eq!(Value::from(arrays), rows);

    let arrow = asked(&world, THREE, "arrow").await;
    assert_eq!(arrow.header("content-type"), "application/vnd.apache.arrow.stream");
    let parquet = asked(&world, THREE, "parquet").await;
    assert_eq!(parquet.header("content-type"), "application/vnd.apache.parquet");
    let parquet = ParquetRecordBatchReaderBuilder::try_new(parquet.bytes.clone()).unwrap().build().unwrap();
    for batches in [arrow_of(&arrow.bytes), parquet.collect::<Result<_, _>>().unwrap()] {
        let ids: Vec<&str> = batches.iter().flat_map(|batch| batch["id"].as_string::<i32>().iter().flatten()).collect();
        assert_eq!(json!(ids), json!([rows[0][0], rows[1][0], rows[2][0]]));
    }
}

#[tokio::test]
async fn an_answer_without_rows_has_columns_in_every_form() {
    let world = archived().await;
    let none = "select ts, source, rtt_us from samples where false";
    assert_eq!(asked(&world, none, "csv").await.body, "ts,source,rtt_us\r\n");
    assert_eq!(asked(&world, none, "ndjson").await.body, "");
    let arrow = asked(&world, none, "arrow").await;
    let reader = StreamReader::try_new(&*arrow.bytes, None).unwrap();
    // No view types: few programs read them.
    let types: Vec<String> = reader.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
    assert_eq!(types, ["Timestamp(µs, \"UTC\")", "Utf8", "Int32"]);
    let parquet = asked(&world, none, "parquet").await;
    assert_eq!(ParquetRecordBatchReaderBuilder::try_new(parquet.bytes).unwrap().schema().fields().len(), 3);
}

#[tokio::test]
async fn a_long_answer_comes_in_pieces() {
    let world = World::new();
    let series = "select value, value * 7 as more from generate_series(1, 1000000)";
    let arrow = asked(&world, series, "arrow").await;
    assert_eq!((arrow.status.as_u16(), arrow.header("cloudping-truncated")), (200, ""));
    let batches = arrow_of(&arrow.bytes);
    let sum: i64 =
        batches.iter().map(|batch| batch["value"].as_primitive::<Int64Type>().values().iter().sum::<i64>()).sum();
    assert_eq!(sum, 500_000_500_000);
    let parquet = asked(&world, series, "parquet").await;
    let parquet = ParquetRecordBatchReaderBuilder::try_new(parquet.bytes).unwrap();
    assert_eq!(parquet.metadata().file_metadata().num_rows(), 1_000_000);
    assert!(parquet.metadata().num_row_groups() > 4, "row groups are held in memory, so they are small");
    let csv = asked(&world, series, "csv").await;
    assert!(csv.body.contains("\r\n1000000,7000000\r\n"));
    assert_eq!(csv.body.lines().count(), 1_000_001);
}

#[tokio::test]
async fn more_rows_than_allowed_are_an_error_and_never_a_part() {
    let world =
        World::with(now, |settings| (settings.sql.stream_rows, settings.sql.stream_bytes) = (300_000, 64 << 20));
    for format in ["csv", "ndjson", "arrow", "parquet"] {
        // Before the first byte went out: a problem.
        let short = World::with(now, |settings| settings.sql.stream_rows = 1000);
        assert_eq!(asked(&short, "select value from generate_series(1, 1000)", format).await.status, 200, "{format}");
        let detail = asked(&short, "select value from generate_series(1, 1001)", format).await.problem(422);
        assert!(detail.contains("more than 1000 rows") && detail.contains("LIMIT"), "{format}: {detail}");
        // After: the answer is broken off.
        let wide = "select value, value * 3 as b, uuid() as c, uuid() as d from generate_series(1, 300001)";
        let mut body = begun(&world, wide, format).await.into_body().into_data_stream();
        let mut last = Ok(Default::default());
        while let Some(piece) = body.next().await {
            last = piece;
        }
        let error = last.unwrap_err().to_string();
        assert!(error.contains("more than"), "{format}: {error}");
    }
    let cut = asked(&world, "select value from generate_series(1, 200000)", "json").await.ok();
    assert_eq!((&cut["row_count"], &cut["truncated"]), (&json!(100_000), &json!(true)));
}

#[tokio::test]
async fn a_failure_in_the_middle_breaks_the_answer_off() {
    let world = World::new();
    let query = "select 1000000 / (90000 - value), uuid() from generate_series(1, 1000000)";
    for format in ["json", "csv", "arrow"] {
        let response = begun(&world, query, format).await;
        assert_eq!(response.status(), 200);
        let pieces: Vec<_> = response.into_body().into_data_stream().collect().await;
        assert!(pieces.last().unwrap().is_err(), "{format}");
    }
    // Where it fails before much was made, it says so.
    let detail = asked(&world, &query.replace("90000", "90"), "csv").await.problem(400);
    assert!(detail.to_lowercase().contains("divide by zero"), "{detail}");
}

#[tokio::test]
async fn parameters_are_values_and_no_text() {
    let world = archived().await;
    let ask = async |query: &str, params: Value| {
        let body = json!({"query": query, "params": params}).to_string();
        let request = Request::post("/api/v1/sql").header("content-type", "application/json");
        world.ask(request.body(Body::from(body)).unwrap()).await
    };
    let query = "select count(*), $2 from samples where source = $1 and rtt_us >= $3 and ts >= $4";
    let answer = ask(query, json!(["us-east-1", null, 20_000, "2026-01-01T00:00:00Z"])).await.ok();
    assert_eq!(answer["rows"], json!([[20, null]]));
    let answer = ask("select count(*) from samples where source = $1", json!(["' or 1=1 --"])).await.ok();
    assert_eq!(answer["rows"], json!([[0]]));
    assert_eq!(ask("select $1, $2, $3", json!([true, 1.5, "é"])).await.ok()["rows"], json!([[true, 1.5, "é"]]));
    for (query, params, status, part) in [
        ("select $1", json!([]), 400, "has 1 parameters, and 0 values"),
        ("select 1", json!([1]), 400, "has 0 parameters, and 1 values"),
        ("select $2", json!([1]), 400, "$1 is missing"),
        ("select $name", json!([1]), 400, "expected $1, $2"),
        ("select $1", json!([[1]]), 422, "a text, a number, a boolean or null"),
    ] {
        let detail = ask(query, params).await.problem(status);
        assert!(detail.contains(part), "{query}: {detail}");
    }
}

/// Processor time of the door's threads so far, in ticks.
fn ticks() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let of_door = stats.filter(|stat| stat.contains("(cloudping-sql)"));
    let spent = of_door.map(|stat| {
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    });
    spent.sum()
}

/// More rows than anyone takes, each of which costs something.
const ENDLESS: &str = "select a.value, b.value from generate_series(1, 10000000) a, generate_series(1, 10000000) b where a.value % 7 < b.value % 11";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_ends_the_statement() {
    let world = World::with(now, |settings| {
        (settings.sql.concurrency, settings.sql.queue) = (1, 0);
        (settings.sql.stream_rows, settings.sql.stream_bytes) = (usize::MAX, usize::MAX);
    });
    let mut body = begun(&world, ENDLESS, "arrow").await.into_body().into_data_stream();
    for _ in 0..8 {
        body.next().await.unwrap().unwrap();
    }
    assert!(ticks() > 0);
    drop(body);
    let started = Instant::now();
    while world.sql("select 1").await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(10), "the statement still has its place");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = ticks();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(ticks() - before < 10, "the statement still runs: {} ticks in a second", ticks() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_the_statement_and_loses_it_at_last() {
    let world = World::with(now, |settings| {
        settings.sql.reader_time = Duration::from_millis(1500);
        settings.sql.wall_time = Duration::from_secs(600);
        (settings.sql.stream_rows, settings.sql.stream_bytes) = (usize::MAX, usize::MAX);
    });
    let mut body = begun(&world, ENDLESS, "arrow").await.into_body().into_data_stream();
    body.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let before = ticks();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(ticks() - before < 10, "the statement does not wait: {} ticks", ticks() - before);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut last = Ok(Default::default());
    while let Some(piece) = body.next().await {
        last = piece;
    }
    let error = last.unwrap_err().to_string();
    assert!(error.contains("waited for more than 1.5 s to be taken"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_goes_to_disk_within_bounds() {
    let sort = "select value, -value as less from generate_series(1, 1000000) order by less";
    let room = World::with(now, |settings| settings.sql.memory_bytes = 12 << 20);
    let answer = asked(&room, sort, "arrow").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let batches = arrow_of(&answer.bytes);
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 1_000_000);
    let little = World::with(now, |settings| {
        (settings.sql.memory_bytes, settings.sql.spill_bytes) = (12 << 20, 1 << 20);
    });
    let detail = asked(&little, sort, "arrow").await.problem(422);
    assert!(detail.contains("more room on disk"), "{detail}");
    let none = World::with(now, |settings| (settings.sql.memory_bytes, settings.sql.spill_bytes) = (12 << 20, 0));
    let detail = asked(&none, sort, "arrow").await.problem(422);
    assert!(detail.contains("more memory"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_statements_wait_for_their_turn() {
    let world = Arc::new(World::with(now, |settings| {
        (settings.sql.concurrency, settings.sql.queue) = (1, 2);
        settings.sql.queue_time = Duration::from_secs(20);
    }));
    let slow = "select count(*) from generate_series(1, 3000000) where value % 3 = 1";
    let asked = (0..6).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.sql(slow).await.status.as_u16() })
    });
    let mut statuses = Vec::new();
    for answer in asked.collect::<Vec<_>>() {
        statuses.push(answer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429]);
}

#[tokio::test]
async fn the_live_view_is_a_table() {
    let world = World::new();
    world.fill().await;
    let query = "select source, target, family, sent, received, lost, p50_us, min_us, low_count, \
        digest_quantile(digest, 0.5) = p50_us, last is not null from live where \"window\" = '5m' order by source, family";
    let rows = world.sql(query).await.ok()["rows"].clone();
    let sides = [("eu-west-1", "us-east-1", 0), ("us-east-1", "eu-west-1", 1)];
    assert_eq!(rows.as_array().unwrap().len(), 4);
    for ((source, target, lost), pair) in sides.into_iter().zip(rows.as_array().unwrap().chunks(2)) {
        let row = pair[0].as_array().unwrap();
        assert_eq!(
            row[..4],
            [json!(source), json!(target), json!(4), json!(row[4].as_u64().unwrap() + lost)],
            "{row:?}"
        );
        assert_eq!(
            row[5..],
            [json!(lost), json!(68_410.0), json!(68_410), json!(true), json!(true), json!(true)],
            "{row:?}"
        );
    }
    let matrix = world.get("/api/v1/matrix?window=1h").await.ok();
    let counts = world.sql("select sum(received) from live where \"window\" = '1h' and family = 4").await.ok();
    let total: u64 = matrix["cells"].as_array().unwrap().iter().map(|cell| cell["count"].as_u64().unwrap()).sum();
    assert_eq!(counts["rows"], json!([[total]]));
}

#[tokio::test]
async fn the_ledger_is_a_table() {
    let world = World::new();
    let mut head = head_at(NOW - SECOND, NOON);
    head.ledger.push(cloudping_schemas::stored::LedgerHour {
        start: NOON,
        rounds: 10,
        sent: 300,
        received: 290,
        lost: 10,
        not_sent: 20,
        ..Default::default()
    });
    world.head("local", &head).await;
    world.service.refresh(NOW).await.unwrap();
    let query = "select source, hour, rounds, sent, received, lost, not_sent, due, counted, completeness from ledger";
    let expected = json!([["local", "2026-01-02T12:00:00.000000+00:00", 10, 300, 290, 10, 20, 320, 300, 93.75]]);
    let rows = world.sql(query).await.ok()["rows"].clone();
    assert_eq!(rows, expected);
    let coverage = world.get("/api/v1/coverage").await.ok();
    assert_eq!((&coverage["hours"][0]["due"], &coverage["hours"][0]["completeness"]), (&rows[0][7], &rows[0][9]));
}

#[tokio::test]
async fn counts_in_arrow_are_typed() {
    let world = World::new();
    let batches = arrow_of(&asked(&world, "select arrow_cast(7, 'UInt64') as n", "arrow").await.bytes);
    assert_eq!(batches[0]["n"].as_primitive::<UInt64Type>().value(0), 7);
}
