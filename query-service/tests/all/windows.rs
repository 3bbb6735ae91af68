//! Rolling windows out of minutes, hours and days, however they are folded, and panes of the first version.

use crate::common::*;
use cloudping_model::{Family, Pane, UtcMicros};
use cloudping_ports::Key;
use cloudping_schemas::stored::{PaneItem, VantageHead, keys};
use serde_json::{Value, json};

fn minute(at: i64) -> PaneItem {
    pane_of(NOON + at * MINUTE, "eu-west-1", Family::V4, &[1_000 + at as u32; 10], 1)
}

async fn cell(world: &World, query: &str) -> Value {
    world.get(&format!("/api/v1/matrix?{query}")).await.ok()["cells"][0].clone()
}

/// Minutes before `folded_until` are in their hours already; the rolling day must count each once, before and after a fold.
#[tokio::test]
async fn the_rolling_day_counts_each_minute_once() {
    let world = World::new();
    // The hour before noon, and the first 28 minutes after noon, folded.
    world.pane("local", Pane::Hour, &pane_of(NOON - HOUR, "eu-west-1", Family::V4, &[500; 600], 0)).await;
    world.pane("local", Pane::Hour, &pane_of(NOON - 24 * HOUR, "eu-west-1", Family::V4, &[9; 600], 0)).await;
    let mut hour = pane_of(NOON, "eu-west-1", Family::V4, &[], 0);
    for at in 0..=30 {
        world.pane("local", Pane::Minute, &minute(at)).await;
        if at < 28 {
            for (key, summary) in minute(at).series {
                hour.series.entry(key).or_default().merge(&summary);
            }
        }
    }
    world.pane("local", Pane::Hour, &hour).await;
    world.head("local", &head_at(NOW, NOON + 28 * MINUTE)).await;
    world.service.refresh(NOW).await.unwrap();
    let before = cell(&world, "window=1d&percentile=min").await;
    assert_eq!((&before["count"], &before["lost"], &before["rtt_ms"]), (&json!(910), &json!(31), &json!(0.5)));

    for (key, summary) in minute(28).series {
        hour.series.entry(key).or_default().merge(&summary);
    }
    world.pane("local", Pane::Hour, &hour).await;
    world.head("local", &head_at(NOW, NOON + 29 * MINUTE)).await;
    world.service.refresh(NOW + SECOND).await.unwrap();
    assert_eq!(cell(&world, "window=1d").await["count"], 910);
}

/// A day is its pane, the hours that are not in it yet, and the minutes that are not in those.
#[tokio::test]
async fn long_windows_are_days_hours_and_minutes() {
    let world = World::new();
    let today = NOON.floor(DAY);
    for (days_ago, rtt_us) in [(1, 2_000), (6, 3_000), (7, 4_000), (29, 5_000), (30, 6_000), (364, 7_000), (365, 8_000)]
    {
        let pane = pane_of(today - days_ago * DAY, "eu-west-1", Family::V4, &[rtt_us], 0);
        world.pane("local", Pane::Day, &pane).await;
    }
    // Yesterday's and today's hours; yesterday is folded.
    for hours_ago in [1, 5, 13, 20] {
        let pane = pane_of(NOON - hours_ago * HOUR, "eu-west-1", Family::V4, &[1_500], 0);
        world.pane("local", Pane::Hour, &pane).await;
    }
    for at in [-30, -1, 0, 30] {
        world.pane("local", Pane::Minute, &pane_of(NOON + at * MINUTE, "eu-west-1", Family::V4, &[1_000], 1)).await;
    }
    world.head("local", &head_at(NOW, NOON)).await;
    world.service.refresh(NOW).await.unwrap();
    // Days (or, of the rolling day, four hours), two hours of today, and two minutes.
    for (window, count, max_ms) in [("1d", 4 + 2, 1.5), ("7d", 2 + 4, 3.0), ("30d", 4 + 4, 5.0), ("365d", 6 + 4, 7.0)] {
        let cell = cell(&world, &format!("window={window}&percentile=max")).await;
        assert_eq!((&cell["count"], &cell["rtt_ms"]), (&json!(count), &json!(max_ms)), "{window}");
        assert_eq!(cell["lost"], 2, "{window}");
    }
    let jitter = cell(&world, "window=7d&percentile=jitter").await;
    assert_eq!((&jitter["rtt_ms"], &jitter["jitter_ms"]), (&json!(0.667), &json!(0.667)));
}

/// A late round of a day that is folded changes that day's pane only: seen within ten seconds, or an hour if it is of long ago.
#[tokio::test]
async fn a_very_late_round_is_seen() {
    let world = World::new();
    let put = async |days_ago: i64, count: usize| {
        let pane = pane_of(NOON.floor(DAY) - days_ago * DAY, "eu-west-1", Family::V4, &vec![7; count], 0);
        world.pane("local", Pane::Day, &pane).await;
        world.head("local", &head_at(NOW, NOON)).await;
    };
    let count = async |at: UtcMicros| {
        world.service.refresh(at).await.unwrap();
        cell(&world, "window=30d").await["count"].clone()
    };
    put(2, 3).await;
    put(20, 30).await;
    assert_eq!(count(NOW).await, 33);
    put(2, 4).await;
    assert_eq!(count(NOW + SECOND).await, 33);
    assert_eq!(count(NOW + 11 * SECOND).await, 34);
    put(20, 31).await;
    assert_eq!(count(NOW + 30 * SECOND).await, 34);
    assert_eq!(count(NOW + MINUTE).await, 34);
    assert_eq!(count(NOW + HOUR).await, 35);
}

/// A series that is new in a pane stands in a table that is new too.
#[tokio::test]
async fn a_new_series_is_named() {
    let world = World::new();
    world.fill().await;
    let mut pane = pane_of(NOW.floor(MINUTE), "ap-south-1", Family::V4, &[9_000; 5], 0);
    pane.series.extend(pane_of(NOW.floor(MINUTE), "eu-west-1", Family::V4, &[8_000; 3], 0).series);
    world.pane("us-east-1", Pane::Minute, &pane).await;
    world.head("us-east-1", &head_at(NOW, NOON)).await;
    world.service.refresh(NOW).await.unwrap();
    for (target, count) in [("ap-south-1", 5), ("eu-west-1", 243)] {
        assert_eq!(cell(&world, &format!("source=us-east-1&target={target}")).await["count"], count);
    }
    let series = world.get("/api/v1/series?source=us-east-1&target=ap-south-1").await.ok();
    assert_eq!(series["points"][0]["count"], 5);
}

/// Panes of version 1 spell their series out, and need no table.
#[tokio::test]
async fn panes_of_the_first_version_are_read() {
    let world = World::new();
    let golden = include_str!("../../../schemas/golden/pane-v1.hex").trim().as_bytes();
    let hex = golden.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let bytes: Vec<u8> = hex.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    let start = UtcMicros(1_767_225_660 * SECOND);
    world.put(Key::new(keys::panes(&vantage("local"), Pane::Minute), keys::pane_start(start)), bytes).await;
    let (watermark, folded_until) = (start + MINUTE, start);
    world.head("local", &VantageHead { watermark, folded_until, ..VantageHead::default() }).await;
    world.service.refresh(start + MINUTE).await.unwrap();
    // The service's clock is a day and a half ahead.
    let matrix = world.get("/api/v1/matrix?window=7d").await.ok();
    let cell = &matrix["cells"][0];
    assert_eq!((&cell["target"], &cell["count"], &cell["lost"]), (&json!("eu-west-1"), &json!(2), &json!(1)));
    assert_eq!((&cell["rtt_ms"], &cell["retransmitted"]), (&json!(68.4), &json!(1)));
}
