//! Targets behind HTTP: a batch is POSTed, its answer holds the replies.

use std::sync::Arc;

use async_trait::async_trait;
use ureq::Agent;
use ureq::http::StatusCode;
use url::Url;

use super::{Connect, ConnectError, Delivery, Sink, Target, TargetAddress, TargetError};

/// The longest answer that is read: what Lambda would answer at most.
const MOST_ANSWER: u64 = 6 << 20;

/// Makes targets of addresses of http and https. They share their connections.
#[derive(Debug, Clone)]
pub struct Http(Agent);

impl Default for Http {
    fn default() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect would take the datagrams to where nobody has configured.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(64)
            .max_idle_connections(256)
            .user_agent(concat!("cloudping/", env!("CARGO_PKG_VERSION")));
        Self(config.build().into())
    }
}

impl Connect for Http {
    fn connect(&self, _: &str, address: &TargetAddress) -> Option<Result<Sink, ConnectError>> {
        let TargetAddress::Http(url) = address else { return None };
        Some(Ok(Sink::Remote(Arc::new(Endpoint { agent: self.0.clone(), url: url.clone() }))))
    }
}

struct Endpoint {
    agent: Agent,
    url: Url,
}

#[async_trait]
impl Target for Endpoint {
    async fn deliver(&self, delivery: &Delivery) -> Result<Vec<u8>, TargetError> {
        let (agent, url, delivery) = (self.agent.clone(), self.url.to_string(), delivery.clone());
        let posted = tokio::task::spawn_blocking(move || post(&agent, &url, &delivery)).await;
        posted.map_err(|error| TargetError::Unknown(error.to_string()))?
    }
}

fn post(agent: &Agent, url: &str, delivery: &Delivery) -> Result<Vec<u8>, TargetError> {
    let request = agent.post(url).config().timeout_global(Some(delivery.time)).build();
    let request = request.header("content-type", "application/json").header("idempotency-key", &*delivery.id);
    let mut answer = request.send(&delivery.body[..]).map_err(|error| failure(&error))?;
    taken(answer.status())?;
    let body = answer.body_mut().with_config().limit(MOST_ANSWER).read_to_vec();
    body.map_err(|error| TargetError::Garbled(format!("its answer broke off: {error}")))
}

/// What a status says of a batch.
///
/// # Errors
/// [`TargetError`] unless it is a success.
pub fn taken(status: StatusCode) -> Result<(), TargetError> {
    if status.is_success() {
        return Ok(());
    }
    let what = format!("it answered {status}");
    // A proxy says so of a server that may still be at work, and a server may fail in the midst of its work.
    let unknown = status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE;
    Err(if unknown { TargetError::Unknown(what) } else { TargetError::NotTaken(what) })
}

/// Whether a failure came before anything was sent.
fn failure(error: &ureq::Error) -> TargetError {
    let text = error.to_string();
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) | ureq::Error::Tls(_) => {
            TargetError::NotTaken(text)
        }
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => TargetError::NotTaken(text),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => TargetError::NotTaken(text),
        _ => TargetError::Unknown(text),
    }
}
