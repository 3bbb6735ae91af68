//! `GET /api/v1/stream`: live changes as Server-Sent Events.
//!
//! The first event `cell` holds every selected cell, later ones those that changed, some ten events a second at most. A pair that has
//! left the window comes once more with nothing sent. Route changes of the selected pairs that are found from then on come as events
//! `change`, gaps that the selected vantage points report as events `gap`.
//!
//! Clients with the same selection share a channel ([`hub`]): what is new is found and written once, and its bytes are shared. Nothing
//! is queued for a client ([`state`]): one that reads slowly gets everything since what it had, in one piece, when it is ready for it.
//! Likewise one that comes back with `Last-Event-ID` while its channel lives; otherwise it gets every cell again.

mod hub;
mod news;
mod state;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use self::hub::Follower;
pub(crate) use self::hub::Hub;
use super::matrix::selection;
use crate::http::parameters::{PERCENTILE, PROTOCOL, SOURCE, TARGET, WINDOW, parameters};
use crate::http::problem::Failure;
use crate::service::Shared;

/// A comment is sent after so long without an event, for whoever stands between and closes what is silent.
const HEARTBEAT: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx to pass on what comes as it comes.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

parameters! {
    /// Parameters of `stream`.
    StreamParams: PERCENTILE, WINDOW, PROTOCOL, SOURCE, TARGET
}

/// Live changes as Server-Sent Events.
///
/// The first event `cell` holds every selected cell (`CellUpdate`), later ones those that changed; a pair that has left the window comes
/// once more with nothing sent. Route changes that are found from then on come as events `change` (`RouteChanges`), gaps that vantage
/// points report as events `gap` (`Gaps`). Who comes back with the header `Last-Event-ID` soon enough gets what it has missed, else
/// every cell again. A comment is sent every 15 seconds when nothing happens.
#[utoipa::path(get, path = "/api/v1/stream", tag = "live", params(StreamParams), responses(
    (status = 200, description = "Events without end.", body = String, content_type = "text/event-stream"),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = StreamParams::read(&uri)?;
    let selection = selection(&params)?;
    let full = |text: &str| Failure::new(StatusCode::SERVICE_UNAVAILABLE, text);
    let place = Arc::clone(&shared.streams).try_acquire_owned().map_err(|_| {
        full("as many clients as may follow the stream are following it: try again later, or poll /api/v1/matrix")
    })?;
    let last = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let follower = shared.hub.follow(&shared, selection, last).ok_or_else(|| {
        full("as many different selections as may be followed are: follow fewer, such as whole sources, or poll /api/v1/matrix")
    })?;
    let events = stream::unfold((follower, place), |(follower, place)| next(follower, place));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (BUFFERING, "no"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

type Next = Option<(Result<Bytes, std::convert::Infallible>, (Follower, OwnedSemaphorePermit))>;

/// What is sent next; `None` when the service shuts down.
async fn next(mut follower: Follower, place: OwnedSemaphorePermit) -> Next {
    let events = match timeout(HEARTBEAT, follower.next()).await {
        Ok(events) => events?,
        Err(_silent) => Bytes::from_static(b":\n\n"),
    };
    Some((Ok(events), (follower, place)))
}
