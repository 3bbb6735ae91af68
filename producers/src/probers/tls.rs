//! The TLS handshake.

use async_trait::async_trait;
use cloudping_model::{Outcome, Protocol};
use rustls::RootCertStore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::stream::{connector, public_roots, reading, secure};
use super::{Prober, Reading, Request};

/// The TLS handshake after TCP is connected, timed in user space: from sending the ClientHello until the connection may
/// carry data. One round trip by TLS 1.3, two by TLS 1.2, and both sides' cryptography.
///
/// The certificate is verified for the request's host. One that is not valid is [`Outcome::Refused`]: somebody answered,
/// but not the target.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
}

impl Tls {
    /// Trusts what browsers trust.
    #[must_use]
    pub fn new() -> Self {
        Self::trusting(public_roots())
    }

    /// Trusts these authorities only.
    #[must_use]
    pub fn trusting(roots: RootCertStore) -> Self {
        Self { connector: connector(roots, None) }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Prober for Tls {
    fn protocol(&self) -> Protocol {
        Protocol::TlsHandshake
    }

    async fn probe(&self, request: &Request) -> Reading {
        match timeout(request.timeout, secure(request, &self.connector)).await {
            Ok(Ok((stream, time))) => reading(&stream, time),
            Ok(Err(outcome)) => Reading::failed(outcome),
            Err(_elapsed) => Reading::failed(Outcome::Timeout),
        }
    }
}
