//! Errors in the form that the programs of CloudPing.co expect: a word for programs, a sentence for people.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::http::problem::{self, Failure};
use crate::sql::SqlError;

/// A request that has no answer.
#[derive(Debug)]
pub(super) struct Refusal(Failure);

impl Refusal {
    /// A parameter, a path or a body that holds what it must not.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self(Failure::bad_request(message))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        Self(error.into())
    }
}

#[derive(Serialize)]
struct Coded<'a> {
    #[serde(rename = "Code")]
    code: &'a str,
    #[serde(rename = "Message")]
    message: &'a str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Failure { status, detail } = self.0;
        let body = Json(Coded { code: code(status), message: &detail });
        let mut response = (status, body).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The word for a status, by the pattern of the one that was always there.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "BadRequestError",
        StatusCode::NOT_FOUND => "NotFoundError",
        StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowedError",
        StatusCode::PAYLOAD_TOO_LARGE => "RequestEntityTooLargeError",
        StatusCode::UNPROCESSABLE_ENTITY => "UnprocessableEntityError",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequestsError",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailableError",
        status if status.is_client_error() => "RequestError",
        _ => "InternalServerError",
    }
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Refusal {
    problem::method_not_allowed(method, uri).await.into()
}
