//! The gate before the routes: who is let in, and what is told of the budget.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::access_log::{Client, Told};
use super::problem::Failure;
use crate::access::{self, Gate, Kind, RATE_LIMIT, RATE_LIMIT_POLICY, Refusal, Scope};
use crate::service::Shared;

/// Parameters under which people send keys elsewhere.
const KEY_PARAMETERS: [&str; 8] =
    ["key", "api_key", "apikey", "api-key", "x-api-key", "access_token", "token", "authorization"];

/// Lets a request in, or answers why not. It stands outside of all that makes, keeps or adorns answers, so that each request is counted and
/// what is told of one client is never given to another.
pub(super) async fn gate(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let simulated = shared.settings.simulated;
    let let_in = pass(&shared.gate, request, next).await;
    let_in.unwrap_or_else(|mut refused| {
        super::adorn(refused.headers_mut(), simulated);
        refused
    })
}

/// The answer, or that to who is not let in.
async fn pass(gate: &Gate, mut request: Request, next: Next) -> Result<Response, Response> {
    let Some(needs) = access::needed(request.method(), request.uri().path()) else {
        return Ok(next.run(request).await);
    };
    let legacy = access::is_legacy(request.uri().path());
    let keyed_history = gate.settings().legacy_history_needs_key && request.uri().path() == "/history";
    let presented = checked(request.uri(), request.headers()).map_err(IntoResponse::into_response)?;
    let client = request.extensions().get::<Client>().copied().unwrap_or(Client::IN_PROCESS);
    let admitted = gate.admit_from(presented.as_deref(), client.address, client.free, needs).await;
    let admitted = admitted.map_err(|refusal| refused(&refusal, legacy))?;
    if keyed_history {
        admitted.require_key(needs).map_err(|refusal| refused(&refusal, legacy))?;
    }
    let meter = (needs == Scope::Sql).then(|| Arc::new(admitted.meter()));
    request.extensions_mut().insert(admitted.clone());
    let mut response = next.run(request).await;
    admitted.tell(response.headers_mut());
    response.extensions_mut().insert(Told { key: admitted.key(), _meter: meter });
    Ok(response)
}

/// The key that a request brings, if it brings one.
fn checked(uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, Failure> {
    if uri.query().is_some_and(brings_key) {
        return Err(Failure::bad_request(
            "a key stands in the address, where logs and histories keep it: send it as Authorization: Bearer cp_… or as x-api-key, \
             and if it is one of yours revoke it and make another",
        ));
    }
    presented(headers).map(|key| key.map(str::to_owned))
}

/// Whether a query string holds a key, or something in the place of one.
fn brings_key(query: &str) -> bool {
    let mut names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.any(|name| KEY_PARAMETERS.iter().any(|of_key| name.eq_ignore_ascii_case(of_key))) || access::holds_key(query)
}

/// The key of the headers; credentials of other kinds are a proxy's business.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let mut found: Option<&str> = None;
    let bearers = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    // What is no text is a try all the same: it must not pass for somebody without a key.
    let own = headers.get_all("x-api-key").iter().map(|value| value.to_str().unwrap_or_default().trim());
    for key in bearers.chain(own) {
        if found.is_some_and(|other| other != key) {
            return Err(Failure::bad_request("two different keys are sent, expected one"));
        }
        found = Some(key);
    }
    Ok(found)
}

/// The answer to who is not let in.
fn refused(refusal: &Refusal, legacy: bool) -> Response {
    let status = match refusal.kind() {
        Kind::Unauthenticated if legacy => StatusCode::FORBIDDEN,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = match (legacy, refusal.kind()) {
        (true, Kind::Unauthenticated | Kind::Forbidden) => {
            (status, Json(json!({"message": "Forbidden"}))).into_response()
        }
        (true, Kind::TooMany) => (status, Json(json!({"message": "Too Many Requests"}))).into_response(),
        _ => Failure::new(status, refusal.to_string()).into_response(),
    };
    let headers = response.headers_mut();
    if let Some(seconds) = refusal.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        if let Refusal::TooFast { heavy, policy, .. } = refusal {
            let name = if *heavy { "heavy" } else { "light" };
            headers.insert(RATE_LIMIT_POLICY, policy.clone());
            if let Ok(value) = HeaderValue::try_from(format!("\"{name}\";r=0;t={seconds}")) {
                headers.insert(RATE_LIMIT, value);
            }
        }
    }
    if status == StatusCode::UNAUTHORIZED {
        let challenge = match refusal {
            Refusal::KeyNeeded(_) => "Bearer realm=\"cloudping\"",
            _ => "Bearer realm=\"cloudping\", error=\"invalid_token\"",
        };
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[(&'static str, &str)]) -> Result<Option<String>, String> {
        let headers = lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap()));
        let headers: HeaderMap = headers.collect();
        presented(&headers).map(|key| key.map(str::to_owned)).map_err(|failure| failure.detail)
    }

    #[test]
    fn a_key_comes_in_one_of_two_headers() {
        let none = Ok(None);
        assert_eq!(found(&[]), none);
        assert_eq!(found(&[("authorization", "Basic dXNlcjpwYXNz")]), none);
        assert_eq!(found(&[("authorization", "Bearer")]), none);
        let some = Ok(Some("cp_1".to_owned()));
        assert_eq!(found(&[("authorization", "Bearer cp_1")]), some);
        assert_eq!(found(&[("authorization", "bearer   cp_1 ")]), some);
        assert_eq!(found(&[("x-api-key", " cp_1")]), some);
        assert_eq!(found(&[("x-api-key", "cp_1"), ("authorization", "Bearer cp_1")]), some);
        assert_eq!(found(&[("x-api-key", "\u{e9}")]), Ok(Some(String::new())));
        for two in [
            [("x-api-key", "cp_1"), ("authorization", "Bearer cp_2")],
            [("x-api-key", "cp_1"), ("x-api-key", "cp_2")],
            [("authorization", "Bearer cp_1"), ("authorization", "Bearer cp_2")],
        ] {
            assert_eq!(found(&two), Err("two different keys are sent, expected one".to_owned()));
        }
    }

    #[test]
    fn a_key_in_the_query_is_seen() {
        for query in ["key=1", "source=a&API_KEY=", "token=x", "q=cp_00112233445566778899aabbccddeeff"] {
            assert!(brings_key(query), "{query}");
        }
        for query in ["", "source=a&target=b", "q=select+key+from+t", "monkey=1"] {
            assert!(!brings_key(query), "{query}");
        }
    }
}
