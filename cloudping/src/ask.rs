//! Asks a running cloudping over HTTP.

use std::time::Duration;

use cloudping_schemas::api::Problem;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Longer than the server's own bound of a statement.
const LIMIT: Duration = Duration::from_secs(60);

/// The variable that holds a key, where the server wants one.
const KEY: &str = "CLOUDPING_KEY";

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(LIMIT)).http_status_as_error(false).build().into()
}

/// GETs `path` with the parameters.
pub fn get<T: DeserializeOwned>(url: &str, path: &str, parameters: &[(&str, &str)]) -> Result<T, Failure> {
    let request = agent().get(address(url, path)?).query_pairs(parameters.iter().copied());
    answer(url, with_key(request).call())
}

/// POSTs a JSON body to `path`.
pub fn post<T: DeserializeOwned>(url: &str, path: &str, body: &impl serde::Serialize) -> Result<T, Failure> {
    let request = agent().post(address(url, path)?).header("Accept", "application/json");
    answer(url, with_key(request).send_json(body))
}

/// Sends the key of the environment, if there is one. No option has it: everybody on a machine sees its command lines.
fn with_key<B>(request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
    match std::env::var(KEY) {
        Ok(key) if !key.is_empty() => request.header("Authorization", format!("Bearer {key}")),
        _ => request,
    }
}

fn address(url: &str, path: &str) -> Result<String, Failure> {
    if !url.starts_with("http://") {
        return Err(Failure::setting(format!("--url {url}: expected http://HOST:PORT")));
    }
    Ok(format!("{}{path}", url.trim_end_matches('/')))
}

fn answer<T: DeserializeOwned>(
    url: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<T, Failure> {
    let mut response = response.map_err(|error| {
        Failure::runtime(format!(
            "no cloudping answers at {url} ({error}); start one with `cloudping up`, or name it with --url"
        ))
    })?;
    let status = response.status();
    let body = response.body_mut().with_config().limit(u64::MAX).read_to_string();
    let body = body.map_err(|error| Failure::runtime(format!("{url}: the answer broke off: {error}")))?;
    if status.is_success() {
        return serde_json::from_str(&body).map_err(|error| {
            Failure::runtime(format!("{url} answered what no cloudping of this version does: {error}"))
        });
    }
    let detail = serde_json::from_str::<Problem>(&body).map_or(body, |problem| problem.detail);
    match status.is_client_error() {
        true => Err(Failure::setting(detail)),
        false => Err(Failure::runtime(format!("{url} answered {status}: {detail}"))),
    }
}
