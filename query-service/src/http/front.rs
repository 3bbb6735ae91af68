//! What every request passes first: it is counted, live answers are given from the cache, and every answer of the API that has an end gets an
//! entity tag, of the bytes that go out.

use std::sync::Arc;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::{Instrument, Span};

use super::caching::{self, Keep};
use super::hot::{Finished, Key, Look, Moment, is_live};
use super::problem::Failure;
use crate::metrics::{CacheResult, Left};
use crate::service::Shared;

/// Longer answers are not held back to be hashed: they go out as they are made.
const WHOLE_BYTES: u64 = 8 << 20;

/// On an answer: its body is at hand.
#[derive(Debug, Clone, Copy)]
struct Whole;

/// On an answer: its route's template.
#[derive(Debug, Clone)]
struct Route(Arc<str>);

/// Next to the handlers: notes on the answer what is not known any more where it goes out, and says how long it keeps where the handler did not.
pub(super) async fn note(matched: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let default = default_keep(request.method(), request.uri().path());
    let mut response = next.run(request).await;
    if let Some(matched) = matched {
        response.extensions_mut().insert(Route(Arc::from(matched.as_str())));
    }
    if response.body().size_hint().exact().is_some_and(|bytes| bytes <= WHOLE_BYTES) {
        response.extensions_mut().insert(Whole);
    }
    if response.status().is_success()
        && let Some(keep) = default
    {
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert_with(|| keep.header());
    }
    response
}

fn default_keep(method: &Method, path: &str) -> Option<Keep> {
    let api = path.starts_with("/api/v1/") && [Method::GET, Method::HEAD].contains(method);
    api.then_some(if is_live(path) { Keep::Live } else { Keep::Revalidate })
}

/// Around everything else.
pub(super) async fn front(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let started = (shared.clock)();
    let in_flight = shared.metrics.requests.entered();
    let method = method_name(request.method());
    let span = span(method);
    let (response, route) = answer(&shared, request, next).instrument(span.clone()).await;
    let status = class(response.status());
    let route = route.unwrap_or_else(|| Arc::from("other"));
    if !span.is_disabled() {
        span.record("otel.name", format!("{method} {route}"));
        span.record("http.route", &*route);
        // Signed: others go out as texts.
        span.record("http.response.status_code", i64::from(response.status().as_u16()));
    }
    shared.metrics.requests.left(Left { route, method, status }, (shared.clock)().since(started));
    drop(in_flight);
    response
}

/// A span by OpenTelemetry's conventions. What was asked, beyond the route, is nobody's business.
fn span(method: &'static str) -> Span {
    tracing::debug_span!(
        "request",
        otel.name = tracing::field::Empty,
        otel.kind = "server",
        http.request.method = method,
        http.route = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
    )
}

/// The answer and its route's template.
async fn answer(shared: &Shared, mut request: Request, next: Next) -> (Response, Option<Arc<str>>) {
    let head = request.method() == Method::HEAD;
    if !request.uri().path().starts_with("/api/v1/") || !(head || request.method() == Method::GET) {
        return streamed(next.run(request).await);
    }
    // An entity tag is of the body, so there must be one.
    *request.method_mut() = Method::GET;
    let condition = request.headers().get(header::IF_NONE_MATCH).cloned();
    let keyed = caching::is_keyed(request.headers());
    let made = match Key::of(&request) {
        Some(key) => cached(shared, key, request, next).await,
        None => make(request, next).await,
    };
    let (mut response, route) = match made {
        Made::Whole(finished) => (conditional(&finished, condition.as_ref()), finished.route.clone()),
        Made::Streamed(response) => streamed(response),
    };
    if keyed {
        caching::keep_private(response.headers_mut());
    }
    if head {
        response = without_body(response);
    }
    (response, route)
}

/// An answer to a request of the API.
enum Made {
    /// It is held.
    Whole(Arc<Finished>),
    /// It goes out as it is made, or is an error.
    Streamed(Response),
}

/// From the cache, or into it.
async fn cached(shared: &Shared, key: Key, request: Request, next: Next) -> Made {
    let count = |result| shared.metrics.requests.cached(result);
    let (turn, before) = match shared.hot.look(&key, shared.moment()) {
        Look::Hit(answer) => {
            count(CacheResult::Hit);
            return Made::Whole(answer);
        }
        Look::Aside => {
            count(CacheResult::Aside);
            return make(request, next).await;
        }
        Look::Make { turn, before } => (turn, before),
    };
    let _turn = match (turn.try_lock(), before) {
        (Ok(turn), _) => turn,
        (Err(_), Some(before)) => {
            count(CacheResult::Before);
            return Made::Whole(before);
        }
        (Err(_), None) => turn.lock().await,
    };
    // Whoever had the turn before may have made it.
    let at: Moment = shared.moment();
    match shared.hot.look(&key, at) {
        Look::Hit(answer) => {
            count(CacheResult::Hit);
            return Made::Whole(answer);
        }
        Look::Aside => {
            drop(_turn);
            count(CacheResult::Aside);
            return make(request, next).await;
        }
        Look::Make { .. } => count(CacheResult::Miss),
    }
    let made = make(request, next).await;
    let answer = match &made {
        Made::Whole(answer) => Some(Arc::clone(answer)),
        Made::Streamed(_) => None,
    };
    shared.hot.keep(&key, at, answer);
    made
}

/// The answer, with its tag if it is at hand.
async fn make(request: Request, next: Next) -> Made {
    let response = next.run(request).await;
    let whole = response.extensions().get::<Whole>().is_some() && response.status() == StatusCode::OK;
    // A handler that says which bytes these are knows better.
    if !whole || response.headers().contains_key(header::ETAG) {
        return Made::Streamed(response);
    }
    let (mut parts, body) = response.into_parts();
    let body = match to_bytes(body, usize::MAX).await {
        Ok(body) => body,
        Err(error) => return Made::Streamed(Failure::internal(&error.to_string()).into_response()),
    };
    caching::identify(&mut parts.headers, &body);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let route = parts.extensions.get::<Route>().map(|route| Arc::clone(&route.0));
    Made::Whole(Arc::new(Finished { status: parts.status, headers: parts.headers, body, route }))
}

/// The answer, or that the client has it.
fn conditional(finished: &Finished, condition: Option<&HeaderValue>) -> Response {
    let tag = finished.headers.get(header::ETAG);
    let known = condition.zip(tag).is_some_and(|(condition, tag)| caching::has(condition, tag));
    if !known {
        return finished.response();
    }
    let mut headers: HeaderMap = finished.headers.clone();
    let status = caching::not_modified(&mut headers);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn streamed(response: Response) -> (Response, Option<Arc<str>>) {
    let route = response.extensions().get::<Route>().map(|route| Arc::clone(&route.0));
    (response, route)
}

fn without_body(response: Response) -> Response {
    let (parts, _) = response.into_parts();
    Response::from_parts(parts, Body::empty())
}

/// A name that a client cannot choose.
fn method_name(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"];
    known.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}
