//! Asks a running cloudping over HTTP.

use std::time::Duration;

use cloudping_ports::Secret;
use cloudping_schemas::api::Problem;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Longer than the server's own bound of a statement.
const LIMIT: Duration = Duration::from_secs(60);

/// What is asked, as far as it differs.
pub struct Asked {
    /// The variable that holds a key, where it wants one.
    key: &'static str,
    /// The command that starts one.
    start: &'static str,
}

/// The API of a running cloudping.
const SERVICE: Asked = Asked { key: "CLOUDPING_KEY", start: "cloudping up" };
/// The control API of a UDP gateway.
pub const GATEWAY: Asked =
    Asked { key: "CLOUDPING_GATEWAY_TOKEN", start: "cloudping gateway run --config gateway.toml" };

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(LIMIT)).http_status_as_error(false).build().into()
}

/// GETs `path` with the parameters.
pub fn get<T: DeserializeOwned>(url: &str, path: &str, parameters: &[(&str, &str)]) -> Result<T, Failure> {
    get_from(&SERVICE, url, path, parameters)
}

/// The same of something else.
pub fn get_from<T: DeserializeOwned>(
    asked: &Asked,
    url: &str,
    path: &str,
    parameters: &[(&str, &str)],
) -> Result<T, Failure> {
    let request = agent().get(address(url, path)?).query_pairs(parameters.iter().copied());
    answer(asked, url, with_key(asked, request).call())
}

/// POSTs a JSON body to `path`.
pub fn post<T: DeserializeOwned>(url: &str, path: &str, body: &impl serde::Serialize) -> Result<T, Failure> {
    let request = agent().post(address(url, path)?).header("Accept", "application/json");
    answer(&SERVICE, url, with_key(&SERVICE, request).send_json(body))
}

/// The key of the environment for a running cloudping, if there is one. No option has it: everybody on a machine sees its command lines.
pub fn key() -> Option<String> {
    variable(SERVICE.key)
}

/// The token of the environment for gateways, if there is one.
pub fn gateway_token() -> Option<Secret> {
    variable(GATEWAY.key).map(Secret)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|key| !key.is_empty())
}

fn with_key<B>(asked: &Asked, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
    match variable(asked.key) {
        Some(key) => request.header("Authorization", format!("Bearer {key}")),
        None => request,
    }
}

fn address(url: &str, path: &str) -> Result<String, Failure> {
    if !url.starts_with("http://") {
        return Err(Failure::setting(format!("--url {url}: expected http://HOST:PORT")));
    }
    Ok(format!("{}{path}", url.trim_end_matches('/')))
}

fn answer<T: DeserializeOwned>(
    asked: &Asked,
    url: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<T, Failure> {
    let mut response = response.map_err(|error| {
        Failure::runtime(format!(
            "no cloudping answers at {url} ({error}); start one with `{}`, or name it with --url",
            asked.start
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
