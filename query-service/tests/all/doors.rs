//! What all doors have in common, the dashboard, and the serving loop.

use std::sync::Arc;
use std::time::Duration;

use crate::common::*;
use axum::body::Body;
use axum::http::Request;
use cloudping_query_service::{Service, Settings, serve};
use cloudping_schemas::catalogue::Catalogue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let world = World::new();
    for path in ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v2/matrix"] {
        assert_eq!(world.get(path).await.problem(404), format!("there is nothing at {path}"));
    }
    for path in ["/api/v1/matrix", "/healthz"] {
        let answer = world.ask(Request::delete(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("allow"), "GET,HEAD", "{path}");
        assert_eq!(answer.problem(405), format!("{path} does not answer DELETE"));
    }
}

#[tokio::test]
async fn every_other_path_is_the_dashboard() {
    let world = World::new();
    let index = world.get("/").await;
    assert_eq!((index.status.as_u16(), index.header("content-type")), (200, "text/html"));
    assert!(index.body.contains("<title>cloudping</title>"));
    assert_eq!(index.header("cache-control"), "no-cache");
    let policy = index.header("content-security-policy");
    assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"));
    assert_eq!((index.header("x-content-type-options"), index.header("x-frame-options")), ("nosniff", "DENY"));
    assert!(index.header("content-security-policy").ends_with("frame-ancestors 'none'"));
    let embedded = world.get("/embed/pair/a/b").await;
    assert!(embedded.header("content-security-policy").ends_with("frame-ancestors *"));
    assert!(!embedded.headers.contains_key("x-frame-options"), "{:?}", embedded.headers);
    let pair = world.get("/pair/us-east-1/eu-west-1").await;
    assert_eq!((pair.status.as_u16(), &pair.body), (200, &index.body));
    let etag = Request::get("/").header("if-none-match", index.header("etag"));
    assert_eq!(world.ask(etag.body(Body::empty()).unwrap()).await.status, 304);
}

#[tokio::test]
async fn answers_are_compressed_and_open_to_other_origins() {
    let world = World::new();
    world.fill().await;
    let request =
        Request::get("/api/v1/regions").header("accept-encoding", "gzip").header("origin", "https://example.org");
    let answer = world.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.header("content-encoding"), answer.header("access-control-allow-origin")), ("gzip", "*"));
    assert_eq!(answer.header("cache-control"), "public, max-age=1");
    let preflight = Request::options("/api/v1/sql")
        .header("origin", "https://example.org")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let answer = world.ask(preflight.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-headers")), (200, "content-type"));
}

#[test]
fn a_malformed_address_of_the_tables_is_named() {
    let settings = Settings::new(false, Catalogue::built_in().unwrap(), Vec::new(), "tables");
    let store = Arc::new(cloudping_testkit::MemoryStore::default());
    let error = Service::new(settings, store, now).err().unwrap().to_string();
    assert!(error.starts_with("tables_url is \"tables/samples\", expected an address such as file:///"), "{error}");
}

#[tokio::test]
async fn serving_ends_open_streams_at_shutdown() {
    let world = World::new();
    world.fill().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move { stopped.await.unwrap() };
    let server = tokio::spawn(serve(listener, world.service.clone(), shutdown));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /api/v1/stream HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut received = vec![0; 1 << 16];
    let mut length = 0;
    while !String::from_utf8_lossy(&received[..length]).contains("event: cell") {
        let more = client.read(&mut received[length..]).await.unwrap();
        assert!(more > 0, "{}", String::from_utf8_lossy(&received[..length]));
        length += more;
    }
    assert!(received.starts_with(b"HTTP/1.1 200"));
    stop.send(()).unwrap();
    // Well before the deadline at which open requests are abandoned.
    tokio::time::timeout(Duration::from_secs(3), server).await.unwrap().unwrap().unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
}
