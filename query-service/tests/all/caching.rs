//! What is kept, and for how long: entity tags, conditions, encodings, and answers that are given again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use axum::http::{Method, Request};
use cloudping_model::{Family, Pane, UtcMicros};
use cloudping_query_service::access::Scope;

use crate::access::{key, new_key};
use crate::common::*;

const MATRIX: &str = "/api/v1/matrix";

fn request(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    request.body(Body::empty()).unwrap()
}

async fn ask(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    world.ask(request(path, headers)).await
}

async fn filled() -> World {
    let world = World::new();
    world.fill().await;
    world
}

/// One more minute of one pair, and a view of it.
async fn measure(world: &World, rtt_us: u32) {
    let start = NOW.floor(MINUTE);
    world.pane("us-east-1", Pane::Minute, &pane_of(start, "eu-west-1", Family::V4, &[rtt_us], 0)).await;
    world.head("us-east-1", &head_at(NOW, NOON)).await;
    world.service.refresh(NOW).await.unwrap();
}

/// How often the cache gave each result, by the service's own metrics.
async fn cached(world: &World, result: &str) -> u64 {
    let page = world.get("/metrics").await.body;
    let name = format!("cloudping_http_cache_requests_total{{result=\"{result}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn every_answer_of_the_api_has_a_strong_tag_of_its_bytes() {
    let world = filled().await;
    for path in [MATRIX, "/api/v1/regions", "/api/v1/coverage", "/api/v1/changes", "/api/v1/audit"] {
        let answer = world.get(path).await;
        let tag = answer.header("etag").to_owned();
        assert!(tag.len() == 24 && tag.starts_with('"'), "{path}: {tag}");
        assert_eq!(answer.header("vary"), "accept, accept-encoding", "{path}");
        assert_eq!(answer.header("content-length"), answer.bytes.len().to_string(), "{path}");
        let again = ask(&world, path, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status.as_u16(), again.bytes.len(), again.header("etag")), (304, 0, &*tag), "{path}");
        assert_eq!((again.header("content-type"), again.header("content-length")), ("", ""), "{path}");
        assert_eq!(again.header("cache-control"), answer.header("cache-control"), "{path}");
        let other = ask(&world, path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!((other.status.as_u16(), &other.bytes), (200, &answer.bytes), "{path}");
    }
}

#[tokio::test]
async fn each_encoding_and_each_form_has_its_own_tag() {
    let world = filled().await;
    let mut tags = Vec::new();
    for encoding in ["identity", "gzip", "br", "zstd"] {
        let answer = ask(&world, "/api/v1/regions", &[("accept-encoding", encoding)]).await;
        let said = if encoding == "identity" { "" } else { encoding };
        assert_eq!((answer.status.as_u16(), answer.header("content-encoding")), (200, said));
        tags.push(answer.header("etag").to_owned());
        let again = [("accept-encoding", encoding), ("if-none-match", tags.last().unwrap())];
        assert_eq!(ask(&world, "/api/v1/regions", &again).await.status, 304, "{encoding}");
    }
    for form in ["csv", "ndjson", "arrow", "parquet"] {
        tags.push(world.get(&format!("{MATRIX}?format={form}")).await.header("etag").to_owned());
    }
    let distinct: std::collections::BTreeSet<&String> = tags.iter().collect();
    assert_eq!(distinct.len(), tags.len(), "{tags:?}");
}

#[tokio::test]
async fn columns_are_not_compressed_again() {
    let world = filled().await;
    for form in ["arrow", "parquet"] {
        let answer = ask(&world, &format!("{MATRIX}?format={form}"), &[("accept-encoding", "gzip")]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-encoding")), (200, ""), "{form}");
    }
}

#[tokio::test]
async fn what_is_live_keeps_a_second_and_errors_not_at_all() {
    let world = filled().await;
    for (path, expected) in [
        (MATRIX, "public, max-age=1"),
        ("/api/v1/regions", "public, max-age=1"),
        ("/api/v1/audit", "no-cache"),
        ("/api/v1/matrix?percentile=p101", "no-store"),
        ("/api/v1/nothing", "no-store"),
        ("/healthz", "no-store"),
        ("/metrics", "no-store"),
    ] {
        assert_eq!(world.get(path).await.header("cache-control"), expected, "{path}");
    }
    let secret = key(&world, new_key(&[Scope::Read])).await;
    let keyed = ask(&world, MATRIX, &[("x-api-key", &secret.to_text())]).await;
    assert_eq!(keyed.header("cache-control"), "private, max-age=1");
    assert_eq!(world.get(MATRIX).await.header("cache-control"), "public, max-age=1");
    let posted = world.sql("SELECT 1").await;
    assert_eq!((posted.header("cache-control"), posted.header("etag")), ("no-store", ""));
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_body() {
    let world = filled().await;
    let whole = world.get(MATRIX).await;
    let mut head = request(MATRIX, &[]);
    *head.method_mut() = Method::HEAD;
    let head = world.ask(head).await;
    assert_eq!((head.status.as_u16(), head.bytes.len()), (200, 0));
    for name in ["etag", "content-length", "content-type", "cache-control"] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
    let mut post = request(MATRIX, &[]);
    *post.method_mut() = Method::POST;
    assert_eq!(world.ask(post).await.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn an_answer_is_given_again_until_the_next_view() {
    let world = filled().await;
    let first = world.get(MATRIX).await;
    let again = world.get(MATRIX).await;
    assert_eq!((&again.bytes, again.header("cloudping-simulated")), (&first.bytes, "true"));
    assert_eq!((cached(&world, "miss").await, cached(&world, "hit").await), (1, 1));
    measure(&world, 80_000).await;
    let next = world.get("/api/v1/matrix?percentile=max").await.ok();
    assert_eq!(next["cells"][1]["rtt_ms"], 80.0);
    let next = world.get(MATRIX).await;
    assert_ne!((&next.bytes, next.header("etag")), (&first.bytes, first.header("etag")));
    assert_eq!(next.header("access-control-allow-origin"), "*");
    // Refusals are made anew each time.
    for _ in 0..2 {
        world.get("/api/v1/matrix?window=2m").await.problem(400);
    }
    assert_eq!(cached(&world, "aside").await, 1);
}

#[tokio::test]
async fn of_many_that_miss_one_makes_the_answer() {
    let world = Arc::new(filled().await);
    let asks = (0..50).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { ask(&world, MATRIX, &[("accept-encoding", "gzip")]).await.bytes })
    });
    let answers = futures::future::try_join_all(asks).await.unwrap();
    assert!(answers.iter().all(|answer| answer == &answers[0]));
    assert_eq!(cached(&world, "miss").await, 1);
}

static PRESENT: AtomicI64 = AtomicI64::new(NOW.0);

fn present() -> UtcMicros {
    UtcMicros(PRESENT.load(Ordering::SeqCst))
}

#[tokio::test]
async fn an_answer_grows_no_older_than_its_view_may() {
    let world = World::with(present, |_| {});
    world.fill().await;
    let with_cells = async || world.get(MATRIX).await.ok()["cells"].as_array().unwrap().len();
    assert_eq!(with_cells().await, 2);
    // Nothing is read any more: the window ages out all the same.
    PRESENT.fetch_add(2 * SECOND, Ordering::SeqCst);
    assert_eq!((with_cells().await, cached(&world, "hit").await), (2, 1));
    PRESENT.fetch_add(HOUR, Ordering::SeqCst);
    assert_eq!((with_cells().await, cached(&world, "hit").await), (0, 1));
    // The view that was moved to the present is kept as long as any.
    assert_eq!((with_cells().await, cached(&world, "hit").await), (0, 2));
    PRESENT.fetch_add(4 * SECOND, Ordering::SeqCst);
    assert_eq!((with_cells().await, cached(&world, "hit").await), (0, 2));
}
