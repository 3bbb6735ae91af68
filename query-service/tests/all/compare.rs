//! Answers that compare pairs: rank, nearest, diff, badges; and what came of the probes.

use crate::common::*;
use cloudping_model::{Family, Pane, Protocol, UtcMicros};
use cloudping_schemas::stored::{LedgerHour, PaneItem, SeriesKey};
use serde_json::{Value, json};

/// A pair of the newest minute: target, round-trip time in ms, how many, how many were lost.
type Pair = (&'static str, u32, usize, u64);

fn pane(start: UtcMicros, pairs: &[Pair]) -> PaneItem {
    let mut pane = PaneItem::starting(start);
    for (target, ms, count, lost) in pairs {
        pane.series.extend(pane_of(start, target, Family::V4, &vec![ms * 1_000; *count], *lost).series);
    }
    pane
}

/// Three vantage points; what eu-west-1 has sent to eu-central-1 was lost, and it has not measured ap-south-1.
async fn world() -> World {
    world_at(now).await
}

async fn world_at(clock: fn() -> UtcMicros) -> World {
    let world = World::with(clock, |_| {});
    let start = NOW.floor(MINUTE) - MINUTE;
    let all: [(&str, &[Pair]); 3] = [
        (
            "us-east-1",
            &[
                ("us-east-1", 1, 60, 0),
                ("eu-west-1", 70, 60, 0),
                ("eu-central-1", 90, 60, 15),
                ("ap-south-1", 190, 60, 0),
            ],
        ),
        ("eu-west-1", &[("us-east-1", 71, 60, 0), ("eu-west-1", 1, 60, 0), ("eu-central-1", 0, 0, 60)]),
        ("local", &[("us-east-1", 30, 5, 0), ("eu-west-1", 50, 60, 0), ("eu-central-1", 20, 60, 0)]),
    ];
    for (source, pairs) in all {
        world.pane(source, Pane::Minute, &pane(start, pairs)).await;
        world.head(source, &head_at(NOW - SECOND, NOON)).await;
    }
    world.service.refresh(clock()).await.unwrap();
    world
}

fn ids(list: &Value, name: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|entry| entry[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_closest_to_one_are_ranked_with_their_counts() {
    let world = world().await;
    let answer = world.get("/api/v1/rank?source=us-east-1").await.ok();
    assert_eq!(ids(&answer["ranking"], "id"), ["us-east-1", "eu-west-1", "eu-central-1", "ap-south-1"]);
    assert_eq!(
        (&answer["ranked"], &answer["by"], &answer["simulated"]),
        (&json!("targets"), &json!("max"), &json!(true))
    );
    let third = &answer["ranking"][2];
    let member = json!({"id": "us-east-1", "rtt_ms": 90.0, "count": 60, "sent": 75, "lost": 15, "low_count": false});
    let expected = json!({"rank": 3, "id": "eu-central-1", "provider": "aws", "max_ms": 90.0, "mean_ms": 90.0, "count": 60,
        "low_count": false, "loss": 0.2, "members": [member]});
    assert_eq!(third, &expected);
    let sources = world.get("/api/v1/rank?target=eu-west-1&limit=2").await.ok();
    assert_eq!(
        (ids(&sources["ranking"], "id"), &sources["ranked"]),
        (vec!["eu-west-1".into(), "local".into()], &json!("sources"))
    );
    let tail = world.get("/api/v1/rank?source=us-east-1&percentile=p99&limit=1").await.ok();
    assert_eq!(tail["ranking"][0]["low_count"], true);
}

#[tokio::test]
async fn the_closest_to_a_set_are_ranked_by_the_worst_or_the_mean() {
    let world = world().await;
    let path = "/api/v1/rank?to=us-east-1,eu-west-1";
    let by_max = world.get(path).await.ok();
    // us-east-1 sees 1 and 70, eu-west-1 71 and 1, local 30 and 50.
    assert_eq!(ids(&by_max["ranking"], "id"), ["local", "us-east-1", "eu-west-1"]);
    let first = &by_max["ranking"][0];
    assert_eq!(
        (&first["max_ms"], &first["mean_ms"], &first["count"], &first["low_count"]),
        (&json!(50.0), &json!(40.0), &json!(5), &json!(true))
    );
    assert_eq!(ids(&first["members"], "id"), ["us-east-1", "eu-west-1"]);
    assert_eq!(
        first["members"][1],
        json!({"id": "eu-west-1", "rtt_ms": 50.0, "count": 60, "sent": 60, "lost": 0, "low_count": false})
    );
    let by_mean = world.get(&format!("{path}&by=mean")).await.ok();
    assert_eq!(ids(&by_mean["ranking"], "id"), ["us-east-1", "eu-west-1", "local"]);
    // Whoever lacks a member is not ranked: eu-west-1 has no answer from eu-central-1, local has none of ap-south-1.
    let lacking = world.get("/api/v1/rank?to=us-east-1,eu-central-1,us-east-1").await.ok();
    assert_eq!(
        (ids(&lacking["ranking"], "id"), &lacking["incomplete"]),
        (vec!["local".into(), "us-east-1".into()], &json!(["eu-west-1"]))
    );
    assert_eq!(lacking["members"], json!(["us-east-1", "eu-central-1"]));
    let from = world.get("/api/v1/rank?from=us-east-1,local&provider=aws").await.ok();
    assert_eq!(ids(&from["ranking"], "id"), ["us-east-1", "eu-west-1", "eu-central-1"]);
    assert_eq!(from["incomplete"], json!(["ap-south-1"]));
}

#[tokio::test]
async fn a_ranking_as_a_table_has_the_rows_alone() {
    let world = world().await;
    let csv = world.get("/api/v1/rank?target=us-east-1&format=csv").await;
    let expected = "rank,id,provider,max_ms,mean_ms,count,low_count,loss\n\
        1,us-east-1,aws,1.0,1.0,60,false,0.0\n2,local,,30.0,30.0,5,true,0.0\n3,eu-west-1,aws,71.0,71.0,60,false,0.0\n";
    assert_eq!(csv.body, expected);
}

#[tokio::test]
async fn what_cannot_be_ranked_is_named() {
    let world = world().await;
    for (query, status, detail) in [
        ("", 400, "expected one of source, target, from and to, found none of them"),
        ("source=us-east-1&to=local", 400, "expected one of source, target, from and to, found source and to"),
        ("to=us-east-1,,local", 400, "to is \"us-east-1,,local\", expected ids with commas between them"),
        ("source=us-east-1&by=median", 400, "by is \"median\", expected max or mean"),
        ("source=us-east-1&limit=0", 400, "limit is \"0\", expected 1 to 1000"),
        ("source=moon", 404, "there is no source \"moon\": /api/v1/regions lists them"),
        ("to=us-east-1,moon", 404, "there is no target \"moon\": /api/v1/regions lists them"),
        ("source=us-east-1&provider=acme", 404, "there is no provider \"acme\": /api/v1/regions lists them"),
    ] {
        assert_eq!(world.get(&format!("/api/v1/rank?{query}")).await.problem(status), detail);
    }
}

#[tokio::test]
async fn the_nearest_is_the_closest_healthy_one() {
    let world = world().await;
    let path = "/api/v1/nearest?source=us-east-1&candidates=";
    let answer = world.get(&format!("{path}ap-south-1,eu-central-1,eu-west-1,sa-east-1")).await.ok();
    assert_eq!((&answer["nearest"], &answer["measured"]), (&json!("eu-west-1"), &json!("from_source")));
    assert_eq!(ids(&answer["candidates"], "target"), ["eu-west-1", "ap-south-1", "eu-central-1", "sa-east-1"]);
    let reasons: Vec<&Value> = answer["candidates"].as_array().unwrap().iter().map(|one| &one["reason"]).collect();
    assert_eq!(reasons, [&Value::Null, &Value::Null, &json!("loss"), &json!("no_data")]);
    let first = json!({"target": "eu-west-1", "healthy": true, "reason": null, "rtt_ms": 70.0, "count": 60, "low_count": false,
        "sent": 60, "lost": 0, "loss": 0.0, "last": "2026-01-02T12:29:59.000Z", "age_seconds": 21.0});
    assert_eq!(answer["candidates"][0], first);
    let tolerant = world.get(&format!("{path}ap-south-1,eu-central-1&max_loss=0.2")).await.ok();
    assert_eq!(tolerant["nearest"], "eu-central-1");
    let strict = world.get(&format!("{path}eu-west-1&max_age=20")).await.ok();
    assert_eq!((&strict["nearest"], &strict["candidates"][0]["reason"]), (&Value::Null, &json!("stale")));
    let lost = world.get("/api/v1/nearest?source=eu-west-1&candidates=eu-central-1&max_loss=1&max_age=100").await.ok();
    assert_eq!((&lost["nearest"], &lost["candidates"][0]["reason"]), (&Value::Null, &json!("unanswered")));
}

#[tokio::test]
async fn the_nearest_of_a_region_without_a_vantage_point_is_found_from_the_other_side() {
    let world = world().await;
    let answer = world.get("/api/v1/nearest?source=eu-central-1").await.ok();
    assert_eq!((&answer["nearest"], &answer["measured"]), (&json!("local"), &json!("to_source")));
    assert_eq!(ids(&answer["candidates"], "target"), ["local", "us-east-1", "eu-west-1"]);
    // A vantage point that has fallen silent is still a place to measure to.
    let silent = World::new();
    silent.pane("local", Pane::Minute, &pane(NOW.floor(MINUTE) - MINUTE, &[("us-east-1", 30, 60, 0)])).await;
    silent.head("local", &head_at(NOW - SECOND, NOON)).await;
    silent.service.refresh(NOW).await.unwrap();
    let answer = silent.get("/api/v1/nearest?source=us-east-1").await.ok();
    assert_eq!((&answer["nearest"], &answer["measured"]), (&json!("local"), &json!("to_source")));
    let all = world.get("/api/v1/nearest?source=us-east-1&limit=2").await.ok();
    assert_eq!(ids(&all["candidates"], "target"), ["us-east-1", "eu-west-1"]);
    let csv = world.get("/api/v1/nearest?source=us-east-1&limit=1&format=csv").await;
    let expected = "target,healthy,reason,rtt_ms,count,low_count,sent,lost,loss,last,age_seconds\n\
        us-east-1,true,,1.0,60,false,60,0,0.0,2026-01-02T12:29:59.000Z,21.0\n";
    assert_eq!(csv.body, expected);
    for (query, status, detail) in [
        ("candidates=us-east-1", 400, "source is missing, expected a vantage point's or a region's id"),
        ("source=us-east-1&max_loss=1.5", 400, "max_loss is \"1.5\", expected a number from 0 to 1"),
        ("source=us-east-1&max_loss=NaN", 400, "max_loss is \"NaN\", expected a number from 0 to 1"),
        ("source=moon", 404, "there is no source \"moon\": /api/v1/regions lists them"),
        ("source=us-east-1&candidates=moon", 404, "there is no target \"moon\": /api/v1/regions lists them"),
    ] {
        assert_eq!(world.get(&format!("/api/v1/nearest?{query}")).await.problem(status), detail);
    }
}

#[tokio::test]
async fn a_difference_has_both_numbers_their_counts_and_the_noise() {
    let world = World::new();
    let start = NOW.floor(MINUTE) - MINUTE;
    // Half an hour ago 50 ms; now from 51 to 110 ms, evenly.
    let spread: Vec<u32> = (0..60).map(|at| 51_000 + at * 1_000).collect();
    world
        .pane("local", Pane::Minute, &pane(start - 25 * MINUTE, &[("eu-west-1", 50, 600, 0), ("us-east-1", 9, 10, 0)]))
        .await;
    world.pane("local", Pane::Minute, &pane_of(start, "eu-west-1", Family::V4, &spread, 0)).await;
    world.head("local", &head_at(NOW - SECOND, NOON)).await;
    world.service.refresh(NOW).await.unwrap();
    let answer = world.get("/api/v1/diff?a_window=1h&b_window=5m").await.ok();
    assert_eq!((&answer["a"]["window"], &answer["b"]["window"]), (&json!("1h"), &json!("5m")));
    let pairs = answer["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 1, "us-east-1 has no number on side b");
    let pair = &pairs[0];
    assert_eq!((&pair["a_ms"], &pair["b_ms"], &pair["delta_ms"]), (&json!(50.0), &json!(80.5), &json!(30.5)));
    assert_eq!((&pair["a_count"], &pair["b_count"]), (&json!(660), &json!(60)));
    // The median of 60 lies within 2.576 * sqrt(60) / 2 = 10 ranks.
    let noise = pair["noise_ms"].as_f64().unwrap();
    assert!((8.0..12.0).contains(&noise), "{noise}");
    assert_eq!(pair["exceeds_noise"], true);
    // The same pane, by the time it is of: what began at 12:04 was over at 12:05.
    let past = world.get("/api/v1/diff?a_at=2026-01-02T12:05:00Z&b_at=2026-01-02T12:30:00Z").await.ok();
    assert_eq!((&past["a"]["at"], &past["a"]["window"]), (&json!("2026-01-02T12:05:00.000Z"), &json!("5m")));
    let pair = &past["pairs"][0];
    assert_eq!((&pair["a_ms"], &pair["b_ms"], &pair["a_count"]), (&json!(50.0), &json!(80.5), &json!(600)));
    assert_eq!(pair["exceeds_noise"], true);
    assert_eq!(
        world.get("/api/v1/diff?a_at=2026-01-02T12:31:00Z").await.problem(400),
        "a_at is \"2026-01-02T12:31:00Z\", expected a time by RFC 3339 that is not to come"
    );
    let tails = world.get("/api/v1/diff?b_percentile=p99&window=5m").await.ok();
    let pair = &tails["pairs"][0];
    assert_eq!(
        (&pair["b_low_count"], &pair["noise_ms"], &pair["exceeds_noise"]),
        (&json!(true), &Value::Null, &Value::Null)
    );
    let same = world.get("/api/v1/diff").await.ok();
    assert_eq!((&same["pairs"][0]["delta_ms"], &same["pairs"][0]["exceeds_noise"]), (&json!(0.0), &json!(false)));
    let csv = world.get("/api/v1/diff?format=csv&percentile=max").await;
    let expected = "source,a_target,b_target,a_ms,b_ms,delta_ms,a_count,b_count,a_low_count,b_low_count,noise_ms,exceeds_noise\n\
        local,eu-west-1,eu-west-1,110.0,110.0,0.0,60,60,true,true,,\n";
    assert_eq!(csv.body, expected);
    assert_eq!(
        world.get("/api/v1/diff?b_window=2h").await.problem(400),
        "b_window is \"2h\", expected 5m, 1h, 1d, 7d, 30d or 365d"
    );
    world.get("/api/v1/diff?a_provider=acme").await.problem(404);
}

#[tokio::test]
async fn providers_are_compared_city_by_city_and_protocols_pair_by_pair() {
    let world = World::with(now, |settings| {
        settings.catalogue = cloudping_schemas::catalogue::Catalogue::built_in().unwrap();
    });
    let catalogue = cloudping_schemas::catalogue::Catalogue::built_in().unwrap();
    let at = |id: &str| catalogue.get(id).map(|region| (region.country.clone(), region.city.clone())).unwrap();
    let aws = "eu-central-1";
    let rival =
        catalogue.regions().iter().find(|region| region.provider == "gcp" && at(&region.id) == at(aws)).unwrap();
    let rival: &'static str = rival.id.clone().leak();
    let start = NOW.floor(MINUTE) - MINUTE;
    let mut both = pane(start, &[(aws, 20, 60, 0), (rival, 23, 60, 0), ("us-east-1", 90, 60, 0)]);
    let tls = pane(start, &[(aws, 45, 60, 0)]).series.into_iter();
    both.series.extend(tls.map(|(key, summary)| (SeriesKey { protocol: Protocol::TlsHandshake, ..key }, summary)));
    world.pane("local", Pane::Minute, &both).await;
    world.head("local", &head_at(NOW - SECOND, NOON)).await;
    world.service.refresh(NOW).await.unwrap();
    let answer = world.get("/api/v1/diff?a_provider=aws&b_provider=gcp").await.ok();
    let pairs = answer["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    assert_eq!(
        (&pairs[0]["a_target"], &pairs[0]["b_target"], &pairs[0]["delta_ms"]),
        (&json!(aws), &json!(rival), &json!(3.0))
    );
    let protocols = world.get("/api/v1/diff?b_protocol=tls").await.ok();
    let pairs = protocols["pairs"].as_array().unwrap();
    assert_eq!((pairs.len(), &pairs[0]["a_target"], &pairs[0]["delta_ms"]), (1, &json!(aws), &json!(25.0)));
}

#[tokio::test]
async fn a_badge_says_the_number_and_what_is_wrong_with_it() {
    let world = world().await;
    let badge = world.get("/api/v1/badge/us-east-1/eu-west-1.svg").await;
    assert_eq!((badge.status.as_u16(), badge.header("content-type")), (200, "image/svg+xml; charset=utf-8"));
    assert_eq!(badge.header("cache-control"), "public, max-age=10");
    assert!(
        badge.body.contains(">us-east-1 → eu-west-1</text>") && badge.body.contains(">p50 70.0 ms</text>"),
        "{}",
        badge.body
    );
    assert!(badge.body.contains("p50 70 ms of 60 round-trip times in 5m"), "{}", badge.body);
    let few = world.get("/api/v1/badge/local/eu-west-1.svg?percentile=p99&window=1h").await.body;
    assert!(few.contains(">p99 ~50.0 ms</text>"), "{few}");
    for target in ["eu-central-1", "sa-east-1"] {
        let none = world.get(&format!("/api/v1/badge/eu-west-1/{target}.svg")).await.body;
        assert!(none.contains(">no data</text>"), "{none}");
    }
    let label = "label=%3Cscript%3E%22%26%27%EF%BF%BF";
    let hostile = world.get(&format!("/api/v1/badge/us-east-1/eu-west-1.svg?{label}")).await.body;
    assert!(hostile.contains("&lt;script&gt;&quot;&amp;&#39;\u{fffd}") && !hostile.contains("<script"), "{hostile}");
    let stale = world_at(|| NOW + 2 * MINUTE).await;
    let stale = stale.get("/api/v1/badge/us-east-1/eu-west-1.svg").await.body;
    assert!(stale.contains(">p50 70.0 ms, stale</text>"), "{stale}");
}

#[tokio::test]
async fn a_badge_that_there_is_not_is_a_problem() {
    let world = world().await;
    world.get("/api/v1/badge/us-east-1/eu-west-1").await.problem(404);
    world.get("/api/v1/badge/moon/eu-west-1.svg").await.problem(404);
    world.get("/api/v1/badge/us-east-1/moon.svg").await.problem(404);
    for label in ["".to_owned(), "a".repeat(61), "a%0Ab".to_owned()] {
        world.get(&format!("/api/v1/badge/us-east-1/eu-west-1.svg?label={label}")).await.problem(400);
    }
}

#[tokio::test]
async fn what_came_of_the_probes_of_a_pair() {
    let world = world().await;
    let answer = world.get("/api/v1/coverage/pairs?source=us-east-1&target=eu-central-1").await.ok();
    let expected = json!([{"source": "us-east-1", "target": "eu-central-1", "protocol": "tcp", "family": 4, "sent": 75,
        "received": 60, "lost": 15, "retransmitted": 0, "unknown": 0, "last": "2026-01-02T12:29:59.000Z"}]);
    assert_eq!(answer["pairs"], expected);
    let csv = world.get("/api/v1/coverage/pairs?format=csv&target=ap-south-1&protocol=tcp").await.body;
    let expected = "source,target,protocol,family,sent,received,lost,retransmitted,unknown,last\n\
        us-east-1,ap-south-1,tcp,4,60,60,0,0,0,2026-01-02T12:29:59.000Z\n";
    assert_eq!(csv, expected);
    assert_eq!(world.get("/api/v1/coverage/pairs?protocol=udp").await.ok()["pairs"], json!([]));
    world.get("/api/v1/coverage/pairs?source=moon").await.problem(404);
}

#[tokio::test]
async fn the_ledger_is_a_table_too() {
    let world = World::new();
    let mut head = head_at(NOW, NOON);
    let (sent, received, lost) = (26, 21, 5);
    head.ledger.push(LedgerHour {
        start: NOON,
        rounds: 9,
        sent,
        received,
        lost,
        gaps: [0, 1, 0, 2],
        ..LedgerHour::default()
    });
    world.head("us-east-1", &head).await;
    world.head("local", &head).await;
    world.service.refresh(NOW).await.unwrap();
    let csv = world.get("/api/v1/coverage?format=csv&source=local").await.body;
    let expected = "source,hour,rounds,sent,received,lost,not_sent,duplicates,late,due,counted,completeness,missing_rounds,dropped_rounds,\
        gaps_clock_step,gaps_suspended,gaps_overload,gaps_spool_full\n\
        local,2026-01-02T12:00:00.000Z,9,26,21,5,0,0,0,26,26,100.0,0,0,0,1,0,2\n";
    assert_eq!(csv, expected);
    assert_eq!(world.get("/api/v1/coverage").await.ok()["hours"].as_array().unwrap().len(), 2);
    world.get("/api/v1/coverage?source=moon").await.problem(404);
}

#[tokio::test]
async fn regions_are_a_table_and_a_map_too() {
    let world = World::new();
    let csv = world.get("/api/v1/regions?format=csv").await.body;
    let mut lines = csv.lines();
    assert_eq!(
        lines.next().unwrap(),
        "id,provider,partition,name,city,country,continent,latitude,longitude,launched,zones,vantage"
    );
    let row = lines.find(|line| line.starts_with("us-east-1,")).unwrap();
    assert!(
        row.starts_with("us-east-1,aws,aws,") && row.ends_with(",true") && row.contains("use1-az1 use1-az2"),
        "{row}"
    );
    assert_eq!(csv.lines().count(), 40);
    let map = world.get("/api/v1/regions?format=geojson").await;
    assert_eq!(map.header("content-type"), "application/geo+json");
    let map = map.ok();
    assert_eq!((&map["type"], map["features"].as_array().unwrap().len()), (&json!("FeatureCollection"), 39));
    let features = map["features"].as_array().unwrap();
    let dublin = features.iter().find(|feature| feature["id"] == "eu-west-1").unwrap();
    assert_eq!((&dublin["geometry"]["type"], &dublin["properties"]["country"]), (&json!("Point"), &json!("IE")));
    let [east, north] = [0, 1].map(|at| dublin["geometry"]["coordinates"][at].as_f64().unwrap());
    assert!((-7.0..-6.0).contains(&east) && (53.0..54.0).contains(&north), "{east} {north}");
    let detail = world.get("/api/v1/regions?format=xml").await.problem(400);
    assert_eq!(detail, "format is \"xml\", expected one of json, csv, ndjson, arrow, parquet, geojson");
}
