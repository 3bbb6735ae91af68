//! `POST /api/v1/sql` with `{"query": …}` and `GET /api/v1/sql?q=…`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use cloudping_schemas::api::SqlRequest;

use crate::http::parameters::{Parameter, Shape, parameters};
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::service::Shared;
use crate::sql::Format;

parameters! {
    /// Parameters of `GET sql`.
    SqlGetParams: Q, FORMAT
}
parameters! {
    /// Parameters of `POST sql`.
    SqlPostParams: FORMAT
}
const Q: Parameter = Parameter {
    name: "q",
    about: "One read-only statement.",
    example: "SELECT count(*) FROM samples",
    required: true,
    shape: Shape::Text,
};
const FORMAT: Parameter = Parameter {
    name: "format",
    about: "The form of the answer; it goes before the header `Accept`. Default `json`.",
    example: "json",
    required: false,
    shape: Shape::OneOf(&["json", "csv"]),
};

/// Answers one SQL statement.
#[utoipa::path(get, path = "/api/v1/sql", tag = "history", params(SqlGetParams), responses(
    (status = 200, description = "The rows.", body = Object),
    (status = 413, description = "The statement is too long."),
    (status = 422, description = "The statement takes too long or too much memory."),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = SqlGetParams::read(&uri)?;
    let query = params.required("q", "one SQL statement")?.to_owned();
    answer(&shared, &params, &headers, query).await
}

/// Answers one SQL statement.
#[utoipa::path(post, path = "/api/v1/sql", tag = "history", params(SqlPostParams), request_body = SqlRequest, responses(
    (status = 200, description = "The rows.", body = Object),
    (status = 413, description = "The statement is too long."),
    (status = 415, description = "The body is no JSON."),
    (status = 422, description = "The body is another JSON, or the statement takes too long or too much memory."),
))]
pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<SqlRequest>, JsonRejection>,
) -> Result<Response, Failure> {
    let params = SqlPostParams::read(&uri)?;
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
