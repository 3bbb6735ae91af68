//! Route changes, the levels between them, and the audits.

use std::net::IpAddr;
use std::sync::Arc;

use crate::common::*;
use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use axum::body::Body;
use axum::http::Request;
use cloudping_digest::{Counts, SeriesSummary};
use cloudping_model::{Addresses, Family, Pane, Protocol, RouteChange};
use cloudping_ports::Key;
use cloudping_schemas::stored::{AuditItem, AuditQuantile, Regime, RegimesItem, keys};
use cloudping_schemas::tables;
use serde_json::{Value, json};

#[tokio::test]
async fn changes_are_told_newest_first() {
    let world = World::new();
    world.fill().await;
    for (minutes, source, target) in
        [(-50, "us-east-1", "eu-west-1"), (-10, "eu-west-1", "us-east-1"), (-20, "us-east-1", "ap-south-1")]
    {
        world.change(&change_at(NOON + minutes * MINUTE, source, target)).await;
    }
    world.change(&change_at(NOON - 8 * DAY, "us-east-1", "eu-west-1")).await;
    let mut tls = change_at(NOON - 5 * MINUTE, "us-east-1", "eu-west-1");
    tls.protocol = Protocol::TlsHandshake;
    world.change(&tls).await;
    let minutes = async |query: &str| {
        let answer = world.get(&format!("/api/v1/changes?{query}")).await.ok();
        let minutes = answer["changes"].as_array().unwrap().iter().map(|change| change["minute"].clone());
        minutes.map(|minute| minute.as_str().unwrap()[8..16].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(minutes("").await, ["02T11:55", "02T11:50", "02T11:40", "02T11:10"]);
    assert_eq!(minutes("limit=1").await, ["02T11:55"]);
    assert_eq!(minutes("source=us-east-1&protocol=tcp").await, ["02T11:40", "02T11:10"]);
    assert_eq!(minutes("target=us-east-1").await, ["02T11:50"]);
    assert_eq!(minutes("start=2026-01-02T11:40:00Z&end=2026-01-02T11:50:00Z").await, ["02T11:40"]);
    assert_eq!(minutes("start=2025-12-01T00:00:00Z&end=2026-01-01T00:00:00Z").await, ["25T12:00"]);

    let answer = world.get("/api/v1/changes?target=ap-south-1").await.ok();
    let ended = json!({"since": "2026-01-01T12:00:00.000Z", "until": "2026-01-02T11:40:00.000Z", "count": 86_400,
        "p10_ms": 67.0, "p50_ms": 68.0, "p90_ms": 69.0, "p99_ms": 75.25});
    let expected = json!({"source": "us-east-1", "target": "ap-south-1", "protocol": "tcp", "family": 4,
        "minute": "2026-01-02T11:40:00.000Z", "found_at": "2026-01-02T11:45:00.000Z", "before_ms": 68.0, "after_ms": 80.5,
        "delta_ms": 12.5, "score": 2.5, "ended": ended});
    assert_eq!(answer, json!({"simulated": true, "changes": [expected]}));
    for (query, detail) in [
        ("limit=0", "limit is \"0\", expected 1 to 1000"),
        ("end=2025-01-01T00:00:00Z&start=2026-01-01T00:00:00Z", "start is 2026-01-01T00:00:00.000Z, expected a time"),
        ("from=a", "unknown parameter \"from\""),
    ] {
        let problem = world.get(&format!("/api/v1/changes?{query}")).await.problem(400);
        assert!(problem.starts_with(detail), "{problem}");
    }
}

#[tokio::test]
async fn a_feed_reader_gets_them_as_atom() {
    let world = World::new();
    world.fill().await;
    let empty = world.get("/api/v1/changes?format=atom").await;
    assert_eq!((empty.status.as_u16(), empty.header("content-type")), (200, "application/atom+xml"));
    assert!(!empty.body.contains("<entry>"), "{}", empty.body);
    world.change(&moved(change_at(NOON - 20 * MINUTE, "us-east-1", "ap-south-1"))).await;
    world.change(&change_at(NOON - 10 * MINUTE, "us-east-1", "eu-west-1")).await;
    let read = async |path: &str| feed_rs::parser::parse(world.get(path).await.body.as_bytes()).unwrap();
    let feed = read("/api/v1/changes?format=atom&target=ap-south-1").await;
    assert_eq!((feed.id.len(), feed.authors[0].name.as_deref()), ("urn:uuid:".len() + 36, Some("cloudping")));
    assert_eq!(feed.updated.unwrap().to_rfc3339(), "2026-01-02T11:45:00+00:00");
    let [entry] = &feed.entries[..] else { panic!("{feed:?}") };
    assert_eq!(entry.title.as_ref().unwrap().content, "us-east-1 to ap-south-1: +12.5 ms");
    assert_eq!(entry.links[0].href, "/pair/us%2Deast%2D1/ap%2Dsouth%2D1");
    let summary = &entry.summary.as_ref().unwrap().content;
    assert!(summary.contains("from 68.0 ms to 80.5 ms at 2026-01-02T11:40:00.000Z"), "{summary}");
    assert!(summary.ends_with("changed with it, from 192.0.2.1 to 2001:db8::1."), "{summary}");
    // A reader that has seen it does not see it again.
    let all = read("/api/v1/changes?format=atom").await;
    assert_eq!((all.entries.len(), &all.entries[1].id), (2, &entry.id));
    assert_ne!(all.entries[0].id, entry.id);
    let accepting = Request::get("/api/v1/changes").header("accept", "application/atom+xml").body(Body::empty());
    assert_eq!(world.ask(accepting.unwrap()).await.header("content-type"), "application/atom+xml");
    let problem = world.get("/api/v1/changes?format=rss").await.problem(400);
    assert!(problem.ends_with("one of json, csv, ndjson, arrow, parquet, atom"), "{problem}");
}

/// The change, with another address since.
fn moved(change: RouteChange) -> RouteChange {
    let [before, after] = ["192.0.2.1", "2001:db8::1"].map(|address| address.parse().unwrap());
    RouteChange { addresses: Some(Addresses { before, after }), ..change }
}

/// Changes of a table that an older release made, which lacks the addresses.
#[tokio::test]
async fn a_table_without_addresses_is_read() {
    let world = World::new();
    world.fill().await;
    let rows = archived(&[moved(change_at(NOON - 20 * DAY, "us-east-1", "eu-west-1"))]);
    let older: Vec<usize> = (0..rows.num_columns() - tables::ADDRESSES.len()).collect();
    world.append(tables::CHANGES, rows.project(&older).unwrap()).await;
    let answer = world.get("/api/v1/changes?start=2025-12-01T00:00:00Z&end=2026-01-01T00:00:00Z").await.ok();
    let [change] = &answer["changes"].as_array().unwrap()[..] else { panic!("{answer}") };
    assert_eq!((&change["after_ms"], change.get("after_address")), (&json!(80.5), None));
}

/// Rows of the archive's table.
fn archived(changes: &[RouteChange]) -> RecordBatch {
    let schema = tables::changes();
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        let times = |get: fn(&RouteChange) -> i64| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from_iter_values(changes.iter().map(get)).with_timezone("UTC"))
        };
        let text = |get: fn(&RouteChange) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(changes.iter().map(get)))
        };
        let percentile = |at: usize| -> ArrayRef {
            Arc::new(
                changes.iter().map(|change| change.ended.percentiles_us.map(|all| all[at])).collect::<Float64Array>(),
            )
        };
        let address = |side: fn(Addresses) -> IpAddr| -> ArrayRef {
            let addresses = changes.iter().map(|change| change.addresses.map(|both| side(both).to_string()));
            Arc::new(StringArray::from_iter(addresses))
        };
        match field.name().as_str() {
            // 2025-12-01.
            "month" => Arc::new(Date32Array::from(vec![20_454 - 31; changes.len()])),
            "minute" => times(|change| change.minute.0),
            "found_at" => times(|change| change.found_at.0),
            "ended_since" => times(|change| change.ended.since.0),
            "source" => text(|change| change.vantage.as_str()),
            "target" => text(|change| change.target.as_str()),
            "protocol" => text(|change| change.protocol.name()),
            "family" => Arc::new(Int32Array::from(vec![4; changes.len()])),
            "before_us" => Arc::new(Int32Array::from(vec![68_000; changes.len()])),
            "after_us" => Arc::new(Int32Array::from(vec![80_500; changes.len()])),
            "score" => Arc::new(Float64Array::from(vec![2.5; changes.len()])),
            "ended_count" => Arc::new(Int64Array::from(vec![86_400; changes.len()])),
            "ended_p10_us" => percentile(0),
            "ended_p50_us" => percentile(1),
            "ended_p90_us" => percentile(2),
            "ended_p99_us" => percentile(3),
            "before_address" => address(|both| both.before),
            _ => address(|both| both.after),
        }
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

#[tokio::test]
async fn changes_of_all_history_are_the_live_stores_and_the_archives() {
    let world = World::new();
    world.fill().await;
    let [old, both] = [20, 8].map(|days| moved(change_at(NOON - days * DAY, "us-east-1", "eu-west-1")));
    world.change(&both).await;
    let mut silent = change_at(NOON - 9 * DAY, "eu-west-1", "us-east-1");
    silent.ended.percentiles_us = None;
    world.append(tables::CHANGES, archived(&[both.clone(), old, silent])).await;
    let path = |query: &str| format!("/api/v1/changes?start=2025-12-01T00:00:00Z&end=2026-01-01T00:00:00Z{query}");
    let minutes = async |query: &str| {
        let answer = world.get(&path(query)).await.ok();
        let minutes = answer["changes"].as_array().unwrap().iter().map(|change| change["minute"].clone());
        minutes.map(|minute| minute.as_str().unwrap()[5..10].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(minutes("").await, ["12-25", "12-24", "12-13"]);
    assert_eq!(minutes("&limit=2").await, ["12-25", "12-24"]);
    assert_eq!(minutes("&target=eu-west-1").await, ["12-25", "12-13"]);
    assert_eq!(minutes("&protocol=tls").await, [""; 0]);
    let changes = world.get(&path("")).await.ok();
    let (live, archived) = (&changes["changes"][0], &changes["changes"][2]);
    for field in ["before_ms", "after_ms", "delta_ms", "score", "family", "protocol", "source", "after_address"] {
        assert_eq!(live[field], archived[field], "{field}");
    }
    assert_eq!(archived["before_address"], "192.0.2.1");
    assert!(changes["changes"][1].get("before_address").is_none());
    assert_eq!(live["ended"]["p99_ms"], archived["ended"]["p99_ms"]);
    assert_eq!(changes["changes"][1]["ended"]["p50_ms"], Value::Null);
    let csv = world.get(&path("&format=csv")).await;
    let mut lines = csv.body.lines();
    assert_eq!(
        lines.next().unwrap(),
        "source,target,protocol,family,minute,found_at,before_ms,after_ms,delta_ms,score,ended_since,ended_count,\
         ended_p10_ms,ended_p50_ms,ended_p90_ms,ended_p99_ms,before_address,after_address"
    );
    assert!(lines.next().unwrap().starts_with("us-east-1,eu-west-1,tcp,4,2025-12-25T12:00:00.000Z,"), "{}", csv.body);
    let regimes = world.get("/api/v1/regimes?source=us-east-1&target=eu-west-1&format=csv").await;
    assert_eq!(regimes.body.lines().next(), Some("since,until,count,p10_ms,p50_ms,p90_ms,p99_ms"));
    assert_eq!(regimes.body.lines().count(), 2);
}

#[tokio::test]
async fn regimes_are_the_levels_that_ended_and_the_current_one() {
    let world = World::new();
    let since = NOON - 20 * MINUTE;
    // Minutes of the level: some are folded, and stand in the item; one is before it.
    for at in [-30, -25, -10, 0, 10] {
        let pane = pane_of(NOON + at * MINUTE, "eu-west-1", Family::V4, &[80_000 + at.unsigned_abs() as u32; 10], 0);
        world.pane("local", Pane::Minute, &pane).await;
    }
    world.change(&change_at(NOON - 2 * DAY, "local", "us-east-1")).await;
    world.change(&change_at(since, "local", "eu-west-1")).await;
    let regimes = async |folded_until, folded: &[u32]| {
        let summary = SeriesSummary::from_sorted(folded, Counts { last_at_us: Some(since.0), ..Counts::default() });
        let item = RegimesItem { regimes: vec![Regime { series: 0, since, summary }] };
        world.put(Key::new(keys::REGIMES, "local"), item.encode()).await;
        world.head("local", &head_at(NOW, folded_until)).await;
        world.service.refresh(NOW).await.unwrap();
        world.get("/api/v1/regimes?source=local&target=eu-west-1").await.ok()
    };
    let answer = regimes(NOON, &[90_000; 5]).await;
    let levels = answer["regimes"].as_array().unwrap();
    assert_eq!((levels.len(), &answer["protocol"], &answer["simulated"]), (2, &json!("tcp"), &json!(true)));
    assert_eq!((&levels[0]["count"], &levels[0]["until"]), (&json!(86_400), &json!("2026-01-02T11:40:00.000Z")));
    let current = (&levels[1]["since"], &levels[1]["until"], &levels[1]["count"], &levels[1]["p50_ms"]);
    assert_eq!(current, (&json!("2026-01-02T11:40:00.000Z"), &Value::Null, &json!(25), &json!(80.01)));
    // Nothing of it is folded yet: minutes before the level are not of it.
    let answer = regimes(NOON - HOUR, &[]).await;
    assert_eq!(answer["regimes"][1]["count"], 30);

    assert_eq!(world.get("/api/v1/regimes?source=us-east-1&target=eu-west-1").await.ok()["regimes"], json!([]));
    world.get("/api/v1/regimes?source=moon&target=eu-west-1").await.problem(404);
    world.get("/api/v1/regimes?source=local").await.problem(400);
}

#[tokio::test]
async fn audits_are_told_newest_first_and_the_worst_figures_by_health() {
    let world = World::new();
    world.fill().await;
    assert_eq!(world.get("/api/v1/audit").await.ok(), json!({"simulated": true, "audits": []}));
    assert!(world.get("/healthz").await.ok().get("audit").is_none());
    let quantile = |q: f64, rank: f64| AuditQuantile {
        q,
        rank_error_max: rank,
        rank_error_mean: rank / 2.0,
        error_us_max: 12.5,
        error_us_mean: 0.123_4,
    };
    for hours_ago in [1, 3] {
        let hour = NOON - hours_ago * HOUR;
        let quantiles = vec![quantile(0.5, 0.000_8), quantile(0.999, 0.000_1)];
        let (at, mismatches) = (hour + 80 * MINUTE, u64::from(hours_ago == 1));
        let audit = AuditItem { hour, at, series: 64, samples: 230_400, mismatches, quantiles };
        world.put(Key::new(keys::AUDITS, keys::pane_start(hour)), audit.encode()).await;
    }
    let audits = world.get("/api/v1/audit").await.ok();
    assert_eq!(audits["audits"].as_array().unwrap().len(), 2);
    let newest = json!({"hour": "2026-01-02T11:00:00.000Z", "at": "2026-01-02T12:20:00.000Z", "series": 64,
    "samples": 230_400, "mismatches": 1, "percentiles": [
        {"percentile": "p50", "rank_error_max": 0.000_8, "rank_error_mean": 0.000_4, "error_ms_max": 0.012_5, "error_ms_mean": 0.000_123},
        {"percentile": "p99.9", "rank_error_max": 0.000_1, "rank_error_mean": 0.000_05, "error_ms_max": 0.012_5, "error_ms_mean": 0.000_123},
    ]});
    assert_eq!(audits["audits"][0], newest);
    let health = world.get("/healthz").await.ok();
    let worst = json!({"hour": "2026-01-02T11:00:00.000Z", "mismatches": 1, "rank_error_max": 0.000_8, "error_ms_max": 0.012_5});
    assert_eq!((&health["status"], &health["audit"]), (&json!("ok"), &worst));
}
