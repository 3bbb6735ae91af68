//! `GET /healthz`: 200 while all is well (`ok`, `starting`), 503 with the reasons when it is not.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::audit;
use crate::service::Shared;

pub(super) async fn get(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let mut health = shared.health((shared.clock)());
    health.audit = audit::newest(&shared).await;
    let status = match health.reasons.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(health))
}
