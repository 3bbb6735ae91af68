//! Answers from the archive: series and the legacy timeframes.

mod common;

use cloudping_schemas::tables;
use common::*;
use serde_json::json;

const SERIES: &str =
    "/api/v1/series?source=us-east-1&target=eu-west-1&start=2026-01-01T12:00:00Z&end=2026-01-01T12:10:00Z";

#[tokio::test]
async fn a_series_of_samples_is_exact() {
    let world = archived().await;
    let series = world.get(&format!("{SERIES}&step=90")).await.ok();
    assert_eq!(series["answered_from"], "archive");
    let points = series["points"].as_array().unwrap();
    assert_eq!(points.len(), 2);
    let expected = json!({"time": "2026-01-01T12:00:00.000Z", "sent": 93, "lost": 2, "count": 90, "low_count": true,
        "min_ms": 10.0, "p10_ms": 10.89, "p25_ms": 12.225, "p50_ms": 14.45, "p75_ms": 16.675, "p90_ms": 18.01, "p99_ms": 18.811,
        "max_ms": 18.9, "mean_ms": 14.45, "stddev_ms": 2.598, "jitter_ms": 4.45, "retransmitted": 1});
    assert_eq!(points[0], expected);
    assert_eq!((&points[1]["time"], &points[1]["count"]), (&json!("2026-01-01T12:01:30.000Z"), &json!(30)));
    let other = world.get(&SERIES.replace("target=eu-west-1", "target=us-east-1")).await.ok();
    assert_eq!(other["points"], json!([]));
}

#[tokio::test]
async fn a_long_series_ends_with_live_minutes() {
    let world = archived().await;
    world.fill().await;
    let path = "/api/v1/series?source=us-east-1&target=eu-west-1&start=2026-01-01T12:00:00Z&step=600";
    let series = world.get(path).await.ok();
    assert_eq!(series["answered_from"], "archive");
    let points = series["points"].as_array().unwrap();
    let counts: Vec<_> =
        points.iter().map(|point| (point["time"].as_str().unwrap(), point["count"].as_u64().unwrap())).collect();
    let expected =
        [("2026-01-01T12:00:00.000Z", 120), ("2026-01-02T12:20:00.000Z", 240), ("2026-01-02T12:30:00.000Z", 60)];
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn legacy_timeframes_merge_the_rollups_digests() {
    let world = World::new();
    // Hours of different sizes: an average of percentiles or of means would differ.
    world.append(tables::ROLLUP_1H, rollup(NOON - 48 * HOUR, "us-east-1", "eu-west-1", &[10_000; 10])).await;
    world.append(tables::ROLLUP_1H, rollup(NOON - 47 * HOUR, "us-east-1", "eu-west-1", &[20_000; 90])).await;
    world.append(tables::ROLLUP_1H, rollup(NOON - 20 * 24 * HOUR, "us-east-1", "eu-west-1", &[90_000; 300])).await;
    world.append(tables::ROLLUP_1H, rollup(NOON - 47 * HOUR, "us-east-1", "sa-east-1", &[5_000; 3])).await;
    let data = async |query: &str| world.get(&format!("/latencies?{query}")).await.ok()["data"].clone();
    assert_eq!(data("timeframe=1W&percentile=latency&to=eu-west-1").await, json!({"us-east-1": {"eu-west-1": 19.0}}));
    assert_eq!(data("timeframe=1W").await, json!({"us-east-1": {"eu-west-1": 20.0, "sa-east-1": 5.0}}));
    assert_eq!(data("timeframe=1M&to=eu-west-1").await, json!({"us-east-1": {"eu-west-1": 90.0}}));
    assert_eq!(data("timeframe=1Y&from=eu-west-1").await, json!({}));
    assert_eq!(data("timeframe=1D").await, json!({}));
}
