//! How long an answer keeps, and how a client learns that the one it has is still right.
//!
//! A handler says how long its answer keeps by a [`Keep`] among what it returns: `Ok((Keep::Live, answer).into_response())`. Answers
//! under `/api/v1` that say nothing are [`Keep::Revalidate`], errors are [`Keep::Never`]. Nobody else sets `Cache-Control`, `ETag` or `Vary`.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponseParts, ResponseParts};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Bytes of the hash that an entity tag shows: as many as nobody meets twice.
const TAG_BYTES: usize = 16;
/// What an answer of the API may depend on, beside its address.
const VARY: &str = "accept, accept-encoding";

/// How long an answer may be used without asking again, by its client and by everything between them, such as a CDN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "one vocabulary for all doors, whichever of them need which word")]
pub(in crate::http) enum Keep {
    /// Of the live view: one second, in which the next view comes. A CDN then asks once a second, however many ask it.
    Live,
    /// So many seconds.
    Seconds(u32),
    /// For good: a closed range of history.
    Immutable,
    /// It may be kept, but not used without asking again, which costs a 304.
    Revalidate,
    /// Not at all: errors, and what holds a secret.
    Never,
}

impl Keep {
    /// The value of `Cache-Control`.
    pub(in crate::http) fn header(self) -> HeaderValue {
        match self {
            Self::Live => HeaderValue::from_static("public, max-age=1"),
            Self::Seconds(seconds) => HeaderValue::from_str(&format!("public, max-age={seconds}"))
                .unwrap_or(HeaderValue::from_static("no-cache")),
            Self::Immutable => HeaderValue::from_static("public, max-age=31536000, immutable"),
            Self::Revalidate => HeaderValue::from_static("no-cache"),
            Self::Never => HeaderValue::from_static("no-store"),
        }
    }
}

impl IntoResponseParts for Keep {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        parts.headers_mut().insert(header::CACHE_CONTROL, self.header());
        Ok(parts)
    }
}

/// Says of an answer that goes out as `body`, compressed or not, which one it is and what it depends on.
pub(in crate::http) fn identify(headers: &mut HeaderMap, body: &Bytes) {
    headers.insert(header::ETAG, entity_tag(body));
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
}

/// A strong entity tag: of the bytes that are sent, so that each form and each encoding has its own (RFC 9110, 8.8.3.3).
fn entity_tag(body: &[u8]) -> HeaderValue {
    let hash = Sha256::digest(body);
    let text = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..TAG_BYTES]));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether `If-None-Match` names the tag. Compared weakly, as RFC 9110, 13.1.2, has it: proxies that compress weaken tags on the way.
pub(in crate::http) fn has(conditions: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(conditions), Ok(tag)) = (conditions.to_str(), tag.to_str()) else {
        return false;
    };
    // No tag of ours has a comma.
    let mut listed = conditions.split(',').map(|one| one.trim());
    listed.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// What of an answer's headers a 304 repeats (RFC 9110, 15.4.5): all but those that describe the body it does not have.
pub(in crate::http) fn not_modified(headers: &mut HeaderMap) -> StatusCode {
    for name in [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    StatusCode::NOT_MODIFIED
}

/// What was asked with a key is not for others: shared caches must not keep it.
pub(in crate::http) fn keep_private(headers: &mut HeaderMap) {
    let shared = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    let Some(rest) = shared.and_then(|text| text.strip_prefix("public")) else {
        return;
    };
    if let Ok(value) = HeaderValue::from_str(&format!("private{rest}")) {
        headers.insert(header::CACHE_CONTROL, value);
    }
}

/// Whether a request shows a key.
pub(in crate::http) fn is_keyed(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(HeaderName::from_static("x-api-key"))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn value(text: &str) -> HeaderValue {
        text.parse().unwrap()
    }

    #[test]
    fn a_handler_says_how_long_its_answer_keeps() {
        let response = (Keep::Seconds(60), "x").into_response();
        assert_eq!(response.headers()["cache-control"], "public, max-age=60");
        for keep in [Keep::Live, Keep::Immutable, Keep::Revalidate, Keep::Never] {
            assert_eq!((keep, "x").into_response().headers()["cache-control"], keep.header());
        }
    }

    #[test]
    fn tags_are_of_the_bytes_and_quoted() {
        let (one, other) = (entity_tag(b"one"), entity_tag(b"other"));
        assert_ne!(one, other);
        assert_eq!(one, entity_tag(b"one"));
        assert_eq!((one.len(), one.as_bytes()[0], one.as_bytes()[23]), (24, b'"', b'"'));
    }

    #[test]
    fn conditions_are_lists_and_compared_weakly() {
        let tag = value("\"abc\"");
        for matching in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "\"x\",W/\"abc\" ", "*"] {
            assert!(has(&value(matching), &tag), "{matching}");
        }
        for other in ["", "abc", "\"ab\"", "w/\"abc\"", "\"abc"] {
            assert!(!has(&value(other), &tag), "{other}");
        }
    }

    #[test]
    fn an_answer_to_a_key_stays_with_its_client() {
        let headers = |text: &str| HeaderMap::from_iter([(header::CACHE_CONTROL, value(text))]);
        for (before, after) in [("public, max-age=1", "private, max-age=1"), ("no-store", "no-store")] {
            let mut headers = headers(before);
            keep_private(&mut headers);
            assert_eq!(headers[header::CACHE_CONTROL], after);
        }
    }
}
