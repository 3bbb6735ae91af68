//! Live answers: windows, loss, counts, families, ageing, the ledger, health.

use crate::common::*;
use cloudping_model::{Family, Pane, Protocol, UtcMicros};
use cloudping_ports::Key;
use cloudping_schemas::stored::{DeadLetter, EpochRounds, LedgerHour, SeriesKey, keys};
use serde_json::{Value, json};

#[tokio::test]
async fn an_empty_store_gives_an_empty_matrix() {
    let world = World::new();
    world.service.refresh(NOW).await.unwrap();
    let matrix = world.get("/api/v1/matrix").await.ok();
    let expected = json!({"window": "5m", "percentile": "p50", "protocol": "tcp", "unit": "ms", "as_of": null, "simulated": true, "sources": [], "targets": [], "cells": []});
    assert_eq!(matrix, expected);
}

#[tokio::test]
async fn a_matrix_counts_loss_apart_and_prefers_ipv4() {
    let world = World::new();
    world.fill().await;
    let matrix = world.get("/api/v1/matrix?percentile=p50&window=5m").await.ok();
    assert_eq!(matrix["as_of"], "2026-01-02T12:30:19.000Z");
    assert_eq!(matrix["sources"], json!(["eu-west-1", "us-east-1"]));
    assert_eq!(matrix["targets"], json!(["eu-west-1", "us-east-1"]));
    let cells = matrix["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2);
    let lossy = json!({"source": "us-east-1", "target": "eu-west-1", "rtt_ms": 68.41, "count": 300, "sent": 301, "lost": 1,
        "loss": 1.0 / 301.0, "stddev_ms": 0.0, "jitter_ms": 0.0, "retransmitted": 0, "low_count": false, "last": "2026-01-02T12:30:59.000Z"});
    assert_eq!(cells[1], lossy);
    assert_eq!(cells[0]["lost"], 0);

    let tail = world.get("/api/v1/matrix?percentile=p99.9&source=us-east-1").await.ok();
    assert_eq!((&tail["percentile"], tail["cells"].as_array().unwrap().len()), (&json!("p99.9"), 1));
    assert_eq!(tail["cells"][0]["low_count"], true);
    let nothing = world.get("/api/v1/matrix?source=us-east-1&target=nowhere").await.ok();
    assert_eq!(nothing["cells"], json!([]));
}

#[tokio::test]
async fn a_pair_that_only_loses_has_no_latency() {
    let world = World::new();
    let start = NOW.floor(MINUTE);
    world.pane("local", Pane::Minute, &pane_of(start, "eu-west-1", Family::V6, &[], 7)).await;
    world.head("local", &head_at(NOW, start)).await;
    world.service.refresh(NOW).await.unwrap();
    let cell = &world.get("/api/v1/matrix?percentile=mean").await.ok()["cells"][0];
    assert_eq!((&cell["rtt_ms"], &cell["loss"], &cell["sent"]), (&Value::Null, &json!(1.0), &json!(7)));
    assert_eq!(cell["low_count"], true);
}

#[tokio::test]
async fn protocols_are_never_mixed() {
    let world = World::new();
    let start = NOW.floor(MINUTE);
    let mut pane = pane_of(start, "eu-west-1", Family::V4, &[10_000; 3], 0);
    let tls = pane_of(start, "eu-west-1", Family::V4, &[30_000; 5], 1).series;
    pane.series.extend(tls.into_iter().map(|(key, summary)| {
        let protocol = Protocol::TlsHandshake;
        (SeriesKey { protocol, ..key }, summary)
    }));
    world.pane("local", Pane::Minute, &pane).await;
    world.head("local", &head_at(NOW, start)).await;
    world.service.refresh(NOW).await.unwrap();
    for (query, name, rtt_ms, count) in [("", "tcp", 10.0, 3), ("protocol=tls", "tls", 30.0, 5)] {
        let matrix = world.get(&format!("/api/v1/matrix?{query}")).await.ok();
        let cells = matrix["cells"].as_array().unwrap();
        assert_eq!((cells.len(), &matrix["protocol"]), (1, &json!(name)));
        assert_eq!((&cells[0]["rtt_ms"], &cells[0]["count"]), (&json!(rtt_ms), &json!(count)));
        let series = world.get(&format!("/api/v1/series?source=local&target=eu-west-1&{query}")).await.ok();
        assert_eq!((&series["protocol"], &series["points"][0]["count"]), (&json!(name), &json!(count)));
    }
    assert_eq!(world.get("/api/v1/matrix?protocol=icmp").await.ok()["cells"], json!([]));
    assert_eq!(world.get("/latencies").await.ok()["data"]["local"]["eu-west-1"], json!(10.0));
}

#[tokio::test]
async fn a_matrix_as_csv() {
    let world = World::new();
    world.fill().await;
    let answer = world.get("/api/v1/matrix?format=csv&source=eu-west-1").await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let expected = "source,target,rtt_ms,count,sent,lost,retransmitted,loss,stddev_ms,jitter_ms,low_count,last\n\
        eu-west-1,us-east-1,68.41,300,300,0,0,0.0,0.0,0.0,false,2026-01-02T12:30:59.000Z\n";
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn a_matrix_in_every_form_has_the_same_rows() {
    let world = World::new();
    world.fill().await;
    let path = "/api/v1/matrix?source=eu-west-1&format=";
    let lines = world.get(&format!("{path}ndjson")).await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let row: serde_json::Value = serde_json::from_str(lines.body.trim_end()).unwrap();
    assert_eq!((&row["source"], &row["rtt_ms"], &row["count"]), (&"eu-west-1".into(), &68.41.into(), &300.into()));
    let stream = world.get(&format!("{path}arrow")).await.bytes;
    let batches = arrow::ipc::reader::StreamReader::try_new(&stream[..], None).unwrap();
    let arrow: Vec<_> = batches.map(Result::unwrap).collect();
    let parquet = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(
        world.get(&format!("{path}parquet")).await.bytes,
        10,
    );
    let parquet: Vec<_> = parquet.unwrap().map(Result::unwrap).collect();
    assert_eq!((arrow.len(), arrow[0].num_rows()), (1, 1));
    assert_eq!(arrow, parquet);
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let world = World::new();
    for (query, detail) in [
        (
            "percentile=p101",
            "percentile is \"p101\", expected p0 to p100 (such as p50 or p99.9), mean, min, max or jitter",
        ),
        ("window=2h", "window is \"2h\", expected 5m, 1h, 1d, 7d, 30d or 365d"),
        (
            "from=a",
            "unknown parameter \"from\", expected percentile, window, protocol, source, target, start, end, exact, format",
        ),
        ("window=5m&window=1h", "window is given twice, expected once"),
        ("protocol=ping", "protocol is \"ping\", expected tcp, tls, https, icmp or udp"),
        ("format=xml", "format is \"xml\", expected one of json, csv, ndjson, arrow, parquet"),
    ] {
        assert_eq!(world.get(&format!("/api/v1/matrix?{query}")).await.problem(400), detail);
    }
    world.get("/api/v1/stream?window=x").await.problem(400);
}

#[tokio::test]
async fn windows_age_out_when_probing_stops() {
    let world = World::new();
    world.fill().await;
    let count = async |at: UtcMicros, window: &str| {
        world.service.refresh(at).await.unwrap();
        let matrix = world.get(&format!("/api/v1/matrix?window={window}&source=us-east-1")).await.ok();
        matrix["cells"].as_array().unwrap().first().map(|cell| cell["count"].clone())
    };
    assert_eq!(count(NOW + 2 * MINUTE, "5m").await, Some(json!(180)));
    assert_eq!(count(NOW + 5 * MINUTE, "5m").await, None);
    assert_eq!(count(NOW + 5 * MINUTE, "1h").await, Some(json!(300)));
    assert_eq!(count(NOW + 58 * MINUTE, "1h").await, Some(json!(120)));
    assert_eq!(count(NOW + 60 * MINUTE, "1h").await, None);
    assert_eq!(count(NOW + 23 * HOUR, "1d").await, Some(json!(300)));
    assert_eq!(count(NOW + 24 * HOUR, "1d").await, None);
    for (window, days) in [("7d", 7), ("30d", 30), ("365d", 365)] {
        assert_eq!(count(NOW + (days - 1) * DAY, window).await, Some(json!(300)), "{window}");
        assert_eq!(count(NOW + days * DAY, window).await, None, "{window}");
    }
}

#[tokio::test]
async fn windows_age_out_although_nobody_refreshes() {
    let world = World::with(|| NOW + 5 * MINUTE, |_| {});
    world.fill().await;
    assert_eq!(world.get("/api/v1/matrix").await.ok()["cells"], json!([]));
    assert_eq!(world.get("/api/v1/matrix?window=1h&source=us-east-1").await.ok()["cells"][0]["count"], 300);
}

#[tokio::test]
async fn a_series_of_live_minutes() {
    let world = World::new();
    world.fill().await;
    let path = "/api/v1/series?source=us-east-1&target=eu-west-1&start=2026-01-02T12:25:30Z&step=120";
    let series = world.get(path).await.ok();
    assert_eq!((&series["answered_from"], &series["step_seconds"]), (&json!("live"), &json!(120)));
    assert_eq!(
        (&series["start"], &series["end"]),
        (&json!("2026-01-02T12:24:00.000Z"), &json!("2026-01-02T12:32:00.000Z"))
    );
    let points = series["points"].as_array().unwrap();
    let counts: Vec<_> =
        points.iter().map(|point| (point["time"].as_str().unwrap(), point["count"].as_u64().unwrap())).collect();
    let expected =
        [("2026-01-02T12:26:00.000Z", 120), ("2026-01-02T12:28:00.000Z", 120), ("2026-01-02T12:30:00.000Z", 60)];
    assert_eq!(counts, expected);
    assert_eq!((&points[2]["sent"], &points[2]["lost"], &points[2]["p99_ms"]), (&json!(61), &json!(1), &json!(68.41)));
    assert_eq!(points[2]["low_count"], true);
}

#[tokio::test]
async fn an_unknown_end_of_a_series_is_404() {
    let world = World::new();
    world.fill().await;
    let detail = world.get("/api/v1/series?source=moon&target=eu-west-1").await.problem(404);
    assert_eq!(detail, "there is no source \"moon\": /api/v1/regions lists them");
    let detail = world.get("/api/v1/series?source=local&target=moon").await.problem(404);
    assert_eq!(detail, "there is no target \"moon\": /api/v1/regions lists them");
    assert_eq!(
        world.get("/api/v1/series?target=eu-west-1").await.problem(400),
        "source is missing, expected a vantage point's id"
    );
    assert_eq!(world.get("/api/v1/series?source=local&target=eu-west-1").await.ok()["points"], json!([]));
}

#[tokio::test]
async fn regions_say_who_measures() {
    let world = World::new();
    world.fill().await;
    let regions = world.get("/api/v1/regions").await.ok();
    assert_eq!(regions["simulated"], true);
    let listed = regions["regions"].as_array().unwrap();
    assert_eq!(listed.len(), 39);
    let fields =
        ["id", "provider", "partition", "name", "city", "country", "continent", "latitude", "longitude", "vantage"];
    assert!(fields.iter().all(|field| !listed[0][field].is_null()));
    let ids: Vec<_> =
        regions["vantages"].as_array().unwrap().iter().map(|vantage| vantage["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["eu-west-1", "local", "us-east-1"]);
    assert_eq!(regions["vantages"][1]["region"], Value::Null);
}

#[tokio::test]
async fn coverage_is_the_ledger_and_the_dead_letters() {
    let world = World::new();
    let mut head = head_at(NOW, NOON);
    head.ledger.push(LedgerHour { start: NOON - HOUR, ..LedgerHour::default() });
    head.ledger.push(LedgerHour {
        start: NOON,
        rounds: 9,
        sent: 26,
        received: 21,
        lost: 4,
        not_sent: 1,
        duplicates: 3,
        late: 2,
        dropped: 5,
        gaps: [0, 1, 0, 2],
        numbers: vec![EpochRounds { epoch: 7, first: 0, last: 9 }],
        unnumbered: 2,
        uncounted: 6,
    });
    world.head("local", &head).await;
    let letter = DeadLetter { shard: "shard-0".into(), sequence: "7".into(), reason: "no event".into(), data: vec![1] };
    world.put(Key::new(keys::DEAD_LETTERS, keys::dead_letter("shard-0", "7")), letter.encode()).await;
    world.service.refresh(NOW).await.unwrap();
    let coverage = world.get("/api/v1/coverage").await.ok();
    assert_eq!((&coverage["simulated"], &coverage["dead_letters"]), (&json!(true), &json!(1)));
    let (empty, hour) = (&coverage["hours"][0], &coverage["hours"][1]);
    assert_eq!((&empty["due"], &empty["completeness"]), (&json!(0), &Value::Null));
    // One number did not come, and two rounds never got one: three rounds of 27 probes in nine are nine.
    let expected = json!({"source": "local", "hour": "2026-01-02T12:00:00.000Z", "rounds": 9, "sent": 26, "received": 21,
        "lost": 4, "not_sent": 1, "duplicates": 3, "late": 2, "due": 36, "counted": 20, "completeness": 20.0 / 36.0 * 100.0,
        "missing_rounds": 3, "dropped_rounds": 5, "gaps": {"suspended": 1, "spool_full": 2}});
    assert_eq!(hour, &expected);
}

#[tokio::test]
async fn health_starts_becomes_ok_and_degrades() {
    let world = World::new();
    let starting = world.get("/healthz").await.ok();
    assert_eq!((&starting["status"], &starting["latest"]), (&json!("starting"), &Value::Null));
    world.fill().await;
    let ok = world.get("/healthz").await.ok();
    assert_eq!((&ok["status"], &ok["reasons"], &ok["simulated"]), (&json!("ok"), &json!([]), &json!(true)));

    let silent = World::with(|| NOW + MINUTE, |_| {});
    silent.fill().await;
    silent.service.refresh(NOW + MINUTE).await.unwrap();
    let degraded = silent.get("/healthz").await;
    assert_eq!((degraded.status.as_u16(), &degraded.json()["status"]), (503, &json!("degraded")));
    assert_eq!(degraded.json()["reasons"], json!(["the newest round started 61 s ago"]));
}

#[tokio::test]
async fn a_vantage_point_that_can_send_nothing_is_named() {
    let world = World::new();
    let mut head = head_at(NOW, NOON);
    head.ledger.push(LedgerHour { start: NOON, rounds: 6, not_sent: 234, ..LedgerHour::default() });
    world.head("local", &head).await;
    world.service.refresh(NOW).await.unwrap();
    let health = world.get("/healthz").await;
    assert_eq!(health.status.as_u16(), 503);
    let reason =
        "local could send none of its 234 probes of this hour: check its name resolution (DNS) and its network";
    assert_eq!(health.json()["reasons"], json!([reason]));
}
