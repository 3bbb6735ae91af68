//! `POST /api/v1/sql` with `{"query": …, "params": […]}` and `GET /api/v1/sql?q=…`.
//!
//! An answer goes out as it is made. Of a short one everything is known before its first byte: errors are problems, and the header
//! `cloudping-truncated` says whether rows were cut off. Of a long one only JSON can say so, at its end; every other form is broken off
//! where a bound is reached, or where the statement fails, so that the client sees an incomplete answer and not a shorter one.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use cloudping_schemas::api::{SqlRequest, SqlValue};
use datafusion::common::ScalarValue;
use futures::TryStreamExt;

use crate::http::format::Format;
use crate::http::parameters::{FORMAT, Parameter, Shape, parameters};
use crate::http::problem::Failure;
use crate::service::Shared;
use crate::sql::{self, Statement};

/// The most bytes of a request: a statement and its parameters.
pub(super) const BODY_BYTES: usize = 256 << 10;
/// How long a request may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

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

/// Answers one SQL statement.
#[utoipa::path(get, path = "/api/v1/sql", tag = "history", params(SqlGetParams), responses(
    (status = 200, description = "The rows.", body = Object),
    (status = 413, description = "The statement is too long."),
    (status = 422, description = "The statement takes too long or too much memory."),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = SqlGetParams::read(&uri)?;
    let format = Format::asked(&params, &headers)?;
    let statement = Statement::from(params.required("q", "one SQL statement")?);
    answer(&shared, format, statement).await
}

/// Answers one SQL statement, which may have parameters.
#[utoipa::path(post, path = "/api/v1/sql", tag = "history", params(SqlPostParams), request_body = SqlRequest, responses(
    (status = 200, description = "The rows.", body = Object),
    (status = 408, description = "The body does not arrive."),
    (status = 413, description = "The statement is too long."),
    (status = 415, description = "The body is no JSON."),
    (status = 422, description = "The body is another JSON, or the statement takes too long or too much memory."),
))]
pub(super) async fn post(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Failure> {
    let params = SqlPostParams::read(request.uri())?;
    let format = Format::asked(&params, request.headers())?;
    let body = tokio::time::timeout(BODY_TIME, Json::<SqlRequest>::from_request(request, &())).await;
    let late = |_| {
        let text = format!("the request did not arrive within {} s: send its body at once", BODY_TIME.as_secs());
        Failure::new(StatusCode::REQUEST_TIMEOUT, text)
    };
    let Json(SqlRequest { query, params }) = body.map_err(late)?.map_err(malformed)?;
    let values = params.into_iter().map(scalar).collect();
    answer(&shared, format, Statement::from(query.as_str()).with_params(values)).await
}

fn malformed(rejection: JsonRejection) -> Failure {
    let text = format!("{}; expected a JSON object {{\"query\": \"SELECT …\"}}", rejection.body_text());
    Failure::new(rejection.status(), text)
}

fn scalar(value: SqlValue) -> ScalarValue {
    match value {
        SqlValue::Null(()) => ScalarValue::Null,
        SqlValue::Flag(flag) => ScalarValue::Boolean(Some(flag)),
        SqlValue::Whole(whole) => ScalarValue::Int64(Some(whole)),
        SqlValue::Number(number) => ScalarValue::Float64(Some(number)),
        SqlValue::Text(text) => ScalarValue::Utf8(Some(text)),
    }
}

async fn answer(shared: &Shared, format: Format, statement: Statement) -> Result<Response, Failure> {
    let mut bytes = shared.door.answer(statement, written(format), shared.clock).await?;
    let content_type = [(header::CONTENT_TYPE, format.content_type())];
    let truncated = bytes.truncated().map(|truncated| [("cloudping-truncated", truncated.to_string())]);
    let body = match bytes.whole() {
        Some(whole) => Body::from(whole),
        // The status is out already: to break the answer off is all that is left to say, and the log says why.
        None => Body::from_stream(bytes.inspect_err(|error| tracing::warn!("an answer was broken off: {error}"))),
    };
    Ok(match truncated {
        Some(truncated) => (content_type, truncated, body).into_response(),
        None => (content_type, body).into_response(),
    })
}

fn written(format: Format) -> sql::Format {
    match format {
        Format::Json => sql::Format::Json,
        Format::Csv => sql::Format::Csv,
        Format::Ndjson => sql::Format::Ndjson,
        Format::ArrowStream => sql::Format::ArrowStream,
        Format::Parquet => sql::Format::Parquet,
    }
}
