//! Errors as problem JSON.

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use cloudping_ports::StoreError;
use cloudping_schemas::api::Problem;
use serde::Serialize;

use super::access_log::request_id;
use crate::live_view::StillReading;
use crate::refresh::ReadError;
use crate::sql::SqlError;

/// A request that has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct Failure {
    pub(in crate::http) status: StatusCode,
    /// What is wrong, and what to do.
    pub(in crate::http) detail: String,
}

impl Failure {
    pub(in crate::http) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { status, detail }
    }

    pub(in crate::http) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// A parameter that holds what it must not.
    pub(in crate::http) fn parameter(name: &str, found: &str, expected: &str) -> Self {
        Self::bad_request(format!("{name} is {found:?}, expected {expected}"))
    }

    /// A fault of the server's; its text goes to the log.
    pub(in crate::http) fn internal(reason: &str) -> Self {
        tracing::error!(request_id = request_id(), "{reason}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the server could not answer; its log says why")
    }
}

/// A problem, and the request in whose place in the log more may stand.
#[derive(Serialize)]
struct OfRequest {
    #[serde(flatten)]
    problem: Problem,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let problem = OfRequest { problem, request_id: request_id() };
        let mut response = (self.status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let retry_after = match self.status {
            StatusCode::TOO_MANY_REQUESTS => Some("1"),
            StatusCode::SERVICE_UNAVAILABLE => Some("10"),
            _ => None,
        };
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        let status = match &error {
            SqlError::NotReading | SqlError::Invalid(_) | SqlError::TooAmbiguous => StatusCode::BAD_REQUEST,
            SqlError::TooLong { .. } | SqlError::TooManyTokens { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            SqlError::TooSlow { .. }
            | SqlError::TooBig
            | SqlError::TooWide { .. }
            | SqlError::TooMuchDisk
            | SqlError::TooManyRows { .. }
            | SqlError::TooManyBytes { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            SqlError::SlowReader { .. } => StatusCode::REQUEST_TIMEOUT,
            SqlError::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            SqlError::Broken { .. } => {
                tracing::error!("{error}");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            SqlError::Failed(reason) => return Self::internal(reason),
        };
        Self::new(status, error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!("{error}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the live store cannot be read: try again in a moment")
    }
}

impl From<StillReading> for Failure {
    fn from(reading: StillReading) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reading.to_string())
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store(error) => error.into(),
            broken => Self::internal(&broken.to_string()),
        }
    }
}

pub(in crate::http) async fn not_found(uri: Uri) -> Failure {
    nothing_at(uri.path())
}

pub(in crate::http) fn nothing_at(path: &str) -> Failure {
    Failure::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"))
}

pub(in crate::http) async fn method_not_allowed(method: Method, uri: Uri) -> Failure {
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not answer {method}", uri.path()))
}
