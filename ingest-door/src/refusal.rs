//! Why a request was refused, and what its sender is told.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cloudping_model::UtcMicros;
use cloudping_schemas::ingest::IngestProblem;

/// Why a request was refused. The sender is not told everything: see [`Reason::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// There is nothing at this path, or it does not answer this method.
    NoSuchPlace,
    /// A header is missing or cannot be read.
    Header,
    /// The body is of another media type.
    MediaType,
    /// The request does not say how long its body is.
    NoLength,
    /// The body or one of its rounds is too long, or there are too many.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The body is shorter than it was said to be, or cannot be taken apart into rounds.
    Body,
    /// The time of the request is too far from the door's.
    Clock,
    /// The key is not registered for the vantage point.
    UnknownKey,
    /// The key was revoked.
    RevokedKey,
    /// The signature is not of this key over this request.
    Signature,
    /// A round is of another vantage point than the one that signed.
    OtherVantage,
    /// A round is no event of a version that is known, or a field of it holds what it must not.
    Schema,
    /// A round started in the future, or too long ago.
    RoundTime,
    /// The request was taken already.
    Replayed,
    /// The vantage point sends too much.
    TooMany,
    /// The door has too much to do.
    Busy,
    /// The live store failed.
    Store,
    /// The event log failed.
    Log,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 19] = [
        Self::NoSuchPlace,
        Self::Header,
        Self::MediaType,
        Self::NoLength,
        Self::TooLarge,
        Self::TooSlow,
        Self::Body,
        Self::Clock,
        Self::UnknownKey,
        Self::RevokedKey,
        Self::Signature,
        Self::OtherVantage,
        Self::Schema,
        Self::RoundTime,
        Self::Replayed,
        Self::TooMany,
        Self::Busy,
        Self::Store,
        Self::Log,
    ];

    /// Its name in counters and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSuchPlace => "no_such_place",
            Self::Header => "header",
            Self::MediaType => "media_type",
            Self::NoLength => "no_length",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Body => "body",
            Self::Clock => "clock",
            Self::UnknownKey => "unknown_key",
            Self::RevokedKey => "revoked_key",
            Self::Signature => "signature",
            Self::OtherVantage => "other_vantage",
            Self::Schema => "schema",
            Self::RoundTime => "round_time",
            Self::Replayed => "replayed",
            Self::TooMany => "too_many",
            Self::Busy => "busy",
            Self::Store => "store",
            Self::Log => "log",
        }
    }

    /// The `code` of the answer: the name, but one word for all that is wrong with a key or a signature, since a stranger need not learn
    /// which of them was nearly right.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownKey | Self::RevokedKey | Self::Signature => "unauthorized",
            other => other.name(),
        }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::NoSuchPlace => StatusCode::NOT_FOUND,
            Self::Header | Self::Body => StatusCode::BAD_REQUEST,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoLength => StatusCode::LENGTH_REQUIRED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Clock | Self::UnknownKey | Self::RevokedKey | Self::Signature => StatusCode::UNAUTHORIZED,
            Self::OtherVantage => StatusCode::FORBIDDEN,
            Self::Schema | Self::RoundTime => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Replayed => StatusCode::CONFLICT,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Store | Self::Log => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A request that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    /// In a box, since a refusal is an error and seldom.
    told: Box<Told>,
}

/// What the sender is told beside the reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Told {
    /// What is wrong, and what to do.
    detail: String,
    round: Option<usize>,
    field: Option<String>,
    expected: Option<String>,
    accepted: Option<usize>,
    door_time: Option<UtcMicros>,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, told: Box::new(Told { detail: detail.into(), ..Told::default() }) }
    }

    /// For each of the three reasons the same answer, to the byte.
    pub fn unauthorized(reason: Reason) -> Self {
        let detail =
            "the key is not registered for this vantage point, or the signature is not of this key over this request";
        Self::new(reason, detail)
    }

    /// What is refused is here, and this was expected.
    pub fn field(mut self, field: impl Into<String>, expected: impl Into<String>) -> Self {
        (self.told.field, self.told.expected) = (Some(field.into()), Some(expected.into()));
        self
    }

    /// What is refused is this round of the body, from 0.
    pub fn round(mut self, round: usize) -> Self {
        self.told.round = Some(round);
        self
    }

    /// So many rounds are in the log all the same.
    pub fn accepted(mut self, rounds: usize) -> Self {
        self.told.accepted = Some(rounds);
        self
    }

    /// The sender should look at its clock.
    pub fn door_time(mut self, now: UtcMicros) -> Self {
        self.told.door_time = Some(now);
        self
    }

    /// It may be taken after this time.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.told.retry_after = Some(wait);
        self
    }

    /// What is wrong, in words.
    pub fn detail(&self) -> &str {
        &self.told.detail
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, told) = (self.reason.status(), *self.told);
        let problem = IngestProblem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: told.detail,
            code: self.reason.code().to_owned(),
            round: told.round.map(|round| round as u64),
            field: told.field,
            expected: told.expected,
            accepted: told.accepted.map(|accepted| accepted as u64),
            door_time_us: told.door_time.map(|time| time.0),
        };
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = told.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_listed_in_order_and_told_apart() {
        for (at, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
            assert!(Reason::ALL[..at].iter().all(|other| other.name() != reason.name()));
            assert!(reason.status().is_client_error() || reason.status() == StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}
