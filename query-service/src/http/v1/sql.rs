//! `POST /api/v1/sql` with `{"query": …}` and `GET /api/v1/sql?q=…`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use cloudping_schemas::api::SqlRequest;

use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::service::Shared;
use crate::sql::Format;

pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = Params::read(&uri, &["q", "format"])?;
    let query = params.required("q", "one SQL statement")?.to_owned();
    answer(&shared, &params, &headers, query).await
}

pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<SqlRequest>, JsonRejection>,
) -> Result<Response, Failure> {
    let params = Params::read(&uri, &["format"])?;
    let Json(request) = body.map_err(|rejection| {
        let text = format!("{}; expected a JSON object {{\"query\": \"SELECT …\"}}", rejection.body_text());
        Failure::new(rejection.status(), text)
    })?;
    answer(&shared, &params, &headers, request.query).await
}

async fn answer(shared: &Shared, params: &Params, headers: &HeaderMap, query: String) -> Result<Response, Failure> {
    let (format, content_type) = match params.csv(headers)? {
        true => (Format::Csv, "text/csv; charset=utf-8"),
        false => (Format::Json, "application/json"),
    };
    let answer = shared.door.query(query, format, shared.clock).await?;
    // CSV has no place of its own for this.
    let truncated = [("cloudping-truncated", answer.truncated.to_string())];
    Ok(([(header::CONTENT_TYPE, content_type)], truncated, answer.body).into_response())
}
