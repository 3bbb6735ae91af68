//! `GET /api/v1/gateways`: the UDP gateways, as they say of themselves.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use cloudping_schemas::api::Gateways;

use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::service::Shared;
use crate::text::rfc3339;

/// The UDP gateways: what they receive, whom they hand it to, and how well that goes.
///
/// Each says it of itself, half a second ago at most. One that says nothing is here with its `error` and what it said last.
#[utoipa::path(get, path = "/api/v1/gateways", tag = "live", responses(
    (status = 200, description = "All of them; none where the service was given none.", body = Gateways),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Gateways>, Failure> {
    Params::read(&uri, &[])?;
    let seen = shared.gateways.seen(shared.clock).await;
    let seen = seen.map_err(|error| Failure::internal(&format!("gateways: {error}")))?;
    let simulated = shared.settings.simulated;
    Ok(Json(Gateways { simulated, as_of: rfc3339(seen.at), gateways: seen.gateways }))
}
