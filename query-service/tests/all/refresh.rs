//! Readings of a live store that changes, fails or holds nonsense.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::*;
use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use cloudping_model::{Family, Pane, UtcMicros};
use cloudping_ports::{Change, CommitError, Expect, Item, Key, LiveStore, StoreError, Write};
use cloudping_query_service::{Service, Settings};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::stored::keys;
use cloudping_testkit::{FaultPlan, Faulty, MemoryStore, Operation, When};
use serde_json::{Value, json};
use tower::ServiceExt;

/// A late round changes an old minute and its hour: seen at the latest when ten seconds have passed.
#[tokio::test]
async fn a_late_round_is_seen() {
    let world = World::new();
    let start = NOW.floor(MINUTE) - 20 * MINUTE;
    world.pane("local", Pane::Minute, &pane_of(start, "eu-west-1", Family::V4, &[5; 3], 0)).await;
    world.head("local", &head_at(NOW, NOON)).await;
    world.service.refresh(NOW).await.unwrap();
    world.pane("local", Pane::Minute, &pane_of(start, "eu-west-1", Family::V4, &[5; 4], 0)).await;
    world.head("local", &head_at(NOW, NOON)).await;
    let count = async |at: UtcMicros| {
        world.service.refresh(at).await.unwrap();
        world.get("/api/v1/matrix?window=1h").await.ok()["cells"][0]["count"].clone()
    };
    assert_eq!(count(NOW + SECOND).await, 3);
    assert_eq!(count(NOW + 11 * SECOND).await, 4);
}

#[tokio::test]
async fn a_broken_item_hides_nothing_else_and_is_reported() {
    let world = World::new();
    world.fill().await;
    let key = Key::new(keys::panes(&vantage("us-east-1"), Pane::Minute), keys::pane_start(NOW.floor(MINUTE)));
    world.put(key, vec![0xff; 9]).await;
    world.head("us-east-1", &head_at(NOW, NOON)).await;
    world.service.refresh(NOW).await.unwrap();
    let matrix = world.get("/api/v1/matrix").await.ok();
    assert_eq!(matrix["cells"].as_array().unwrap().len(), 2);
    let health = world.get("/healthz").await;
    assert_eq!(health.status, 503);
    assert!(health.json()["reasons"][0].as_str().unwrap().starts_with("panes/1m/us-east-1/"), "{}", health.body);
}

/// A store in which a commit falls between the reading of a head and of its panes, as often as it is told.
struct Interleaved {
    store: Arc<MemoryStore>,
    commits: Mutex<Vec<Vec<Write>>>,
}

#[async_trait]
impl LiveStore for Interleaved {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.store.get(key).await
    }

    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        let next = if partition == keys::HEADS { None } else { self.commits.lock().unwrap().pop() };
        if let Some(writes) = next {
            self.store.commit(writes).await.unwrap();
        }
        self.store.list(partition, sort).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.store.commit(writes).await
    }
}

/// The fold of a minute into its hour must not be seen by half.
#[tokio::test]
async fn a_commit_in_the_midst_of_a_reading_is_not_seen_by_half() {
    let world = World::new();
    let (at, hour) = (NOON + MINUTE, keys::panes(&vantage("local"), Pane::Hour));
    let pane = |start, count| pane_of(start, "eu-west-1", Family::V4, &vec![7; count], 0);
    world.pane("local", Pane::Minute, &pane(NOON, 10)).await;
    world.pane("local", Pane::Minute, &pane(at, 10)).await;
    world.pane("local", Pane::Hour, &pane(NOON, 10)).await;
    world.head("local", &head_at(NOW, at)).await;
    let mut table = world.table("local").await;
    let put = |partition: &str, sort: &str, value: Vec<u8>| Write {
        key: Key::new(partition, sort),
        expect: Expect::Version(1),
        change: Change::Put(value.into()),
    };
    let fold = vec![
        put(&hour, &keys::pane_start(NOON), pane(NOON, 20).encode(&mut table)),
        put(keys::HEADS, "local", head_at(NOW, at + MINUTE).encode()),
    ];
    let store = Arc::new(Interleaved { store: Arc::clone(&world.store), commits: Mutex::new(vec![fold]) });
    let url = format!("file://{}/tables", world.folder.path().display());
    let settings = Settings::new(true, Catalogue::built_in().unwrap(), Vec::new(), url);
    let service = Service::new(settings, store, now).unwrap();
    service.refresh(NOW).await.unwrap();
    let request = Request::get("/api/v1/matrix?window=1d").body(Body::empty()).unwrap();
    let response = service.router().oneshot(request).await.unwrap();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let matrix: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(matrix["cells"][0]["count"], 20);
}

#[tokio::test]
async fn an_unreadable_store_is_degraded_and_the_last_view_stays() {
    let world = World::new();
    world.fill().await;
    let store = Arc::new(Faulty::new(Arc::clone(&world.store), FaultPlan::none()));
    let url = format!("file://{}/tables", world.folder.path().display());
    let settings = Settings::new(true, Catalogue::built_in().unwrap(), Vec::new(), url);
    let service = Service::new(settings, Arc::clone(&store) as _, now).unwrap();
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = service.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    service.refresh(NOW).await.unwrap();
    assert_eq!(get("/healthz").await.0, 200);
    store.fail_next(Operation::List, When::BeforeActing);
    service.refresh(NOW).await.unwrap_err();
    let (status, health) = get("/healthz").await;
    assert_eq!((status, &health["reasons"]), (503, &json!(["the live store cannot be read"])));
    assert_eq!(get("/api/v1/matrix").await.1["cells"].as_array().unwrap().len(), 2);
    store.fail_next(Operation::List, When::BeforeActing);
    assert_eq!(get("/api/v1/coverage").await.0, 503);
    service.refresh(NOW).await.unwrap();
    assert_eq!(get("/healthz").await.0, 200);
}

/// A store that takes requests and never answers.
struct Hanging;

#[async_trait]
impl LiveStore for Hanging {
    async fn get(&self, _: &Key) -> Result<Option<Item>, StoreError> {
        std::future::pending().await
    }

    async fn list(&self, _: &str, _: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        std::future::pending().await
    }

    async fn commit(&self, _: Vec<Write>) -> Result<(), CommitError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn health_is_told_although_the_store_hangs() {
    let settings = Settings::new(true, Catalogue::built_in().unwrap(), Vec::new(), "file:///nowhere".to_owned());
    let service = Service::new(settings, Arc::new(Hanging), now).unwrap();
    let request = Request::get("/healthz").body(Body::empty()).unwrap();
    let response = tokio::time::timeout(Duration::from_secs(5), service.router().oneshot(request)).await;
    assert!(response.is_ok(), "no answer in five seconds");
}
