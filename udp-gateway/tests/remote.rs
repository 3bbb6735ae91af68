//! Targets behind HTTP, and the matrix of a query service.

mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cloudping_schemas::gateway::{Answer, Batch, Reply};
use serde_json::{Value, json};
use support::{World, config, receive, socket, start, until};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A region with an HTTP target that counts what it takes, by the batch's id.
#[derive(Default)]
struct Region {
    name: &'static str,
    /// Datagrams by batch.
    batches: Mutex<HashMap<String, u64>>,
    /// What it does instead of its work.
    mood: Mutex<Mood>,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Mood {
    #[default]
    Well,
    /// It takes connections and says nothing, and has counted nothing.
    Silent,
    /// It counts, and says nothing.
    Mute,
    Refusing,
    Null,
    Garbage,
}

impl Region {
    fn packets(&self) -> u64 {
        self.batches.lock().unwrap().values().sum()
    }

    fn feel(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

async fn take(State(region): State<Arc<Region>>, headers: HeaderMap, body: Bytes) -> Response {
    let mood = *region.mood.lock().unwrap();
    if mood == Mood::Refusing {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if mood == Mood::Silent {
        return std::future::pending().await;
    }
    let batch: Batch<'_> = serde_json::from_slice(&body).unwrap();
    let id = headers["idempotency-key"].to_str().unwrap().to_owned();
    let before = region.batches.lock().unwrap().insert(id, batch.messages.len() as u64);
    assert_eq!(before, None, "no batch comes twice to one target");
    match mood {
        Mood::Mute => std::future::pending().await,
        Mood::Null => "null".into_response(),
        Mood::Garbage => "<html>".into_response(),
        _ => {
            let reply = |tag: &str| Reply {
                tag: tag.to_owned().into(),
                generated_at: None,
                data: region.name.to_owned().into(),
            };
            let replies = batch.messages.iter().map(|message| reply(&message.tag)).collect();
            axum::Json(Answer { replies }).into_response()
        }
    }
}

async fn serve(router: Router) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

async fn region(name: &'static str) -> (Arc<Region>, SocketAddr) {
    let region = Arc::new(Region { name, ..Region::default() });
    let (address, _) = serve(Router::new().route("/", post(take)).with_state(Arc::clone(&region))).await;
    (region, address)
}

/// A query service that says how far the regions are.
#[derive(Default)]
struct Matrix {
    rows: Mutex<Vec<(&'static str, f64)>>,
    asked: AtomicU64,
    away: Mutex<bool>,
}

async fn nearest(State(matrix): State<Arc<Matrix>>, headers: HeaderMap) -> Response {
    matrix.asked.fetch_add(1, SeqCst);
    if *matrix.away.lock().unwrap() {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let rows = matrix.rows.lock().unwrap().clone();
    let tag = format!("{rows:?}").replace('"', "");
    if headers.get("if-none-match").is_some_and(|given| given.as_bytes() == tag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let candidate = |(target, ms): &(&str, f64)| {
        json!({ "target": target, "healthy": true, "reason": null, "rtt_ms": ms, "count": 9, "low_count": false, "sent": 9,
                "lost": 0, "loss": 0.0, "last": null, "age_seconds": 1.0 })
    };
    let candidates: Vec<Value> = rows.iter().map(candidate).collect();
    let body = json!({ "simulated": true, "source": "eu-west-1", "measured": "from_source", "window": "5m", "percentile": "p50",
                       "protocol": "tcp", "as_of": null, "max_loss": 0.05, "max_age": 60.0, "nearest": null,
                       "candidates": candidates });
    ([("etag", tag)], axum::Json(body)).into_response()
}

fn two(a: SocketAddr, b: SocketAddr, more: &str) -> String {
    format!(
        "batching = {{ count = 1 }}\nformatter = \"ascii\"\ntimeout_seconds = 0.3\nbreaker = {{ failures = 2, pause_seconds = 0.2 }}\n\
         {more}\n[destination.targets]\n\"eu-central-1\" = \"http://{a}/\"\n\"us-east-1\" = \"http://{b}/\"\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_go_to_the_nearest_by_the_matrix_and_its_last_answer_is_kept() {
    let ((near, a), (far, b)) = (region("a").await, region("b").await);
    let matrix = Arc::new(Matrix::default());
    *matrix.rows.lock().unwrap() = vec![("eu-central-1", 20.0), ("us-east-1", 80.0)];
    let (address, _) =
        serve(Router::new().route("/api/v1/nearest", get(nearest)).with_state(Arc::clone(&matrix))).await;
    let head = format!("matrix = {{ url = \"http://{address}\", refresh_seconds = 0.1 }}");
    let gateway = start(&config(&head, &two(a, b, "")), &World::default());
    let (to, destination, client) = (gateway.listeners()[0].address, &gateway.destinations()[0], socket());
    let first = || destination.targets(Instant::now())[0].clone();
    until("it is measured", || first().rtt_ms == Some(20.0)).await;
    client.send_to(b"test", to).unwrap();
    assert_eq!(receive(&client), "a");
    *matrix.rows.lock().unwrap() = vec![("eu-central-1", 90.0), ("us-east-1", 80.0)];
    until("the route has changed", || &*first().region == "us-east-1").await;
    client.send_to(b"test", to).unwrap();
    assert_eq!(receive(&client), "b");
    *matrix.away.lock().unwrap() = true;
    let asked = matrix.asked.load(SeqCst);
    until("it has asked in vain", || matrix.asked.load(SeqCst) > asked + 2).await;
    assert_eq!((&*first().region, first().rtt_ms), ("us-east-1", Some(80.0)));
    assert_eq!((near.packets(), far.packets()), (1, 1));
    gateway.stop().await.unwrap();
}

/// Sends datagrams in a steady stream; says when each was answered, and by whom.
fn stream(to: SocketAddr, time: Duration) -> std::thread::JoinHandle<Vec<(Duration, String)>> {
    std::thread::spawn(move || {
        let (client, start) = (socket(), Instant::now());
        client.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut answers = Vec::new();
        while start.elapsed() < time {
            client.send_to(b"test", to).unwrap();
            let mut buffer = [0; 64];
            while let Ok(length) = client.recv(&mut buffer) {
                answers.push((start.elapsed(), String::from_utf8_lossy(&buffer[..length]).into_owned()));
            }
        }
        answers
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_falls_silent_is_left_within_a_second_and_taken_again_when_it_heals() {
    let ((near, a), (far, b)) = (region("a").await, region("b").await);
    let gateway = start(&config("", &two(a, b, "")), &World::default());
    let (to, destination) = (gateway.listeners()[0].address, Arc::clone(&gateway.destinations()[0]));
    let streaming = stream(to, Duration::from_secs(5));
    let start = Instant::now();
    tokio::time::sleep(Duration::from_millis(500)).await;
    near.feel(Mood::Silent);
    let killed = start.elapsed();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    near.feel(Mood::Well);
    let answers = tokio::task::spawn_blocking(move || streaming.join().unwrap()).await.unwrap();
    gateway.stop().await.unwrap();

    let moved = answers.iter().find(|(_, who)| who == "b").expect("the other one took over").0;
    println!("traffic moved {:?} after the region fell silent", moved.saturating_sub(killed));
    assert!(moved < killed + Duration::from_secs(1), "moved at {moved:?}, killed at {killed:?}");
    assert!(answers.last().is_some_and(|(_, who)| who == "a"), "it went back");
    // A silent region has counted nothing, so every datagram was counted exactly once, by one of the two.
    let tally = &destination.tally;
    assert_eq!((tally.failed.get(), tally.no_target.get(), tally.waiting()), (0, 0, 0));
    assert_eq!(near.packets() + far.packets(), tally.offered.get());
    assert!(tally.retried.get() >= 2 && tally.unknown_outcome.get() >= 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_may_have_been_counted_is_counted_once_where_that_is_asked_for() {
    let ((near, a), (far, b)) = (region("a").await, region("b").await);
    let gateway = start(&config("", &two(a, b, "retry_unknown = false")), &World::default());
    let (to, destination) = (gateway.listeners()[0].address, &gateway.destinations()[0]);
    near.feel(Mood::Mute);
    let client = socket();
    for _ in 0..100 {
        client.send_to(b"test", to).unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    until("all are done with", || destination.tally.offered.get() == 100 && destination.tally.waiting() == 0).await;
    let tally = &destination.tally;
    assert!(far.packets() > 0, "traffic moved");
    assert_eq!(tally.delivered.get(), far.packets());
    assert_eq!(near.packets() + far.packets(), 100, "each was counted once");
    assert_eq!(tally.failed.get(), near.packets(), "what the mute one counted is not known here");
    let batches = near.batches.lock().unwrap().clone();
    assert!(far.batches.lock().unwrap().keys().all(|id| !batches.contains_key(id)), "no batch went to both");
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_replies_are_answers_and_a_refusal_is_tried_elsewhere() {
    let ((near, a), (far, b)) = (region("a").await, region("b").await);
    let gateway = start(&config("", &two(a, b, "")), &World::default());
    let (to, destination, client) = (gateway.listeners()[0].address, &gateway.destinations()[0], socket());
    let delivered = |count| move || destination.tally.delivered.get() == count;
    near.feel(Mood::Null);
    client.send_to(b"test", to).unwrap();
    until("null is an answer", delivered(1)).await;
    near.feel(Mood::Garbage);
    client.send_to(b"test", to).unwrap();
    until("garbage was taken", delivered(2)).await;
    assert_eq!((destination.tally.unreadable_answer.get(), far.packets()), (1, 0));
    near.feel(Mood::Refusing);
    client.send_to(b"test", to).unwrap();
    assert_eq!(receive(&client), "b");
    assert_eq!((destination.tally.retried.get(), destination.tally.unknown_outcome.get()), (1, 0));
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_for_a_slow_target_is_dropped_and_counted_and_others_still_get_through() {
    let (slow, a) = region("a").await;
    slow.feel(Mood::Silent);
    let destination = format!(
        "batching = {{ count = 10 }}\ntimeout_seconds = 60\nwaiting_mb = 0.1\nin_flight = 1\ntarget = \"http://{a}/\"\n"
    );
    let gateway = start(&config("", &destination), &World::default());
    let (listener, tally) = (&gateway.listeners()[0], &gateway.destinations()[0].tally);
    let (flood, other) = (socket(), support::bound("127.0.0.2:0".parse().unwrap()));
    for _ in 0..5_000 {
        flood.send_to(&[0; 64], listener.address).unwrap();
    }
    until("the flood is received", || listener.tally.received.get() == 5_000).await;
    // 0.1 MB hold 781 of these, and one sender gets eight ninths.
    assert_eq!((tally.waiting(), tally.unfair_share.get()), (694, 4_306));
    for _ in 0..50 {
        other.send_to(&[0; 64], listener.address).unwrap();
    }
    until("the other one is received", || listener.tally.received.get() == 5_050).await;
    assert_eq!(tally.waiting(), 744, "there is room for who sent nothing yet");
    drop(gateway);
}
