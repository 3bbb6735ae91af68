//! The metrics, as Prometheus' own reader sees them.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::*;
use axum::body::Body;
use axum::http::Request;
use cloudping_schemas::stored::LedgerHour;
use serde_json::{Value, json};

/// Reads a page with `prometheus_client`, as the format that the first argument names, and prints families and samples.
const READER: &str = "
import json, sys
text = sys.stdin.read()
if sys.argv[1] == 'openmetrics':
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
else:
    from prometheus_client.parser import text_string_to_metric_families as read
families = list(read(text))
print(json.dumps([
    {'name': f.name, 'type': f.type, 'unit': f.unit, 'help': f.documentation,
     'samples': [{'name': s.name, 'labels': s.labels, 'value': s.value} for s in f.samples]}
    for f in families]))
";

fn read(format: &str, page: &str) -> BTreeMap<String, Value> {
    let python = std::env::var_os("CLOUDPING_TEST_PYTHON").expect("CLOUDPING_TEST_PYTHON: cargo xtask test sets it");
    let mut reader =
        Command::new(python).args(["-c", READER, format]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    reader.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "{page}");
    let families: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    families.into_iter().map(|family| (family["name"].as_str().unwrap().to_owned(), family)).collect()
}

/// The value of the sample that has all these labels.
#[track_caller]
fn sample(family: &Value, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |sample: &&Value| labels.iter().all(|(name, value)| sample["labels"][*name] == *value);
    let mut found = family["samples"].as_array().unwrap().iter().filter(has);
    let value = found.next().map(|sample| sample["value"].as_f64().unwrap());
    assert!(found.next().is_none(), "{labels:?} name several samples of {family}");
    value
}

async fn open_metrics(world: &World, path: &str) -> BTreeMap<String, Value> {
    let request = Request::get(path).header("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    let answer = world.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(answer.status, 200, "{}", answer.body);
    read("openmetrics", &answer.body)
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_class() {
    let world = World::new();
    world.fill().await;
    for path in ["/api/v1/matrix", "/api/v1/matrix?source=local", "/api/v1/matrix?percentile=x", "/latencies", "/x/y"] {
        world.get(path).await;
    }
    world.get("/api/v1/no/such/thing").await.problem(404);
    world.sql("SELECT 1").await.ok();
    world.sql("SELECT 1; SELECT 2").await.problem(400);
    let families = open_metrics(&world, "/metrics").await;
    let requests = &families["cloudping_http_requests"];
    assert_eq!(requests["type"], "counter");
    let count = |route: &str, method: &str, status: &str| {
        sample(requests, &[("route", route), ("method", method), ("status", status)])
    };
    assert_eq!(count("/api/v1/matrix", "GET", "2xx"), Some(2.0));
    assert_eq!(count("/api/v1/matrix", "GET", "4xx"), Some(1.0));
    assert_eq!(count("/api/v1/sql", "POST", "2xx"), Some(1.0));
    assert_eq!(count("/api/v1/sql", "POST", "4xx"), Some(1.0));
    assert_eq!(count("/api/{*rest}", "GET", "4xx"), Some(1.0));
    assert_eq!(count("/latencies", "GET", "2xx"), Some(1.0));
    // The page itself is being answered.
    assert_eq!(sample(&families["cloudping_http_requests_in_flight"], &[]), Some(1.0));
    let duration = &families["cloudping_http_request_duration_seconds"];
    assert_eq!((&duration["type"], &duration["unit"]), (&json!("histogram"), &json!("seconds")));
    let all = duration["samples"].as_array().unwrap().iter();
    let matrix = all
        .filter(|one| one["name"].as_str().unwrap().ends_with("_count") && one["labels"]["route"] == "/api/v1/matrix");
    assert_eq!(matrix.map(|one| one["value"].as_f64().unwrap()).collect::<Vec<_>>(), [3.0]);
}

#[tokio::test]
async fn statements_tables_and_the_process_are_shown() {
    let world = archived().await;
    world.sql("SELECT count(*) FROM samples").await.ok();
    world.sql(&"x".repeat(20_000)).await.problem(413);
    let mut families = open_metrics(&world, "/metrics").await;
    // A statement leaves its place a moment after its answer has gone out.
    for _ in 0..200 {
        if sample(&families["cloudping_sql_statements_running"], &[]) == Some(0.0) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        families = open_metrics(&world, "/metrics").await;
    }
    assert_eq!(sample(&families["cloudping_sql_statements_running"], &[]), Some(0.0));
    assert_eq!(sample(&families["cloudping_sql_statements_queued"], &[]), Some(0.0));
    assert_eq!(sample(&families["cloudping_sql_statements_refused"], &[("bound", "length")]), Some(1.0));
    assert_eq!(sample(&families["cloudping_archive_version"], &[("table", "samples")]), Some(0.0));
    assert_eq!(sample(&families["cloudping_archive_version"], &[("table", "changes")]), None);
    assert_eq!(sample(&families["cloudping_live_view_age_seconds"], &[]), Some(0.0));
    assert!(sample(&families["process_resident_memory_bytes"], &[]).unwrap() > 1e6);
    assert!(sample(&families["process_open_fds"], &[]).unwrap() >= 3.0);
    assert_eq!(families["process_cpu_seconds"]["type"], "counter");
    assert_eq!(sample(&families["process_start_time_seconds"], &[]), Some(NOW.0 as f64 / 1e6));
}

#[tokio::test]
async fn before_the_first_view_there_are_no_ages() {
    let world = World::new();
    let families = open_metrics(&world, "/metrics").await;
    assert!(!families.contains_key("cloudping_live_view_age_seconds"));
    assert_eq!(sample(&families["cloudping_vantage_points"], &[]), Some(0.0));
    let latency = open_metrics(&world, "/metrics/latency").await;
    assert_eq!(latency["cloudping_rtt_seconds"]["samples"], json!([]));
}

#[tokio::test]
async fn the_live_matrix_is_gauges_by_quantile() {
    let world = World::new();
    world.fill().await;
    let families = open_metrics(&world, "/metrics/latency?quantiles=0.5,0.999").await;
    let rtt = &families["cloudping_rtt_seconds"];
    assert_eq!((&rtt["type"], &rtt["unit"]), (&json!("gauge"), &json!("seconds")));
    let labels = [("source", "us-east-1"), ("target", "eu-west-1"), ("protocol", "tcp"), ("window", "5m")];
    for quantile in ["0.5", "0.999"] {
        let labels: Vec<(&str, &str)> = labels.into_iter().chain([("quantile", quantile)]).collect();
        assert_eq!(sample(rtt, &labels), Some(0.068_41), "{quantile}");
    }
    assert_eq!(rtt["samples"].as_array().unwrap().len(), 4);
    let probes = |result: &'static str| {
        let labels: Vec<(&str, &str)> = labels.into_iter().chain([("result", result)]).collect();
        sample(&families["cloudping_window_probes"], &labels)
    };
    assert_eq!((probes("answered"), probes("lost")), (Some(300.0), Some(1.0)));
    let one = open_metrics(&world, "/metrics/latency?source=eu-west-1&window=1h").await;
    assert_eq!(one["cloudping_rtt_seconds"]["samples"].as_array().unwrap().len(), 3);
    for (query, part) in [
        ("window=2m", "window is \"2m\", expected 5m"),
        ("quantiles=p50", "quantiles is \"p50\", expected at most 10 numbers"),
        ("quantile=0.5", "unknown parameter"),
    ] {
        let detail = world.get(&format!("/metrics/latency?{query}")).await.problem(400);
        assert!(detail.contains(part), "{detail}");
    }
}

#[tokio::test]
async fn probes_are_counters_that_survive_the_ledgers_end() {
    let world = World::new();
    let ledger = |hours: &[(i64, u64, u64)]| {
        let hour = |(hours, received, lost): &(i64, u64, u64)| LedgerHour {
            start: NOON + *hours * HOUR,
            sent: received + lost,
            received: *received,
            lost: *lost,
            ..LedgerHour::default()
        };
        let mut head = head_at(NOW, NOON);
        head.ledger = hours.iter().map(hour).collect();
        head
    };
    world.head("us-east-1", &ledger(&[(-1, 100, 3), (0, 50, 1)])).await;
    world.service.refresh(NOW).await.unwrap();
    world.head("us-east-1", &ledger(&[(0, 60, 2)])).await;
    world.service.refresh(NOW).await.unwrap();
    let families = open_metrics(&world, "/metrics/latency").await;
    let probes = &families["cloudping_probes"];
    assert_eq!(probes["type"], "counter");
    let count = |result: &str| sample(probes, &[("source", "us-east-1"), ("result", result)]);
    assert_eq!((count("answered"), count("lost"), count("not_sent")), (Some(160.0), Some(5.0), Some(0.0)));
}

#[tokio::test]
async fn older_readers_get_the_older_format() {
    let world = World::new();
    world.fill().await;
    world.get("/api/v1/matrix").await.ok();
    for path in ["/metrics", "/metrics/latency"] {
        let answer = world.get(path).await;
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        let families = read("classic", &answer.body);
        let counter = if path == "/metrics" { "cloudping_http_requests" } else { "cloudping_probes" };
        assert_eq!(families[counter]["type"], "counter", "{path}");
        assert!(families.values().all(|family| family["type"] != "unknown"), "{path}: {families:?}");
    }
}
