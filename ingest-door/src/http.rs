//! The door over HTTP.

use std::io;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::{Bytes, BytesMut};
use cloudping_schemas::ingest::{Accepted, PATH};
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::door::Door;
use crate::limits::Limits;
use crate::refusal::{Reason, Refusal};
use crate::request::Head;

/// The routes: `POST /v1/rounds`. Every other answer is a problem too, and counted.
pub fn router(door: Door) -> Router {
    Router::new()
        .route(PATH, post(receive))
        .method_not_allowed_fallback(no_such_place)
        .fallback(no_such_place)
        .with_state(door)
}

/// Serves the door, without TLS, until `shutdown` is ready and the requests under way are answered.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    door: Door,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(door)).with_graceful_shutdown(shutdown).await
}

async fn no_such_place(State(door): State<Door>, method: Method, uri: Uri) -> Response {
    let detail = format!("there is nothing for {method} at {}, expected POST at {PATH}", uri.path());
    door.refuse(Refusal::new(Reason::NoSuchPlace, detail), None).into_response()
}

async fn receive(State(door): State<Door>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let head = match door.place().and_then(|place| Ok((Head::read(&parts.headers)?, place))) {
        Ok(head) => head,
        Err(refusal) => return door.refuse(refusal, None).into_response(),
    };
    let (head, _place) = head;
    match take(&door, &head, body).await {
        Ok(rounds) => Json(Accepted { accepted: rounds as u64 }).into_response(),
        Err(refusal) => door.refuse(refusal, Some(&head.vantage)).into_response(),
    }
}

async fn take(door: &Door, head: &Head, body: Body) -> Result<usize, Refusal> {
    head.check(door.now(), door.limits())?;
    door.check_key(&head.vantage, head.fingerprint()).await?;
    let _place = door.place_of(&head.vantage)?;
    let body = read(body, head.length, door.limits()).await?;
    door.take(head, body).await
}

/// The body, which must have the length that was said, and that length is within the limit.
async fn read(body: Body, length: usize, limits: &Limits) -> Result<Bytes, Refusal> {
    let reading = async {
        let mut read = BytesMut::with_capacity(length);
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| Refusal::new(Reason::Body, format!("the body broke off: {error}")))?;
            if read.len() + chunk.len() > length {
                return Err(other_length(length, "more"));
            }
            read.extend_from_slice(&chunk);
        }
        if read.len() < length { Err(other_length(length, "less")) } else { Ok(read.freeze()) }
    };
    let slow = |_elapsed| {
        let detail = format!("the body did not arrive within {:?}", limits.body_time);
        Refusal::new(Reason::TooSlow, detail)
    };
    timeout(limits.body_time, reading).await.map_err(slow)?
}

fn other_length(length: usize, found: &str) -> Refusal {
    let detail = format!("the body has {found} than the {length} bytes that content-length says");
    Refusal::new(Reason::Body, detail).field("content-length", "the number of bytes of the body")
}
