//! Ranges of the past: rollups within, samples at the edges, and how far off the answers may be.

use crate::common::*;
use cloudping_model::{Family, Pane, UtcMicros};
use cloudping_schemas::tables;
use serde_json::{Value, json};

/// 2025-12-28T00:00:00Z.
const START: UtcMicros = UtcMicros(NOON.0 - 12 * HOUR - 5 * DAY);
/// Above every sample: only a row of a rollup has it.
const MARK: u32 = 900_000;

/// A probe a second.
const HOURS: i64 = 6;

fn rtt_us(at: UtcMicros) -> u32 {
    let second = (at.0 / SECOND) as u64;
    let noise = second.wrapping_mul(6_364_136_223_846_793_005) >> 40;
    // Two levels: their middle is where digests have it hardest.
    let level = if second.is_multiple_of(3) { 30_000 } else { 20_000 };
    level + (noise % 3_000) as u32
}

/// A pair with samples of six hours, and rollups of all but the first and the fifth, each with one value more than the samples.
async fn pair() -> World {
    let world = World::new();
    let seconds = (0..HOURS * 3_600).map(|second| START + second * SECOND);
    let rows: Vec<SampleRow> = seconds.map(|at| answered(at, rtt_us(at) as i32)).collect();
    world.archive_samples(&rows).await;
    for hour in [1, 2, 3, 5] {
        let start = START + hour * HOUR;
        let mut rtts_us: Vec<u32> = (0..3_600).map(|second| rtt_us(start + second * SECOND)).collect();
        rtts_us.push(MARK);
        world.append(tables::ROLLUP_1H, rollup(start, "us-east-1", "eu-west-1", &rtts_us)).await;
    }
    // Rows of others show that those before are whole.
    world.append(tables::ROLLUP_1H, rollup(START + 24 * HOUR, "us-east-1", "sa-east-1", &[1_000])).await;
    world.service.refresh(NOW).await.unwrap();
    world
}

/// Every round-trip time of a range, ascending, with the marks of the whole hours that have a rollup.
fn model(start: UtcMicros, end: UtcMicros, marks: u32) -> Vec<u32> {
    let seconds = (start.0..end.0).step_by(SECOND as usize).map(UtcMicros);
    let mut values: Vec<u32> = seconds.map(rtt_us).chain((0..marks).map(|_| MARK)).collect();
    values.sort_unstable();
    values
}

fn at(minutes: i64) -> UtcMicros {
    START + minutes * MINUTE
}

fn text(at: UtcMicros) -> String {
    let time = chrono::DateTime::from_timestamp_micros(at.0).unwrap();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

async fn distribution(world: &World, start: UtcMicros, end: UtcMicros, query: &str) -> Value {
    let (start, end) = (text(start), text(end));
    let path = format!("/api/v1/distribution?source=us-east-1&target=eu-west-1&start={start}&end={end}{query}");
    world.get(&path).await.ok()
}

#[tokio::test]
async fn a_range_is_rollups_within_and_samples_at_its_edges() {
    let world = pair().await;
    // From within the first hour, of which there is no rollup, over the fifth, of which there is none either, to within the sixth.
    let (start, end) = (at(13), at(5 * 60 + 47));
    let expected = model(start, end, 3);
    let found = distribution(&world, start, end, "").await;
    assert_eq!((&found["count"], &found["sent"]), (&json!(expected.len()), &json!(expected.len())));
    assert_eq!(
        (&found["max_ms"], &found["exact"], &found["answered_from"]),
        (&json!(900.0), &json!(false), &json!("archive"))
    );
    let bound = found["error_bound"].as_f64().unwrap();
    assert!(bound > 0.0 && bound < 0.05, "{bound}");
    for percentile in found["percentiles"].as_array().unwrap() {
        let q = percentile["percentile"].as_str().unwrap()[1..].parse::<f64>().unwrap() / 100.0;
        let us = percentile["rtt_ms"].as_f64().unwrap() * 1_000.0;
        let rank = q * (expected.len() - 1) as f64;
        let below = expected.partition_point(|&value| f64::from(value) < us - 0.5) as f64;
        let up_to = expected.partition_point(|&value| f64::from(value) <= us + 0.5) as f64;
        let off = f64::max(below - 1.0 - rank, rank - up_to).max(0.0) / expected.len() as f64;
        let promised = percentile["rank_error"].as_f64().unwrap();
        assert!(off <= promised + 1e-9 && promised <= bound, "{percentile}: off by {off}");
        assert_eq!(percentile["low_count"], json!(q > 0.9993), "{percentile}");
    }
    let bins: u64 = found["bins"].as_array().unwrap().iter().map(|bin| bin["count"].as_u64().unwrap()).sum();
    assert_eq!(bins, expected.len() as u64);
}

#[tokio::test]
async fn exact_answers_come_from_the_samples_alone() {
    let world = pair().await;
    let (start, end) = (at(13), at(5 * 60 + 47));
    let expected = model(start, end, 0);
    let found = distribution(&world, start, end, "&exact=true&percentiles=p50,p99.9&bins=7&scale=linear").await;
    assert_eq!(
        (&found["count"], &found["exact"], &found["error_bound"]),
        (&json!(expected.len()), &json!(true), &json!(0.0))
    );
    for (at, q) in [0.5, 0.999].into_iter().enumerate() {
        let exact = cloudping_digest::linear_quantile(&expected, q).unwrap();
        assert_eq!(found["percentiles"][at]["rtt_ms"], json!(exact.round() / 1_000.0));
    }
    let bins = found["bins"].as_array().unwrap();
    assert_eq!(bins.len(), 7);
    for bin in bins {
        let [from, to] = ["from_ms", "to_ms"].map(|end| (bin[end].as_f64().unwrap() * 1_000.0).round() as u32);
        let within = expected.iter().filter(|value| (from..to).contains(*value)).count();
        assert_eq!(bin["count"], json!(within), "{bin}");
    }
}

#[tokio::test]
async fn windows_have_the_percentiles_that_are_asked_for() {
    let world = pair().await;
    let path = |query: &str| {
        let (start, end) = (text(START), text(at(6 * 60)));
        format!("/api/v1/series?source=us-east-1&target=eu-west-1&start={start}&end={end}&{query}")
    };
    let series = world.get(&path("step=7200&percentiles=p50,p99.9")).await.ok();
    let counts: Vec<_> = series["points"].as_array().unwrap().iter().map(|point| point["count"].clone()).collect();
    // The marks show which hours are rows of the rollup. The last hour may still change: no row is of the hour behind it.
    assert_eq!(counts, [7_201, 7_202, 7_200]);
    let first = &series["points"][0];
    assert_eq!(first["percentiles"][1]["percentile"], "p99.9");
    assert_eq!(
        (&first["percentiles"][1]["low_count"], &first["percentiles"][0]["low_count"]),
        (&json!(true), &json!(false))
    );
    assert!(series["error_bound"].as_f64().unwrap() > 0.0);
    // A window that is one row has its exact percentiles.
    let hours = world.get(&path("step=3600&percentiles=p99.9")).await.ok();
    let mut hour = model(at(60), at(120), 1);
    hour.sort_unstable();
    let exact = cloudping_digest::linear_quantile(&hour, 0.999).unwrap();
    assert_eq!(hours["points"][1]["percentiles"][0]["rtt_ms"], json!(exact.round() / 1_000.0));
    assert_eq!(hours["error_bound"], 0.0);
    let exact = world.get(&path("step=7200&exact=true")).await.ok();
    assert_eq!((&exact["points"][0]["count"], &exact["error_bound"]), (&json!(7_200), &json!(0.0)));
    let csv = world.get(&path("step=7200&percentiles=p50,p99.9&format=csv")).await;
    let mut lines = csv.body.lines();
    assert_eq!(
        lines.next().unwrap(),
        "time,family,sent,lost,retransmitted,count,min_ms,max_ms,mean_ms,stddev_ms,jitter_ms,\
         p50_ms,p50_low_count,p50_rank_error,p99_9_ms,p99_9_low_count,p99_9_rank_error"
    );
    assert!(lines.next().unwrap().starts_with("2025-12-28T00:00:00.000Z,4,7201,0,0,7201,"), "{}", csv.body);
    assert!(world.get(&path("percentiles=p50,p50")).await.problem(400).contains("percentiles is \"p50,p50\""));
    assert!(world.get(&path("exact=yes")).await.problem(400).contains("exact is \"yes\", expected true or false"));
    for format in ["ndjson", "arrow", "parquet"] {
        assert!(world.get(&path(&format!("step=7200&format={format}"))).await.status.is_success());
    }
}

#[tokio::test]
async fn a_pair_whose_family_changes_shows_both_in_turn() {
    let world = World::new();
    let of = |minute: i64, family: i32| of_family(&samples(&[answered(at(minute), 1_000 * family)]), family);
    for (minute, family) in [(1, 6), (62, 6), (63, 4), (125, 4)] {
        world.append(tables::SAMPLES, of(minute, family)).await;
    }
    let (start, end) = (text(START), text(at(180)));
    let path = format!("/api/v1/series?source=us-east-1&target=eu-west-1&start={start}&end={end}&step=3600");
    let points = world.get(&path).await.ok()["points"].clone();
    let shown: Vec<_> =
        points.as_array().unwrap().iter().map(|point| (point["family"].clone(), point["p50_ms"].clone())).collect();
    assert_eq!(shown, [(json!(6), json!(6.0)), (json!(4), json!(4.0)), (json!(4), json!(4.0))]);
}

#[tokio::test]
async fn a_matrix_of_the_past_has_every_pair() {
    let world = pair().await;
    world.fill().await;
    let path = |end: UtcMicros, query: &str| {
        format!("/api/v1/matrix?start={}&end={}&percentile=p50{query}", text(at(13)), text(end))
    };
    let answer = world.get(&path(at(5 * 60 + 47), "")).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=86400, immutable");
    let matrix = answer.ok();
    assert_eq!(
        (&matrix["window"], &matrix["range"]["start"], &matrix["as_of"]),
        (&json!("range"), &json!("2025-12-28T00:13:00.000Z"), &json!("2025-12-28T05:47:00.000Z"))
    );
    let expected = model(at(13), at(5 * 60 + 47), 3);
    assert_eq!(matrix["cells"].as_array().unwrap().len(), 1);
    let cell = &matrix["cells"][0];
    assert_eq!(
        (&cell["source"], &cell["target"], &cell["count"]),
        (&json!("us-east-1"), &json!("eu-west-1"), &json!(expected.len()))
    );
    let close = cloudping_digest::linear_quantile(&expected, 0.5).unwrap() / 1_000.0;
    assert!((cell["rtt_ms"].as_f64().unwrap() - close).abs() < 0.5, "{cell}, truly {close}");
    assert!(matrix["range"]["error_bound"].as_f64().unwrap() > 0.0);
    // Up to the present: with the live store's minutes, and not for caches.
    let answer = world.get(&path(NOW, "")).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=1");
    let matrix = answer.ok();
    let counts: Vec<_> = matrix["cells"].as_array().unwrap().iter().map(|cell| cell["count"].clone()).collect();
    assert_eq!(counts, [300, model(at(13), at(6 * 60), 4).len() as u64 + 300]);
    let one = world.get(&path(NOW, "&target=us-east-1&exact=true")).await.ok();
    assert_eq!(one["cells"], json!([]), "minutes of the live store are no samples");
    assert!(world.get(&path(NOW, "&window=5m")).await.problem(400).contains("window is given beside start or end"));
    assert!(world.get("/api/v1/matrix?exact=true").await.problem(400).contains("exact is given without start or end"));
    let rolling = world.get("/api/v1/matrix").await.ok();
    assert!(rolling.get("range").is_none());
}

#[tokio::test]
async fn a_rolling_distribution_is_the_live_stores() {
    let world = World::new();
    world.fill().await;
    let path = |query: &str| format!("/api/v1/distribution?source=us-east-1&target=eu-west-1&{query}");
    let found = world.get(&path("window=5m")).await.ok();
    assert_eq!((&found["answered_from"], &found["family"], &found["lost"]), (&json!("live"), &json!(4), &json!(1)));
    assert_eq!(found["bins"], json!([{"from_ms": 68.41, "to_ms": 68.411, "count": found["count"]}]));
    assert_eq!(found["percentiles"].as_array().unwrap().len(), 102);
    let csv = world.get(&path("window=5m&percentiles=p50&format=csv")).await;
    assert_eq!(
        csv.body,
        format!("percentile,rtt_ms,count,low_count,rank_error\np50,68.41,{},false,0.0\n", found["count"])
    );
    let bins = world.get(&path("window=5m&table=bins&format=csv")).await;
    assert_eq!(bins.body, format!("from_ms,to_ms,count\n68.41,68.411,{}\n", found["count"]));
    // Nothing was measured at all.
    let empty = world.get(&path("start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z")).await.ok();
    assert_eq!(
        (&empty["count"], &empty["family"], &empty["p50"], &empty["bins"]),
        (&json!(0), &Value::Null, &Value::Null, &json!([]))
    );
    assert_eq!(
        empty["percentiles"][0],
        json!({"percentile": "p1", "rtt_ms": null, "low_count": true, "rank_error": 0.0})
    );
    for (query, part) in [
        ("window=2h", "window is \"2h\", expected 5m, 1h"),
        ("bins=0", "bins is \"0\", expected 1 to 1000"),
        ("bins=1001", "bins is \"1001\""),
        ("scale=square", "scale is \"square\", expected log or linear"),
        ("table=both", "table is \"both\", expected percentiles or bins"),
        ("window=5m&end=2026-01-01T00:00:00Z", "window is given beside start or end"),
        ("start=2026-02-01T00:00:00Z", "expected a time before end"),
    ] {
        let detail = world.get(&path(query)).await.problem(400);
        assert!(detail.contains(part), "{query}: {detail}");
    }
    assert!(world.get("/api/v1/distribution?source=nowhere&target=eu-west-1").await.problem(404).contains("no source"));
}

#[tokio::test]
async fn a_merge_of_the_live_stores_does_not_say_how_far_off_it_is() {
    let world = World::new();
    let rtts_us: Vec<u32> = (0..5_000).map(|at| 20_000 + at * at % 7_919).collect();
    world.pane("us-east-1", Pane::Hour, &pane_of(NOON - HOUR, "eu-west-1", Family::V4, &rtts_us, 0)).await;
    world.head("us-east-1", &head_at(NOW, NOON)).await;
    world.service.refresh(NOW).await.unwrap();
    let day = world.get("/api/v1/distribution?source=us-east-1&target=eu-west-1&window=1d").await.ok();
    assert_eq!((&day["count"], &day["error_bound"], &day["exact"]), (&json!(5_000), &Value::Null, &json!(false)));
}
