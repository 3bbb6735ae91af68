//! The stream of live changes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::*;
use axum::body::{Body, Bytes};
use axum::http::Request;
use cloudping_model::{Family, Pane};
use cloudping_query_service::Service;
use cloudping_schemas::stored::LedgerHour;
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tower::ServiceExt;

async fn frames(service: &Service, path: &str, last: Option<&str>) -> impl Stream<Item = Bytes> + Unpin + use<> {
    let request = Request::get(path).header("last-event-id", last.unwrap_or(""));
    let response = service.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body().into_data_stream().map(Result::unwrap)
}

/// The events with their names and ids.
async fn events(service: &Service, path: &str, last: Option<&str>) -> impl Stream<Item = Value> + Unpin + use<> {
    let frames = frames(service, path, last).await;
    frames.flat_map(|frame| {
        let text = String::from_utf8(frame.to_vec()).unwrap();
        assert!(text.ends_with("\n\n"), "{text:?}");
        let events: Vec<Value> = text.split_terminator("\n\n").filter(|event| *event != ":").map(event).collect();
        futures::stream::iter(events)
    })
}

fn event(text: &str) -> Value {
    let fields: BTreeMap<&str, &str> = text.lines().map(|line| line.split_once(": ").unwrap()).collect();
    let mut data: Value = serde_json::from_str(fields["data"]).unwrap();
    data["event"] = fields["event"].into();
    data["id"] = fields.get("id").copied().into();
    data
}

async fn silent(events: &mut (impl Stream + Unpin)) -> bool {
    tokio::time::timeout(Duration::from_secs(5), events.next()).await.is_err()
}

/// Something new of the pair that `World::fill` has measured.
async fn measure(world: &World, rtt_us: u32) {
    let start = NOW.floor(MINUTE);
    world.pane("us-east-1", Pane::Minute, &pane_of(start, "eu-west-1", Family::V4, &[rtt_us], 0)).await;
    world.head("us-east-1", &head_at(NOW, NOON)).await;
    world.service.refresh(NOW).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_stream_tells_everything_then_what_changed_then_what_is_gone() {
    let world = World::new();
    world.fill().await;
    let mut events = events(&world.service, "/api/v1/stream?percentile=max", None).await;
    let first = events.next().await.unwrap();
    assert_eq!(first["cells"].as_array().unwrap().len(), 2);
    assert_eq!(first["as_of"], "2026-01-02T12:30:19.000Z");

    measure(&world, 80_000).await;
    let second = events.next().await.unwrap();
    assert_eq!(second["cells"].as_array().unwrap().len(), 1);
    assert_eq!((&second["cells"][0]["source"], &second["cells"][0]["rtt_ms"]), (&json!("us-east-1"), &json!(80.0)));

    // A refresh without news is no event: the next one is that of the emptied window.
    world.service.refresh(NOW).await.unwrap();
    assert!(silent(&mut events).await);
    world.service.refresh(NOW + HOUR).await.unwrap();
    let third = events.next().await.unwrap();
    let gone = third["cells"].as_array().unwrap();
    assert_eq!(gone.len(), 2);
    assert!(gone.iter().all(|cell| cell["rtt_ms"].is_null() && cell["sent"] == 0));
}

#[tokio::test(start_paused = true)]
async fn the_stream_tells_of_route_changes_that_are_found_from_then_on() {
    let world = World::new();
    world.fill().await;
    world.change(&change_at(NOON, "us-east-1", "eu-west-1")).await;
    world.head("us-east-1", &head_at(NOW, NOON)).await;
    world.service.refresh(NOW).await.unwrap();
    let mut events = events(&world.service, "/api/v1/stream?source=us-east-1&window=30d", None).await;
    assert_eq!(events.next().await.unwrap()["event"], "cell");
    for source in ["us-east-1", "eu-west-1"] {
        world.change(&change_at(NOON + 20 * MINUTE, source, "ap-south-1")).await;
        world.head(source, &head_at(NOW, NOON)).await;
    }
    world.service.refresh(NOW).await.unwrap();
    let found = events.next().await.unwrap();
    let changes = found["changes"].as_array().unwrap();
    assert_eq!((&found["event"], changes.len()), (&json!("change"), 1));
    assert_eq!((&changes[0]["source"], &changes[0]["delta_ms"]), (&json!("us-east-1"), &json!(12.5)));
    world.service.refresh(NOW).await.unwrap();
    assert!(silent(&mut events).await);
}

#[tokio::test(start_paused = true)]
async fn the_stream_tells_of_gaps_that_are_reported_from_then_on() {
    let world = World::new();
    world.fill().await;
    let head = |gaps| {
        let mut head = head_at(NOW, NOON);
        head.ledger.push(LedgerHour { start: NOON, rounds: 9, gaps, ..LedgerHour::default() });
        head
    };
    world.head("us-east-1", &head([0, 1, 0, 0])).await;
    world.service.refresh(NOW).await.unwrap();
    let mut selected = events(&world.service, "/api/v1/stream?source=us-east-1&window=30d", None).await;
    let mut other = events(&world.service, "/api/v1/stream?source=eu-west-1&window=30d", None).await;
    assert_eq!(selected.next().await.unwrap()["event"], "cell");
    assert_eq!(other.next().await.unwrap()["event"], "cell");
    world.head("us-east-1", &head([0, 1, 0, 2])).await;
    world.service.refresh(NOW).await.unwrap();
    let told = selected.next().await.unwrap();
    let gap = json!({"source": "us-east-1", "hour": "2026-01-02T12:00:00.000Z", "reason": "spool_full", "count": 2, "total": 2});
    assert_eq!((&told["event"], &told["gaps"], &told["simulated"]), (&json!("gap"), &json!([gap]), &json!(true)));
    assert!(silent(&mut selected).await && silent(&mut other).await);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_gets_what_was_missed_and_no_more() {
    let world = World::new();
    world.fill().await;
    let path = "/api/v1/stream?percentile=max";
    let mut first = events(&world.service, path, None).await;
    let known = first.next().await.unwrap()["id"].as_str().unwrap().to_owned();
    let mut back = events(&world.service, path, Some(&known)).await;
    assert!(silent(&mut back).await, "nothing was missed");
    drop(back);

    measure(&world, 80_000).await;
    assert_eq!(first.next().await.unwrap()["cells"].as_array().unwrap().len(), 1);
    measure(&world, 90_000).await;
    let newest = first.next().await.unwrap()["id"].clone();
    // Two states were missed: the newest of each cell is told, once.
    let mut back = events(&world.service, path, Some(&known)).await;
    let missed = back.next().await.unwrap();
    assert_eq!((missed["cells"].as_array().unwrap().len(), &missed["cells"][0]["rtt_ms"]), (1, &json!(90.0)));
    assert_eq!(missed["id"], newest);
    assert!(silent(&mut back).await);

    // Ids of another channel, of nobody, and of the future: everything again.
    for id in ["x", "1-1-1", &format!("{known}0"), "18446744073709551616"] {
        let mut back = events(&world.service, path, Some(id)).await;
        assert_eq!(back.next().await.unwrap()["cells"].as_array().unwrap().len(), 2, "{id}");
    }
    let mut other = events(&world.service, "/api/v1/stream?percentile=min", Some(&known)).await;
    assert_eq!(other.next().await.unwrap()["cells"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_channel_outlives_its_last_client_for_a_while() {
    let world = World::new();
    world.fill().await;
    let path = "/api/v1/stream";
    let mut client = events(&world.service, path, None).await;
    let known = client.next().await.unwrap()["id"].as_str().unwrap().to_owned();
    drop(client);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut back = events(&world.service, path, Some(&known)).await;
    assert!(silent(&mut back).await, "nothing was missed");
    drop(back);
    tokio::time::sleep(Duration::from_secs(40)).await;
    let mut late = events(&world.service, path, Some(&known)).await;
    let again = late.next().await.unwrap();
    assert_eq!(again["cells"].as_array().unwrap().len(), 2);
    assert_ne!(again["id"], known.as_str());
}

#[tokio::test(start_paused = true)]
async fn clients_with_the_same_selection_get_the_same_bytes() {
    let world = World::new();
    world.fill().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(frames(&world.service, "/api/v1/stream?percentile=max", None).await);
    }
    for round in 0..3 {
        let mut parts = Vec::new();
        for client in &mut clients {
            parts.push(client.next().await.unwrap());
        }
        assert!(parts.iter().all(|part| part.as_ptr() == parts[0].as_ptr()), "the bytes are not shared: {round}");
        measure(&world, 80_000 + round).await;
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_a_comment() {
    let world = World::new();
    world.fill().await;
    let mut frames = frames(&world.service, "/api/v1/stream", None).await;
    frames.next().await.unwrap();
    let comment = tokio::time::timeout(Duration::from_secs(16), frames.next()).await;
    assert_eq!(comment.unwrap().unwrap(), ":\n\n");
}

#[tokio::test]
async fn the_stream_has_a_bounded_number_of_places() {
    let world = World::with(now, |settings| settings.live.streams = 1);
    world.fill().await;
    let held = events(&world.service, "/api/v1/stream", None).await;
    world.get("/api/v1/stream").await.problem(503);
    drop(held);
    let _again = events(&world.service, "/api/v1/stream", None).await;
}

#[tokio::test]
async fn the_stream_has_a_bounded_number_of_selections() {
    let world = World::with(now, |settings| settings.live.selections = 1);
    world.fill().await;
    let held = events(&world.service, "/api/v1/stream", None).await;
    let _same = events(&world.service, "/api/v1/stream", None).await;
    let detail = world.get("/api/v1/stream?window=1h").await.problem(503);
    assert!(detail.starts_with("as many different selections"), "{detail}");
    drop((held, _same));
    let _other = events(&world.service, "/api/v1/stream?window=1h", None).await;
}
