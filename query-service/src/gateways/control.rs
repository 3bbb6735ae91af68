//! Gateways elsewhere, asked by their control API.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudping_ports::Secret;
use cloudping_schemas::api::{GatewaySeen, GatewayState};
use ureq::Agent;
use url::Url;

use super::GatewaySource;

/// From the look-up of the name to the end of the answer.
const LIMIT: Duration = Duration::from_secs(2);
/// The longest answer: a gateway with a thousand targets says less.
const MAX_BYTES: u64 = 1 << 20;
const MAX_NAME: usize = 64;

/// Where a gateway's control API is, and what the gateway is called: `NAME=URL`, or `URL` alone, whose host is the name then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlAddress {
    name: String,
    url: Url,
}

/// Why a text is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {fault}, expected [NAME=]http://HOST:PORT")]
pub struct ControlAddressError {
    text: String,
    fault: &'static str,
}

impl FromStr for ControlAddress {
    type Err = ControlAddressError;

    fn from_str(text: &str) -> Result<Self, ControlAddressError> {
        let fault = |fault| ControlAddressError { text: text.to_owned(), fault };
        let (name, address) = match text.split_once('=') {
            Some((name, address)) => (Some(name), address),
            None => (None, text),
        };
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_some_and(|name| name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(fits)) {
            return Err(fault("has a name of other than 1 to 64 letters, digits and . _ -"));
        }
        let url = Url::parse(address).map_err(|_| fault("is no address"))?;
        let host = url.host_str().filter(|host| !host.is_empty() && matches!(url.scheme(), "http" | "https"));
        let host = host.ok_or_else(|| fault("is an address of another kind"))?;
        // It would end up in logs.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault("has a password in it (CLOUDPING_GATEWAY_TOKEN has the token)"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(fault("has a query or a fragment"));
        }
        let named = || url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self { name: name.map_or_else(named, str::to_owned), url })
    }
}

impl fmt::Display for ControlAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.url)
    }
}

/// Two gateways are called the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two gateways are called {0:?}, expected a name of its own for each: NAME=URL")]
pub struct TwiceError(String);

/// The gateways at these addresses; all that want a token get this one.
///
/// # Errors
/// [`TwiceError`].
pub fn controls(
    addresses: &[ControlAddress],
    token: Option<Secret>,
) -> Result<Vec<Arc<dyn GatewaySource>>, TwiceError> {
    let mut names = HashSet::new();
    if let Some(twice) = addresses.iter().find(|address| !names.insert(&address.name)) {
        return Err(TwiceError(twice.name.clone()));
    }
    let control = |address: &ControlAddress| Arc::new(GatewayControl::new(address, token.clone())) as _;
    Ok(addresses.iter().map(control).collect())
}

/// A gateway elsewhere.
#[derive(Debug)]
pub struct GatewayControl {
    name: String,
    url: String,
    token: Option<Secret>,
    agent: Agent,
}

impl GatewayControl {
    /// The gateway at this address, which is not asked yet.
    #[must_use]
    pub fn new(address: &ControlAddress, token: Option<Secret>) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .http_status_as_error(false)
            // Redirects would take the token elsewhere.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("cloudping/", env!("CARGO_PKG_VERSION")));
        let url = format!("{}/v1/state", address.url.as_str().trim_end_matches('/'));
        Self { name: address.name.clone(), url, token, agent: config.build().into() }
    }
}

#[async_trait]
impl GatewaySource for GatewayControl {
    async fn look(&self) -> GatewaySeen {
        let (agent, url, token) = (self.agent.clone(), self.url.clone(), self.token.clone());
        let asked = tokio::task::spawn_blocking(move || ask(&agent, &url, token.as_ref())).await;
        let answer = asked.unwrap_or_else(|error| Err(error.to_string()));
        let (state, error) = match answer {
            Ok(state) => (Some(state), None),
            Err(error) => (None, Some(error)),
        };
        GatewaySeen { name: self.name.clone(), state, error }
    }
}

/// The state, or why there is none, in words for everybody: what else the other side says is not passed on.
fn ask(agent: &Agent, url: &str, token: Option<&Secret>) -> Result<GatewayState, String> {
    let mut request = agent.get(url);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {}", token.0));
    }
    let mut answer = request.call().map_err(|error| format!("it cannot be asked: {error}"))?;
    match answer.status().as_u16() {
        200 => {}
        401 => return Err("it wants another token: CLOUDPING_GATEWAY_TOKEN of this service has it".to_owned()),
        _ => return Err(format!("it answered {}", answer.status())),
    }
    let body = answer.body_mut().with_config().limit(MAX_BYTES).read_to_vec();
    let body = body.map_err(|error| format!("its answer broke off: {error}"))?;
    serde_json::from_slice(&body).map_err(|_| "it answered what no gateway of this version does".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        text.parse::<ControlAddress>().map(|address| address.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_gateway_has_a_name_or_that_of_its_host() {
        assert_eq!(read("http://10.0.0.1:8090").unwrap(), "10.0.0.1:8090=http://10.0.0.1:8090/");
        assert_eq!(read("edge-1=https://gw.example/eu/").unwrap(), "edge-1=https://gw.example/eu/");
        let addresses = ["http://a:1", "b=http://a:1", "c=http://a:1"].map(|text| text.parse().unwrap());
        assert_eq!(controls(&addresses, None).unwrap().len(), 3);
        let twice = [addresses[1].clone(), "b=http://d".parse().unwrap()];
        assert!(controls(&twice, None).unwrap_err().to_string().starts_with("two gateways are called \"b\""));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, fault) in [
            ("gateway", "is no address"),
            ("edge=", "is no address"),
            ("=http://a", "has a name of other than"),
            ("ed ge=http://a", "has a name of other than"),
            ("udp://a:2061", "is an address of another kind"),
            ("http://me:secret@a", "has a password in it"),
            ("http://a/#b", "has a query or a fragment"),
        ] {
            let error = read(text).unwrap_err();
            assert!(
                error.starts_with(&format!("{text:?} {fault}")) && error.ends_with("expected [NAME=]http://HOST:PORT"),
                "{error}"
            );
        }
    }
}
