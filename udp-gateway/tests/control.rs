//! The control API, beside datagrams that flow.

mod support;

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use cloudping_schemas::api::GatewayState;
use cloudping_udp_gateway::control::router;
use serde_json::Value;
use support::{World, config, receive, socket, start, until};
use tower::ServiceExt;

async fn ask(router: &Router, method: &str, path: &str, body: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let answer = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = answer.status();
    let text = String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap();
    (status, text)
}

fn detail(text: &str) -> String {
    serde_json::from_str::<Value>(text).unwrap()["detail"].as_str().unwrap().to_owned()
}

const SET: &str = r#"{"target":"in-process:test"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn targets_come_and_go_and_the_state_says_who_serves() {
    let world = World::default();
    let gateway = start(&config("", "batching = { count = 1 }\n"), &world);
    let (to, router) = (gateway.listeners()[0].address, router(gateway.shared().clone(), None));
    let path = "/v1/destinations/d/targets/us-east-1";
    let (status, text) = ask(&router, "PUT", path, SET).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let client = socket();
    client.send_to(b"test", to).unwrap();
    assert_eq!(receive(&client), "us-east-1");
    ask(&router, "PUT", "/v1/destinations/d/targets/*", SET).await;
    client.send_to(b"test", to).unwrap();
    assert_eq!(receive(&client), "eu-west-1", "* stands where the gateway is");

    let state: GatewayState = serde_json::from_str(&ask(&router, "GET", "/v1/state", "").await.1).unwrap();
    let destination = &state.destinations[0];
    assert_eq!(destination.serving.as_deref(), Some("*"));
    assert_eq!((destination.offered, destination.delivered, destination.waiting), (2, 2, 0));
    let targets: Vec<(&str, u64)> = destination.targets.iter().map(|it| (&*it.region, it.packets)).collect();
    assert_eq!(targets, [("*", 1), ("us-east-1", 1)]);

    let (status, page) = ask(&router, "GET", "/metrics", "").await;
    assert_eq!(status, StatusCode::OK);
    for line in [
        "cloudping_gateway_delivered_total{region=\"eu-west-1\",destination=\"d\"} 2",
        "cloudping_gateway_target_packets_total{region=\"eu-west-1\",destination=\"d\",target_region=\"us-east-1\"} 1",
    ] {
        assert!(page.contains(line), "{page}");
    }
    assert_eq!(ask(&router, "DELETE", path, "").await.0, StatusCode::OK);
    assert_eq!(ask(&router, "DELETE", path, "").await.0, StatusCode::NOT_FOUND);
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let gateway = start(&config("", "target = \"in-process:test\"\n"), &World::default());
    let router = router(gateway.shared().clone(), None);
    for (path, body, status, expected) in [
        ("x/targets/*", SET, 404, "there is no destination \"x\", expected one of [\"d\"]"),
        ("d/targets/moon-1", SET, 422, "region is \"moon-1\", expected * or a region of the catalogue"),
        ("d/targets/*", r#"{"target":"arn:aws:sqs:eu-west-1:123456789012:q"}"#, 422, "target is \"arn:aws:sqs"),
        ("d/targets/*", r#"{"target":"in-process:x"}"#, 422, "there is no handler \"x\" in this program"),
        (
            "d/targets/*",
            r#"{"target":"arn:aws:lambda:eu-west-1:123456789012:function:f"}"#,
            422,
            "this program has no targets such as arn:aws:lambda",
        ),
        ("d/targets/*", r#"{"arn":"x"}"#, 422, "Failed to deserialize"),
        ("d/targets/*", "", 400, "Failed to parse"),
    ] {
        let (got, text) = ask(&router, "PUT", &format!("/v1/destinations/{path}"), body).await;
        assert_eq!(got.as_u16(), status, "{path} {body}: {text}");
        assert!(detail(&text).starts_with(expected), "{text}");
    }
    assert_eq!(ask(&router, "GET", "/x", "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&router, "POST", "/v1/state", "").await.0, StatusCode::NOT_FOUND);
    let targets = gateway.destinations()[0].targets(std::time::Instant::now());
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].address.to_string(), "in-process:test");
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_who_knows_the_token_is_answered() {
    let gateway = start(&config("", "target = \"in-process:test\"\n"), &World::default());
    let router = router(gateway.shared().clone(), Some("secret"));
    for (given, status) in
        [(None, 401), (Some("Bearer secre"), 401), (Some("secret"), 401), (Some("Bearer secret"), 200)]
    {
        let mut request = Request::builder().uri("/v1/state");
        if let Some(given) = given {
            request = request.header("authorization", given);
        }
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{given:?}");
    }
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn changes_outlive_the_process_and_a_full_disk_refuses_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let head = format!("state_file = {:?}", file.to_str().unwrap());
    let config = config(&head, "batching = { count = 1 }\ntarget = \"in-process:test\"\n");
    let world = World::default();
    let gateway = start(&config, &world);
    let routes = router(gateway.shared().clone(), None);
    ask(&routes, "PUT", "/v1/destinations/d/targets/us-east-1", SET).await;
    ask(&routes, "DELETE", "/v1/destinations/d/targets/*", "").await;
    std::os::unix::fs::symlink("/dev/full", folder.path().join("state.json.new")).unwrap();
    let (status, text) = ask(&routes, "PUT", "/v1/destinations/d/targets/eu-west-1", SET).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(detail(&text).contains("nothing is changed"), "{text}");
    gateway.stop().await.unwrap();

    let gateway = start(&config, &world);
    let client = socket();
    client.send_to(b"test", gateway.listeners()[0].address).unwrap();
    assert_eq!(receive(&client), "us-east-1");
    assert_eq!(gateway.destinations()[0].targets(std::time::Instant::now()).len(), 1);
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn changes_drop_no_datagram() {
    let world = World::default();
    let gateway =
        start(&config("", "batching = { count = 7, timeout_seconds = 0.01 }\ntarget = \"in-process:test\"\n"), &world);
    let (to, routes) = (gateway.listeners()[0].address, router(gateway.shared().clone(), None));
    let sending = std::thread::spawn(move || {
        let client = socket();
        for _ in 0..5_000 {
            client.send_to(b"test", to).unwrap();
            std::thread::sleep(Duration::from_micros(50));
        }
    });
    while !sending.is_finished() {
        ask(&routes, "PUT", "/v1/destinations/d/targets/eu-west-1", SET).await;
        ask(&routes, "DELETE", "/v1/destinations/d/targets/eu-west-1", "").await;
    }
    let destination = &gateway.destinations()[0];
    until("all are delivered", || destination.tally.delivered.get() == 5_000).await;
    assert_eq!(world.total(), 5_000);
    gateway.stop().await.unwrap();
}
