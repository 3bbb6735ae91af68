//! `GET /status`: whether the numbers are of now.
//!
//! `healthy` only while they are; `starting` before the first, and `degraded` when something is wrong, which `/healthz` then says. The HTTP
//! status is 200 in each case, as it always was: whoever asks wants `latest_update` all the same.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use serde::Serialize;

use crate::service::Shared;

/// Of the API, not of this program.
const VERSION: &str = "1.0.0";

#[derive(Serialize)]
pub(super) struct Status {
    status: &'static str,
    latest_update: Option<String>,
    version: &'static str,
}

pub(super) async fn get(State(shared): State<Arc<Shared>>) -> ([(HeaderName, &'static str); 1], Json<Status>) {
    let health = shared.health((shared.clock)());
    let status = match (health.reasons.is_empty(), &health.latest) {
        (false, _) => "degraded",
        (true, None) => "starting",
        (true, Some(_)) => "healthy",
    };
    let status = Status { status, latest_update: health.latest, version: VERSION };
    ([(header::CACHE_CONTROL, "public, max-age=60")], Json(status))
}
