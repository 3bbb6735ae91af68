//! `GET /healthz`: 200 while all is well (`ok`, `starting`), 503 with the reasons when it is not.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::v1::audit;
use crate::service::Shared;

/// The answer does not wait longer for the newest audit: that the live store hangs is what it must be able to say.
const AUDIT_WAIT: Duration = Duration::from_secs(1);

pub(super) async fn get(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let mut health = shared.health((shared.clock)());
    health.audit = tokio::time::timeout(AUDIT_WAIT, audit::newest(&shared)).await.ok().flatten();
    let status = match health.reasons.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(health))
}
