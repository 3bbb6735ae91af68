//! Answers from the archive: series and the legacy timeframes.

use crate::common::*;
use cloudping_schemas::tables;
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
        "max_ms": 18.9, "mean_ms": 14.45, "stddev_ms": 2.598, "jitter_ms": 4.45, "retransmitted": 1, "family": 4});
    let mut first = points[0].clone();
    let percentiles = first.as_object_mut().unwrap().remove("percentiles").unwrap();
    assert_eq!(first, expected);
    assert_eq!(percentiles[2], json!({"percentile": "p50", "rtt_ms": 14.45, "low_count": false, "rank_error": 0.0}));
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

#[tokio::test]
async fn a_long_series_comes_from_the_rollups() {
    let world = archived().await;
    let day = NOW.floor(24 * HOUR) - 3 * 24 * HOUR;
    for (hour, rtts_us) in [(1, [10_000; 10].as_slice()), (2, &[20_000, 40_000])] {
        world.append(tables::ROLLUP_1H, rollup(day + hour * HOUR, "us-east-1", "eu-west-1", rtts_us)).await;
    }
    world.append(tables::ROLLUP_1D, rollup_day(day, "us-east-1", "eu-west-1", &[10_000, 20_000, 30_000])).await;
    // So far the rollups have come: up to the newest row, whoever's it is.
    world.append(tables::ROLLUP_1H, rollup(day + 4 * HOUR, "us-east-1", "sa-east-1", &[1_000])).await;
    world.append(tables::ROLLUP_1D, rollup_day(day + 24 * HOUR, "us-east-1", "sa-east-1", &[1_000])).await;
    let points = async |query: &str| {
        let path = format!("/api/v1/series?source=us-east-1&target=eu-west-1&{query}");
        world.get(&path).await.ok()["points"].clone()
    };
    let hours = points("start=2025-12-29T00:00:00Z&end=2026-01-02T00:00:00Z&step=3600").await;
    let found = |at: usize, field: &str| hours[at][field].clone();
    assert_eq!((found(0, "time"), found(0, "count")), (json!("2025-12-30T01:00:00.000Z"), json!(10)));
    assert_eq!((found(1, "p50_ms"), found(1, "p90_ms"), found(1, "mean_ms")), (json!(30.0), json!(38.0), json!(30.0)));
    // The archive's samples of 12:00 are newer than the last rollup.
    assert_eq!((found(2, "time"), found(2, "count")), (json!("2026-01-01T12:00:00.000Z"), json!(120)));
    assert_eq!(hours.as_array().unwrap().len(), 3);
    let days = points("start=2025-12-29T00:00:00Z&end=2026-01-02T00:00:00Z&step=86400").await;
    assert_eq!((&days[0]["time"], &days[0]["p50_ms"]), (&json!("2025-12-30T00:00:00.000Z"), &json!(20.0)));
    assert_eq!((&days[1]["time"], &days[1]["count"]), (&json!("2026-01-01T00:00:00.000Z"), &json!(120)));
    // Several hours: the merged digests.
    let merged = points("start=2025-12-20T00:00:00Z&end=2026-01-01T00:00:00Z&step=14400").await;
    assert_eq!(
        (&merged[0]["count"], &merged[0]["p50_ms"], &merged[0]["max_ms"]),
        (&json!(12), &json!(10.0), &json!(40.0))
    );
    // The samples, of which there are none.
    assert_eq!(points("start=2025-12-29T00:00:00Z&end=2026-01-01T00:00:00Z&step=14400&exact=true").await, json!([]));
}

#[tokio::test]
async fn the_newest_row_of_a_rollup_may_be_partial() {
    let world = archived().await;
    let noon = NOON - 24 * HOUR;
    for (hour, rtts_us) in [(-1, [7_000; 3]), (0, [8_000; 3])] {
        world.append(tables::ROLLUP_1H, rollup(noon + hour * HOUR, "us-east-1", "eu-west-1", &rtts_us)).await;
    }
    let path = "/api/v1/series?source=us-east-1&target=eu-west-1&start=2026-01-01T11:00:00Z&end=2026-01-01T13:00:00Z&step=3600";
    let counts = async || {
        let points = world.get(path).await.ok()["points"].clone();
        points.as_array().unwrap().iter().map(|point| point["count"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(counts().await, [3, 120], "the hour of the newest row is read from the samples");
    world.append(tables::ROLLUP_1H, rollup(noon + HOUR, "us-east-1", "eu-west-1", &[9_000; 3])).await;
    assert_eq!(counts().await, [3, 3], "it is whole once there is a later one");
}

#[tokio::test]
async fn an_hour_of_two_origins_has_percentiles() {
    for (simulated, count, p50_ms) in [(false, 1, 10.0), (true, 3, 20.0)] {
        let world = World::with(now, |settings| settings.simulated = simulated);
        let hour = NOON - 48 * HOUR;
        let of = |rtts_us: &[u32]| rollup(hour, "us-east-1", "eu-west-1", rtts_us);
        world.append(tables::ROLLUP_1H, of(&[10_000])).await;
        world.append(tables::ROLLUP_1H, of_origin(&of(&[20_000, 30_000]), "simulated")).await;
        world.append(tables::ROLLUP_1H, rollup(hour + HOUR, "us-east-1", "sa-east-1", &[1_000])).await;
        let path = "/api/v1/series?source=us-east-1&target=eu-west-1&start=2025-12-31T12:00:00Z&end=2025-12-31T13:00:00Z&step=3600";
        let point = world.get(path).await.ok()["points"][0].clone();
        assert_eq!((&point["count"], &point["p50_ms"]), (&json!(count), &json!(p50_ms)), "simulated: {simulated}");
    }
}

#[tokio::test]
async fn what_was_imported_is_no_part_of_a_series() {
    let world = archived().await;
    let start = NOW.floor(HOUR) - 24 * HOUR;
    world.append(tables::SAMPLES, imported(&samples(&[answered(start, 900_000)]))).await;
    let series = world.get(&format!("{SERIES}&step=90")).await.ok();
    assert_eq!((&series["points"][0]["count"], &series["points"][0]["max_ms"]), (&json!(90), &json!(18.9)));
    world.append(tables::ROLLUP_1H, imported(&rollup(NOON - 48 * HOUR, "us-east-1", "eu-west-1", &[10_000; 10]))).await;
    assert_eq!(world.get("/latencies?timeframe=1W").await.ok()["data"], json!({}));
    let origins = world.sql("select count(*) from samples where origin = 'csv'").await.ok();
    assert_eq!(origins["rows"], json!([[1]]), "SQL sees every row");
}
