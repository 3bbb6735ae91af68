//! The line of each request, its id, and that no key stands in any log.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::common::*;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use cloudping_query_service::access::keys::{self, NewKey};
use cloudping_query_service::access::{Scope, Secret};
use serde_json::Value;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::fmt::MakeWriter;

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of requests.
    fn requests(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["target"] == "access").collect()
    }
}

/// Everything that is logged, however small.
async fn logged(work: impl Future<Output = ()>) -> Lines {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .finish();
    work.with_subscriber(subscriber).await;
    lines
}

async fn key(world: &World) -> Secret {
    let new = NewKey {
        name: "test".to_owned(),
        scopes: vec![Scope::Read, Scope::Sql],
        light: None,
        heavy: None,
        requests_a_day: None,
        sql_a_day: None,
        expires_at: None,
    };
    keys::create(world.store.as_ref(), new, NOW).await.unwrap()
}

#[tokio::test]
async fn a_request_is_one_line_with_what_went_out() {
    let world = World::new();
    world.fill().await;
    let secret = key(&world).await;
    let peer: SocketAddr = "198.51.100.7:4711".parse().unwrap();
    let lines = logged(async {
        let request = Request::get("/api/v1/matrix?percentile=p99").extension(ConnectInfo(peer));
        let request = request.header("x-api-key", secret.to_text()).header("x-request-id", "mine-1");
        let answer = world.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-request-id")), (200, "mine-1"));
        let answer = world.get("/api/v1/nothing").await;
        let id = answer.header("x-request-id").to_owned();
        assert_eq!((id.len(), answer.json()["request_id"].as_str()), (32, Some(id.as_str())));
        let other = world.get("/healthz").await;
        assert!(other.header("x-request-id") != id);
    })
    .await;
    let requests = lines.requests();
    assert_eq!(requests.len(), 3);
    let line = &requests[0];
    for (field, value) in [
        ("request_id", "mine-1"),
        ("method", "GET"),
        ("path", "/api/v1/matrix"),
        ("query", "percentile=p99"),
        ("address", "198.51.100.7"),
        ("key", &secret.id().to_string()),
    ] {
        assert_eq!(line[field], value, "{line}");
    }
    assert_eq!(line["status"], 200);
    assert!(line["bytes"].as_u64() > Some(300) && line["ms"].as_f64() >= Some(0.0), "{line}");
    assert_eq!((&requests[1]["status"], &requests[1]["key"]), (&404.into(), &Value::Null));
}

#[tokio::test]
async fn an_answer_that_is_given_up_is_logged_too() {
    let world = World::new();
    let lines = logged(async {
        use tower::ServiceExt;
        let request = Request::get("/api/v1/matrix").body(Body::empty()).unwrap();
        let response = world.service.router().oneshot(request).await.unwrap();
        drop(response);
        // A body that never comes.
        let body = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let request = Request::post("/api/v1/sql").header("content-type", "application/json").body(body).unwrap();
        let mut asked = std::pin::pin!(world.service.router().oneshot(request));
        assert!(futures::poll!(asked.as_mut()).is_pending());
    })
    .await;
    let statuses: Vec<Value> = lines.requests().iter().map(|line| line["status"].clone()).collect();
    assert_eq!(statuses, [200, 499]);
    assert_eq!(lines.requests()[0]["bytes"], 0);
}

#[tokio::test]
async fn no_key_stands_in_any_line_however_it_was_sent() {
    let world = World::new();
    let secret = key(&world).await;
    let text = secret.to_text();
    let unknown = Secret::generate().unwrap().to_text();
    let lines = logged(async {
        for (path, header, value) in [
            ("/api/v1/matrix".to_owned(), "x-api-key", text.clone()),
            ("/api/v1/sql?q=select%201".to_owned(), "authorization", format!("Bearer {text}")),
            ("/api/v1/sql?q=selec".to_owned(), "authorization", format!("Bearer {text}")),
            ("/api/v1/series".to_owned(), "x-api-key", text.clone()),
            ("/api/v1/matrix".to_owned(), "x-api-key", unknown.clone()),
            ("/api/v1/matrix".to_owned(), "x-api-key", text[..70].to_owned()),
            ("/api/v1/matrix".to_owned(), "x-request-id", text.clone()),
            (format!("/api/v1/matrix?key={text}"), "accept", "*/*".to_owned()),
            (format!("/api/v1/matrix?source={text}"), "accept", "*/*".to_owned()),
            (format!("/latencies?x={}", text.replace('_', "%5f")), "accept", "*/*".to_owned()),
            (format!("/api/v1/{text}"), "accept", "*/*".to_owned()),
            (format!("/{}", &text[..40]), "accept", "*/*".to_owned()),
        ] {
            let answer = world.ask(Request::get(path).header(header, value).body(Body::empty()).unwrap()).await;
            assert!(!answer.header("x-request-id").contains("cp_"));
        }
        world.service.gate().flush().await.unwrap();
    })
    .await;
    assert_eq!(lines.requests().len(), 12);
    let all = lines.text();
    for hidden in [&text[3..30], &text[40..67], &unknown[3..30]] {
        assert!(!all.contains(hidden), "a key was logged");
    }
}

#[tokio::test]
async fn the_log_can_be_turned_off() {
    let world = World::with(now, |settings| settings.access.log = false);
    let lines = logged(async {
        let answer = world.get("/api/v1/regions").await;
        assert_eq!(answer.header("x-request-id").len(), 32);
    })
    .await;
    assert!(lines.requests().is_empty());
}
