//! TCP and TLS connections for the kinds that need one open before they measure.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudping_model::Outcome;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Reading, Request};
use crate::tcp;

/// The authorities that browsers trust (Mozilla's list).
pub(super) fn public_roots() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

/// A connector that verifies certificates by these roots, offers TLS 1.3 and 1.2, and never resumes a session: each
/// handshake is a whole one, comparable to every other.
pub(super) fn connector(roots: RootCertStore, application: Option<&[u8]>) -> TlsConnector {
    // The provider is named here because the process may hold two: rustls then refuses to choose one.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let versions = builder.with_safe_default_protocol_versions();
    let versions = versions.expect("ring has cipher suites for TLS 1.3 and 1.2");
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = application.map(<[u8]>::to_vec).into_iter().collect();
    TlsConnector::from(Arc::new(config))
}

/// A TLS connection, and how long its handshake took after TCP was connected.
pub(super) async fn secure(
    request: &Request,
    connector: &TlsConnector,
) -> Result<(TlsStream<TcpStream>, Duration), Outcome> {
    let Ok(name) = ServerName::try_from(request.host.to_string()) else {
        tracing::debug!(host = %request.host, "no name that a certificate could be for");
        return Err(Outcome::NotSent);
    };
    let stream = connected(request).await?;
    // The key of the handshake is made here, before the clock starts.
    let handshake = connector.connect(name, stream);
    let started = Instant::now();
    let secured = handshake.await;
    let elapsed = started.elapsed();
    secured.map(|stream| (stream, elapsed)).map_err(|error| {
        tracing::debug!(host = %request.host, address = %request.address, %error, "no TLS connection");
        refusal(&error)
    })
}

/// What became of a whole exchange over a connection that took `time`: nothing that needed a retransmit is a latency.
pub(super) fn reading(stream: &TlsStream<TcpStream>, time: Duration) -> Reading {
    match tcp::retransmits(&SockRef::from(stream.get_ref().0)) {
        0 => Reading { rtt_us: Some(super::micros(time)), ..Reading::failed(Outcome::Answered) },
        retransmits => Reading { retransmits, ..Reading::failed(Outcome::Retransmitted) },
    }
}

/// What an error of an exchange says: the other side hung up, or it answered what it should not (a certificate that does
/// not verify, an alert, no TLS at all).
pub(super) fn refusal(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Outcome::Reset,
        io::ErrorKind::InvalidData => Outcome::Refused,
        _ => tcp::outcome_of(error),
    }
}

async fn connected(request: &Request) -> Result<TcpStream, Outcome> {
    let unsent = |error: io::Error| {
        tracing::debug!(address = %request.address, %error, "probe could not be sent");
        Outcome::NotSent
    };
    let socket = tcp::open(request.address, request.source).map_err(unsent)?;
    // A request must not wait for the acknowledgement of the handshake's last flight (Nagle).
    socket.set_tcp_nodelay(true).map_err(unsent)?;
    match socket.connect(&request.address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(tcp::outcome_at_once(&error)),
        _ => {}
    }
    let stream = TcpStream::from_std(socket.into()).map_err(unsent)?;
    let ready = stream.writable().await;
    match ready.and_then(|()| stream.take_error()) {
        Ok(None) => Ok(stream),
        Ok(Some(error)) | Err(error) => Err(tcp::outcome_of(&error)),
    }
}
