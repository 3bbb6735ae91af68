//! What to probe. Names are resolved beside the measurement, never inside it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cloudping_model::{Family, TargetId};
use tokio::sync::watch;

/// How often a name is resolved again.
const RESOLVE_EVERY: Duration = Duration::from_secs(60);
/// How long one look-up may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);

/// Why a text names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("target {text:?}: expected HOST:PORT, such as example.com:443 or [2001:db8::1]:443")]
pub struct EndpointError {
    /// The text.
    pub text: String,
}

/// A name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Endpoint {
    /// Reads `host:port`, `host` (port 443), `1.2.3.4:port`, `[v6]:port` or a bare address.
    ///
    /// # Errors
    /// [`EndpointError`] when the text is none of these.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError { text: text.to_owned() };
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::fixed(address)).and_then(|it| if it.port == 0 { Err(wrong()) } else { Ok(it) });
        }
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self { host: text.to_owned(), port: 443 });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (text, 443),
        };
        let named = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if port == 0 || host.is_empty() || host.len() > 253 || !host.chars().all(named) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// The endpoint of an address.
    #[must_use]
    pub fn fixed(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

/// A target and the address that its name has now.
#[derive(Debug, Clone)]
pub struct Target {
    id: TargetId,
    endpoint: Endpoint,
    address: Arc<RwLock<Option<IpAddr>>>,
}

impl Target {
    /// A target. An endpoint that holds an address needs no resolving; a name has no address before [`Target::resolve`].
    #[must_use]
    pub fn new(id: TargetId, endpoint: Endpoint) -> Self {
        let address = Arc::new(RwLock::new(endpoint.host.parse().ok()));
        Self { id, endpoint, address }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &TargetId {
        &self.id
    }

    /// The address to probe, if the name has one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        let address = *self.address.read().unwrap_or_else(PoisonError::into_inner);
        address.map(|ip| SocketAddr::new(ip, self.endpoint.port))
    }

    fn is_named(&self) -> bool {
        self.endpoint.host.parse::<IpAddr>().is_err()
    }

    /// Looks the name up once. When that fails the last address stays.
    ///
    /// Prefers the address in use, so that a rotating answer does not change the path that is measured; then IPv4.
    pub async fn resolve(&self) {
        if !self.is_named() {
            return;
        }
        let host = self.endpoint.host.as_str();
        let lookup = tokio::time::timeout(LOOKUP_LIMIT, tokio::net::lookup_host((host, self.endpoint.port)));
        let found: Vec<IpAddr> = match lookup.await {
            Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
            Ok(Err(error)) => {
                tracing::debug!(host, %error, "name not resolved");
                return;
            }
            Err(_elapsed) => {
                tracing::debug!(host, "name not resolved in {LOOKUP_LIMIT:?}");
                return;
            }
        };
        let mut address = self.address.write().unwrap_or_else(PoisonError::into_inner);
        let chosen = choose(*address, &found);
        if *address != chosen && address.is_some() {
            tracing::info!(host, from = ?*address, to = ?chosen, "address changed");
        }
        *address = chosen;
    }
}

fn choose(current: Option<IpAddr>, found: &[IpAddr]) -> Option<IpAddr> {
    let v4 = found.iter().find(|ip| Family::of(**ip) == Family::V4);
    let kept = current.filter(|ip| found.contains(ip));
    kept.or(v4.copied()).or(found.first().copied()).or(current)
}

/// Resolves every name now and then every minute, until `shutdown` turns true.
pub async fn keep_resolved(targets: Vec<Target>, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        resolve_all(&targets).await;
        tokio::select! {
            () = tokio::time::sleep(RESOLVE_EVERY) => {}
            _ = shutdown.changed() => {}
        }
    }
}

/// Resolves every name once, side by side.
pub async fn resolve_all(targets: &[Target]) {
    let mut lookups = tokio::task::JoinSet::new();
    for target in targets.iter().filter(|target| target.is_named()) {
        let target = target.clone();
        lookups.spawn(async move { target.resolve().await });
    }
    lookups.join_all().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_or_named_in_the_error() {
        let parsed = |text| Endpoint::parse(text).map(|it| (it.host, it.port));
        assert_eq!(parsed("example.com:8443"), Ok(("example.com".into(), 8443)));
        assert_eq!(parsed("example.com"), Ok(("example.com".into(), 443)));
        assert_eq!(parsed("192.0.2.1"), Ok(("192.0.2.1".into(), 443)));
        assert_eq!(parsed("[2001:db8::1]:80"), Ok(("2001:db8::1".into(), 80)));
        assert_eq!(parsed("2001:db8::1"), Ok(("2001:db8::1".into(), 443)));
        for bad in ["", ":443", "host:", "host:0", "host:70000", "a b:1", "http://x", "1.2.3.4:0"] {
            assert_eq!(parsed(bad).unwrap_err().text, bad);
        }
    }

    #[test]
    fn an_address_in_use_is_kept_while_the_name_still_has_it() {
        let [a, b]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(choose(None, &[v6, a, b]), Some(a));
        assert_eq!(choose(Some(b), &[a, b]), Some(b));
        assert_eq!(choose(Some(b), &[a]), Some(a));
        assert_eq!(choose(None, &[v6]), Some(v6));
        assert_eq!(choose(Some(a), &[]), Some(a));
    }

    #[tokio::test]
    async fn a_name_without_an_address_has_none() {
        let target = Target::new(TargetId::new("nowhere").unwrap(), Endpoint::parse("nowhere.invalid:443").unwrap());
        target.resolve().await;
        assert_eq!(target.address(), None);
        let local = Target::new(TargetId::new("local").unwrap(), Endpoint::parse("localhost:80").unwrap());
        local.resolve().await;
        assert_eq!(local.address(), Some(([127, 0, 0, 1], 80).into()));
    }
}
