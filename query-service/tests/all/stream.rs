//! The stream of live changes.

use std::time::Duration;

use crate::common::*;
use axum::body::Body;
use axum::http::Request;
use cloudping_model::{Family, Pane};
use cloudping_query_service::Service;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

async fn events(service: &Service, path: &str) -> impl futures::Stream<Item = Value> + Unpin + use<> {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = service.router().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let frames = response.into_body().into_data_stream();
    frames.map(|frame| {
        let text = String::from_utf8(frame.unwrap().to_vec()).unwrap();
        let (event, data) = text.trim_end().split_once("\ndata: ").unwrap_or_else(|| panic!("{text}"));
        let mut data: Value = serde_json::from_str(data).unwrap();
        data["event"] = event.strip_prefix("event: ").unwrap().into();
        data
    })
}

#[tokio::test(start_paused = true)]
async fn the_stream_tells_everything_then_what_changed_then_what_is_gone() {
    let world = World::new();
    world.fill().await;
    let mut events = events(&world.service, "/api/v1/stream?percentile=max").await;
    let first = events.next().await.unwrap();
    assert_eq!(first["cells"].as_array().unwrap().len(), 2);
    assert_eq!(first["as_of"], "2026-01-02T12:30:19.000Z");

    let start = NOW.floor(MINUTE);
    world.pane("us-east-1", Pane::Minute, &pane_of(start, "eu-west-1", Family::V4, &[80_000], 0)).await;
    world.head("us-east-1", &head_at(NOW, NOON)).await;
    world.service.refresh(NOW).await.unwrap();
    let second = events.next().await.unwrap();
    assert_eq!(second["cells"].as_array().unwrap().len(), 1);
    assert_eq!((&second["cells"][0]["source"], &second["cells"][0]["rtt_ms"]), (&json!("us-east-1"), &json!(80.0)));

    // A refresh without news is no event: the next one is that of the emptied window.
    world.service.refresh(NOW).await.unwrap();
    let silent = tokio::time::timeout(Duration::from_secs(5), events.next()).await;
    assert!(silent.is_err());
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
    let mut events = events(&world.service, "/api/v1/stream?source=us-east-1&window=30d").await;
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
    assert!(tokio::time::timeout(Duration::from_secs(5), events.next()).await.is_err());
}

#[tokio::test]
async fn the_stream_has_a_bounded_number_of_places() {
    let world = World::with(now, |settings| settings.live.streams = 1);
    world.fill().await;
    let held = events(&world.service, "/api/v1/stream").await;
    world.get("/api/v1/stream").await.problem(503);
    drop(held);
    let _again = events(&world.service, "/api/v1/stream").await;
}
