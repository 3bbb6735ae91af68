//! What a reading of the live view asks the live store for. On DynamoDB each item read costs; `cargo xtask cost` counts on what stands here.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::*;
use async_trait::async_trait;
use cloudping_model::{Family, Pane, UtcMicros};
use cloudping_ports::{Change, CommitError, Expect, Item, Key, LiveStore, StoreError, Write};
use cloudping_query_service::{Service, Settings};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::stored::{VantageHead, keys};
use cloudping_testkit::MemoryStore;

/// A store that remembers what it was asked for: the partition, and how many items it gave.
struct Watched {
    store: Arc<MemoryStore>,
    asked: Mutex<Vec<(String, usize)>>,
    /// Holds up the readings of days that end before the newest.
    slow: AtomicBool,
    /// Lists that it still gives before it refuses.
    lists_left: AtomicUsize,
}

impl Watched {
    fn note(&self, partition: &str, count: usize) {
        self.asked.lock().unwrap().push((partition.to_owned(), count));
    }

    fn asked(&self) -> Vec<(String, usize)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[async_trait]
impl LiveStore for Watched {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let item = self.store.get(key).await?;
        self.note(&key.partition, usize::from(item.is_some()));
        Ok(item)
    }

    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        let left = self.lists_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| StoreError("too many reads".into()))?;
        if partition == DAYS && sort.end != keys::ALL.end && self.slow.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(2_100)).await;
        }
        let items = self.store.list(partition, sort).await?;
        self.note(partition, items.len());
        Ok(items)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.store.commit(writes).await
    }
}

/// A vantage point with 30 minutes, 12 hours and 300 days, and a head of version 1.
async fn filled() -> (World, Arc<Watched>, Service) {
    let world = World::new();
    for (size, count) in [(Pane::Minute, 30), (Pane::Hour, 12), (Pane::Day, 300)] {
        for back in 0..count {
            let start = NOW.floor(size.micros()) - back * size.micros();
            world.pane("local", size, &pane_of(start, "eu-west-1", Family::V4, &[5; 3], 0)).await;
        }
    }
    world.head("local", &head(NOW, 0)).await;
    let store = Arc::new(Watched {
        store: Arc::clone(&world.store),
        asked: Mutex::default(),
        slow: false.into(),
        lists_left: usize::MAX.into(),
    });
    let url = format!("file://{}/tables", world.folder.path().display());
    let settings = Settings::new(true, Catalogue::built_in().unwrap(), Vec::new(), url);
    let service = Service::new(settings, Arc::clone(&store) as _, now).unwrap();
    (world, store, service)
}

fn head(watermark: UtcMicros, revised: u64) -> VantageHead {
    VantageHead { revised: Some(revised), ..head_at(watermark, NOON) }
}

fn asked(of: &[(&str, usize)]) -> Vec<(String, usize)> {
    of.iter().map(|(partition, count)| ((*partition).to_owned(), *count)).collect()
}

const DAYS: &str = "panes/1d/local";
const CHANGES: (&str, usize) = ("changes/local", 0);
const HEADS: (&str, usize) = (keys::HEADS, 1);

#[tokio::test]
async fn a_punctual_round_costs_two_minutes_a_head_and_the_changes() {
    let (world, store, service) = filled().await;
    service.refresh(NOW).await.unwrap();
    let table = (keys::SERIES, 1);
    let [minutes, hours, days] = [("panes/1m/local", 30), ("panes/1h/local", 12), (DAYS, 7)];
    let mut first = store.asked();
    let older = first.split_off(7);
    assert_eq!(first, asked(&[HEADS, minutes, table, hours, days, CHANGES, HEADS]), "the newest, and a week");
    let pieces: Vec<usize> = older.iter().filter(|(partition, _)| partition == DAYS).map(|(_, count)| *count).collect();
    assert!(pieces.iter().all(|count| *count <= 2), "then piece by piece: {older:?}");
    assert_eq!(
        (pieces.iter().sum::<usize>(), older.len()),
        (293, 2 * pieces.len()),
        "everything, once, and a head with each"
    );
    // Nothing new: all heads, which are listed together.
    for seconds in [1, 60, 4_000] {
        service.refresh(NOW + seconds * SECOND).await.unwrap();
        assert_eq!(store.asked(), asked(&[HEADS]));
    }
    // However long ago everything was listed, a round that changes nothing old asks for nothing old.
    let says_so = VantageHead { old_days_revised: Some(0), ..head(NOW + 4_000 * SECOND, 0) };
    world.head("local", &says_so).await;
    service.refresh(NOW + 4_000 * SECOND).await.unwrap();
    assert_eq!(store.asked(), asked(&[HEADS, ("panes/1m/local", 2), CHANGES, HEADS]));
}

#[tokio::test]
async fn a_late_round_is_seen_at_once_but_lists_everything_at_most_every_ten_seconds() {
    let (world, store, service) = filled().await;
    service.refresh(NOW).await.unwrap();
    store.asked();
    let old = NOW.floor(MINUTE) - 20 * MINUTE;
    let late = async |count: usize, version: u64| {
        world.pane("local", Pane::Minute, &pane_of(old, "eu-west-1", Family::V4, &vec![5; count], 0)).await;
        world.head("local", &head(NOW, version)).await;
    };
    let seen = async |at: i64| {
        service.refresh(NOW + at * SECOND).await.unwrap();
        store.asked().iter().any(|(partition, count)| partition == "panes/1m/local" && *count == 30)
    };
    late(4, 2).await;
    assert!(seen(20).await, "at once, since everything was listed 20 s ago");
    late(5, 3).await;
    assert!(!seen(21).await);
    assert!(!seen(25).await, "a head that is as it was before, and too early");
    assert!(seen(30).await, "though no further round has come");
    assert!(!seen(60).await, "and then no more");
}

/// A year of days of each vantage point, read whenever an hour is folded, would be most of what is read.
#[tokio::test]
async fn folding_lists_the_youngest_days_and_only_a_day_that_changed_long_after_lists_all() {
    let (world, store, service) = filled().await;
    let head = |watermark, revised, old_days_revised| VantageHead {
        old_days_revised: Some(old_days_revised),
        ..head(watermark, revised)
    };
    world.head("local", &head(NOW, 2, 0)).await;
    service.refresh(NOW).await.unwrap();
    store.asked();
    let days = |asked: Vec<(String, usize)>| -> usize {
        asked.iter().filter(|(partition, _)| partition == DAYS).map(|(_, count)| count).sum()
    };
    for hour in 1..30_u64 {
        let at = NOW + hour.cast_signed() * 60 * MINUTE;
        let folded_until = at.floor(Pane::Hour.micros());
        let folded = VantageHead {
            folded_until,
            hours_folded_until: folded_until.floor(Pane::Day.micros()),
            ..head(at, 2 + hour, 0)
        };
        world.head("local", &folded).await;
        service.refresh(at).await.unwrap();
        let listed = days(store.asked());
        assert!((1..=3).contains(&listed), "hour {hour}: {listed} days");
    }
    let at = NOW + 30 * 60 * MINUTE;
    world.head("local", &head(at, 32, 32)).await;
    service.refresh(at).await.unwrap();
    assert_eq!(days(store.asked()), 300);
}

#[tokio::test]
async fn nobody_waits_for_the_oldest_day_and_no_window_is_shown_in_part() {
    let (mut world, store, service) = filled().await;
    world.service = service;
    let answered = async || {
        let mut windows = Vec::new();
        for window in ["5m", "1d", "7d", "30d", "365d"] {
            let matrix = world.get(&format!("/api/v1/matrix?window={window}")).await;
            if matrix.status == 503 {
                assert_eq!(matrix.header("retry-after"), "10");
                continue;
            }
            windows.push((window, matrix.ok()["cells"][0]["count"].as_u64().unwrap()));
        }
        windows
    };
    store.slow.store(true, Ordering::Relaxed);
    world.service.refresh(NOW).await.unwrap();
    // Three round-trip times a pane: 5 minutes; 12 hours and the minutes of this one; 7 days and what is not folded yet.
    let whole = answered().await;
    assert_eq!(whole.iter().map(|(window, _)| *window).collect::<Vec<_>>(), ["5m", "1d", "7d"], "{whole:?}");
    store.slow.store(false, Ordering::Relaxed);
    world.service.refresh(NOW).await.unwrap();
    let all = answered().await;
    assert_eq!(all[..3], whole);
    let (month, year) = (all[3].1 - all[2].1, all[4].1 - all[3].1);
    assert_eq!((month, year), (3 * 23, 3 * 270), "23 days more, and 270 more");
}

/// A table of few reads a second may refuse in the middle of every reading.
#[tokio::test]
async fn a_store_that_gives_up_early_is_read_in_the_end() {
    let (mut world, store, service) = filled().await;
    world.service = service;
    let minute = NOW.floor(MINUTE) - MINUTE;
    world.pane("other", Pane::Minute, &pane_of(minute, "eu-west-1", Family::V4, &[5; 3], 0)).await;
    world.head("other", &head(NOW, 0)).await;
    let refresh = async |lists: usize| {
        store.lists_left.store(lists, Ordering::Relaxed);
        world.service.refresh(NOW).await
    };
    // The heads, and minutes, hours, days and changes of the first.
    refresh(6).await.unwrap_err();
    let detail = world.get("/api/v1/matrix?window=5m").await.problem(503);
    assert!(detail.contains("no answers yet"), "{detail}");
    refresh(6).await.unwrap();
    let cells = world.get("/api/v1/matrix?window=5m").await.ok()["cells"].clone();
    assert_eq!(cells.as_array().unwrap().len(), 2, "what was read of the first was kept");
    world.get("/api/v1/matrix?window=365d").await.problem(503);
    // 180 pieces of two days each.
    for _ in 0..4 {
        refresh(100).await.unwrap();
    }
    world.get("/api/v1/matrix?window=365d").await.ok();
}

/// An item that is no pane is told, and keeps no other vantage point from its year.
#[tokio::test]
async fn a_broken_day_costs_its_own_vantage_point_the_year() {
    let (mut world, store, service) = filled().await;
    world.service = service;
    let bad = Key::new(DAYS, keys::pane_start(NOW.floor(Pane::Day.micros()) - 100 * Pane::Day.micros()));
    let version = store.store.get(&bad).await.unwrap().unwrap().version;
    let write = Write { key: bad, expect: Expect::Version(version), change: Change::Put("no pane".into()) };
    store.store.commit(vec![write]).await.unwrap();
    let day = NOW.floor(Pane::Day.micros()) - 200 * Pane::Day.micros();
    world.pane("other", Pane::Day, &pane_of(day, "eu-west-1", Family::V4, &[5; 3], 0)).await;
    world.head("other", &head(NOW, 0)).await;
    world.service.refresh(NOW).await.unwrap();
    let cells = world.get("/api/v1/matrix?window=365d").await.ok()["cells"].clone();
    assert_eq!((cells.as_array().unwrap().len(), &cells[0]["source"]), (1, &"other".into()));
    let health = world.get("/healthz").await;
    assert!(health.body.contains("panes/1d/local"), "{}", health.body);
}

/// DynamoDB may show the head of a commit before its panes.
#[tokio::test]
async fn what_changed_under_a_head_seen_for_the_first_time_is_listed_once_more() {
    let (world, store, service) = filled().await;
    service.refresh(NOW).await.unwrap();
    world.head("local", &head(NOW, 2)).await;
    let hours =
        |asked: Vec<(String, usize)>| asked.iter().filter(|(partition, _)| partition == "panes/1h/local").count();
    for (at, listed) in [(20, 1), (25, 0), (31, 1), (60, 0)] {
        store.asked();
        service.refresh(NOW + at * SECOND).await.unwrap();
        assert_eq!(hours(store.asked()), listed, "{at} s");
    }
}
