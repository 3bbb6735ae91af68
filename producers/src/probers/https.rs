//! HTTPS time to first byte.

use std::net::IpAddr;
use std::time::Instant;

use async_trait::async_trait;
use cloudping_model::{Outcome, Protocol};
use rustls::RootCertStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stream::{connector, public_roots, reading, refusal, secure};
use super::{Prober, Reading, Request};

/// How every answer of an HTTP/1 server starts (RFC 9112, section 4).
const STATUS_LINE: &[u8] = b"HTTP/1.";

/// Time to first byte: from sending `HEAD /` over a TLS connection that is open already until the first byte of the
/// answer, in user space. One round trip and the server's thinking. Any status is an answer; what is no HTTP is
/// [`Outcome::Refused`].
#[derive(Clone)]
pub struct Https {
    connector: TlsConnector,
}

impl Https {
    /// Trusts what browsers trust.
    #[must_use]
    pub fn new() -> Self {
        Self::trusting(public_roots())
    }

    /// Trusts these authorities only.
    #[must_use]
    pub fn trusting(roots: RootCertStore) -> Self {
        Self { connector: connector(roots, Some(b"http/1.1")) }
    }

    async fn exchange(&self, request: &Request) -> Result<Reading, Outcome> {
        let (mut stream, _handshake) = secure(request, &self.connector).await?;
        let head = head(request);
        first_byte(&mut stream, &head).await
    }
}

impl Default for Https {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Prober for Https {
    fn protocol(&self) -> Protocol {
        Protocol::HttpsTtfb
    }

    async fn probe(&self, request: &Request) -> Reading {
        let exchange = timeout(request.timeout, self.exchange(request)).await;
        exchange.unwrap_or(Err(Outcome::Timeout)).unwrap_or_else(Reading::failed)
    }
}

/// The request, by RFC 9112: the port is named where it is not the default one, an IPv6 address stands in brackets.
fn head(request: &Request) -> String {
    let host = match request.host.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => request.host.to_string(),
    };
    let port = match request.address.port() {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let version = env!("CARGO_PKG_VERSION");
    format!("HEAD / HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: cloudping/{version}\r\nConnection: close\r\n\r\n")
}

async fn first_byte(stream: &mut TlsStream<TcpStream>, head: &str) -> Result<Reading, Outcome> {
    let started = Instant::now();
    stream.write_all(head.as_bytes()).await.map_err(|error| refusal(&error))?;
    stream.flush().await.map_err(|error| refusal(&error))?;
    let mut answer = [0; STATUS_LINE.len()];
    let mut length = read(stream, &mut answer).await?;
    let elapsed = started.elapsed();
    let reading = reading(stream, elapsed);
    while length < answer.len() {
        length += read(stream, &mut answer[length..]).await?;
    }
    if answer == STATUS_LINE { Ok(reading) } else { Err(Outcome::Refused) }
}

async fn read(stream: &mut TlsStream<TcpStream>, into: &mut [u8]) -> Result<usize, Outcome> {
    match stream.read(into).await {
        Ok(0) => Err(Outcome::Reset),
        Ok(length) => Ok(length),
        Err(error) => Err(refusal(&error)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_host_line_says_what_rfc_9112_asks_for() {
        let line = |host: &str, port| {
            let address = ([192, 0, 2, 1], port).into();
            let request = Request { address, host: host.into(), source: None, timeout: Duration::ZERO };
            head(&request).split("\r\n").nth(1).map(str::to_owned).unwrap()
        };
        assert_eq!(line("example.com", 443), "Host: example.com");
        assert_eq!(line("example.com", 8443), "Host: example.com:8443");
        assert_eq!(line("2001:db8::1", 443), "Host: [2001:db8::1]");
        assert_eq!(line("192.0.2.1", 80), "Host: 192.0.2.1:80");
    }
}
