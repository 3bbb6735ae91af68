//! UDP gateways, asked at real HTTP servers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use cloudping_model::UtcMicros;
use cloudping_ports::Secret;
use cloudping_query_service::gateways::controls;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::common::*;

const PATH: &str = "/api/v1/gateways";

/// [`NOW`], and on as the test runs.
fn ticking() -> UtcMicros {
    static START: OnceLock<Instant> = OnceLock::new();
    NOW + i64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap()
}

/// A gateway's control API.
#[derive(Default)]
struct Control {
    asked: AtomicUsize,
    ill: AtomicBool,
}

fn state() -> Value {
    json!({
        "region": "eu-west-1", "as_of": "2026-01-02T12:30:20.000Z",
        "matrix": {"url": "http://127.0.0.1:8080", "age_seconds": 1.5, "regions": 38, "simulated": true, "error": null},
        "displaced_senders": 0,
        "listeners": [{
            "address": "127.0.0.1:2061", "domain": "ingress-1", "receive_buffer_bytes": 1, "received": 12, "received_bytes": 24,
            "not_allowed": 0, "rate_limited": 0, "accepted": 12, "kernel_dropped": 0, "replies": 3, "replies_unsent": 0,
        }],
        "destinations": [{
            "name": "counter", "formatter": "base64", "serving": "us-east-1", "offered": 12, "waiting": 0, "delivered": 12,
            "dropped": {"failed": 0}, "batches": 3, "retried": 0, "unknown_outcome": 0, "unusable_replies": {},
            "targets": [{
                "region": "us-east-1", "target": "in-process:packet-counter", "breaker": "closed", "rtt_ms": null,
                "batches": 3, "packets": 12, "failures": 0, "replies": 3, "last_failure": null,
            }],
        }],
    })
}

async fn answer(State(control): State<Arc<Control>>, headers: HeaderMap) -> Response {
    control.asked.fetch_add(1, Ordering::Relaxed);
    if headers.get("authorization").is_none_or(|value| value != "Bearer open sesame") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if control.ill.load(Ordering::Relaxed) {
        return (StatusCode::INTERNAL_SERVER_ERROR, "its secrets").into_response();
    }
    axum::Json(state()).into_response()
}

/// A server, and its address.
async fn control() -> (Arc<Control>, String) {
    let control = Arc::new(Control::default());
    let app = Router::new()
        .route("/v1/state", get(answer))
        .route("/away/v1/state", get(async || Redirect::temporary("/v1/state")))
        .route("/other/v1/state", get(async || "{}"))
        .route("/slow/v1/state", get(async || std::future::pending::<()>().await))
        .with_state(Arc::clone(&control));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (control, address)
}

fn world(addresses: &[String], token: &str) -> World {
    let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let token = Some(Secret(token.to_owned()));
    World::with(ticking, |settings| settings.gateways = controls(&addresses, token).unwrap())
}

/// Longer than an answer is kept.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(550)).await;
}

#[tokio::test]
async fn a_service_without_gateways_says_so() {
    let answer = World::new().get(PATH).await.ok();
    assert_eq!(answer, json!({"simulated": true, "as_of": "2026-01-02T12:30:20.000Z", "gateways": []}));
}

#[tokio::test]
async fn a_gateway_is_shown_as_it_says_and_as_it_last_said() {
    let (control, address) = control().await;
    let world = world(&[format!("edge-1={address}/")], "open sesame");
    let seen = world.get(PATH).await.ok();
    assert_eq!(seen["gateways"], json!([{"name": "edge-1", "state": state(), "error": null}]));
    control.ill.store(true, Ordering::Relaxed);
    pause().await;
    let ill = world.get(PATH).await.ok();
    let error = "it answered 500 Internal Server Error";
    assert_eq!(ill["gateways"], json!([{"name": "edge-1", "state": state(), "error": error}]));
    assert!(ill["as_of"].as_str() > seen["as_of"].as_str());
    control.ill.store(false, Ordering::Relaxed);
    pause().await;
    assert_eq!(world.get(PATH).await.ok()["gateways"][0]["error"], json!(null));
}

#[tokio::test]
async fn what_cannot_be_asked_is_shown_with_its_error_and_keeps_nobody_waiting() {
    let (_, address) = control().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let places = ["good", "slow", "slower", "away", "other"];
    let path = |name: &str| match name {
        "good" => String::new(),
        "slower" => "/slow".to_owned(),
        name => format!("/{name}"),
    };
    let mut addresses: Vec<String> = places.map(|name| format!("{name}={address}{}", path(name))).into();
    addresses.push(format!("closed=http://{closed}"));
    let before = Instant::now();
    let seen = world(&addresses, "open sesame").get(PATH).await.ok();
    assert!(before.elapsed() < Duration::from_secs(4), "{:?}", before.elapsed());
    let errors: Vec<&str> =
        seen["gateways"].as_array().unwrap().iter().map(|it| it["error"].as_str().unwrap_or("")).collect();
    assert_eq!(errors[0], "");
    assert!(errors[1].starts_with("it cannot be asked: timeout") && errors[2] == errors[1], "{errors:?}");
    assert_eq!(errors[3], "it answered 307 Temporary Redirect");
    assert_eq!(errors[4], "it answered what no gateway of this version does");
    assert!(errors[5].starts_with("it cannot be asked: ") && errors[5].contains("refused"), "{errors:?}");
    let states = seen["gateways"].as_array().unwrap().iter().filter(|it| !it["state"].is_null()).count();
    assert_eq!(states, 1);
}

#[tokio::test]
async fn a_wrong_token_is_said() {
    let (_, address) = control().await;
    let seen = world(&[address], "close sesame").get(PATH).await.ok();
    let error = seen["gateways"][0]["error"].as_str().unwrap();
    assert!(error.starts_with("it wants another token: CLOUDPING_GATEWAY_TOKEN"), "{error}");
}

#[tokio::test]
async fn many_viewers_are_one_question() {
    let (control, address) = control().await;
    let world = world(&[address], "open sesame");
    let answers = futures::future::join_all((0..50).map(|_| world.get(PATH))).await;
    let times: Vec<Value> = answers.into_iter().map(|answer| answer.ok()["as_of"].clone()).collect();
    assert!(times.iter().all(|time| *time == times[0]));
    assert_eq!(control.asked.load(Ordering::Relaxed), 1);
    pause().await;
    assert_ne!(world.get(PATH).await.ok()["as_of"], times[0]);
    assert_eq!(control.asked.load(Ordering::Relaxed), 2);
}
