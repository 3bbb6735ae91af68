//! The listener.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use arrow_flight::flight_service_server::FlightServiceServer;
use cloudping_query_service::{Doorkeeper, Service};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tonic::transport::{Identity, Server, ServerTlsConfig};

use crate::door::FlightDoor;
use crate::incoming::connections;

/// How long statements may still run after the shutdown was asked for.
const DRAIN: Duration = Duration::from_secs(5);
/// A connection is asked whether it is still there this often, and has as long to answer.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Calls of one connection at a time.
const CALLS: u32 = 32;

/// What the door may use. What a statement may use is the SQL door's to say.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections at a time; more are closed. Default 64.
    pub connections: usize,
    /// Bytes of one message of a client: its statement or its parameters. Default 1 MiB.
    pub message_bytes: usize,
    /// Files of a chain of certificates and of its private key, both PEM, where TLS is wanted. Default none.
    pub tls: Option<(PathBuf, PathBuf)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connections: 64, message_bytes: 1 << 20, tls: None }
    }
}

/// Why the door cannot be served.
#[derive(Debug)]
pub enum ServeError {
    /// A file for TLS cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The transport's.
    Transport(tonic::transport::Error),
    /// What it tells of itself cannot be encoded.
    Metadata(arrow_flight::error::FlightError),
}

impl std::fmt::Display for ServeError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(formatter, "{}: {error}", path.display()),
            Self::Transport(error) => write!(formatter, "{error}"),
            Self::Metadata(error) => write!(formatter, "{error}"),
        }
    }
}

impl std::error::Error for ServeError {}

/// Serves until `shutdown` ends; then no call is taken any more, and those under way may run for five more seconds.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(
    listener: TcpListener,
    service: Service,
    keeper: Arc<dyn Doorkeeper>,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let door = FlightDoor::new(service, keeper).map_err(ServeError::Metadata)?;
    let calls = FlightServiceServer::new(door).max_decoding_message_size(settings.message_bytes);
    let mut server = Server::builder()
        .max_concurrent_streams(CALLS)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE));
    if let Some((certificates, key)) = &settings.tls {
        let identity = Identity::from_pem(read(certificates)?, read(key)?);
        let tls = ServerTlsConfig::new().identity(identity);
        server = server.tls_config(tls).map_err(ServeError::Transport)?;
    }
    let stopped = Arc::new(tokio::sync::Notify::new());
    let stopping = Arc::clone(&stopped);
    let graceful = async move {
        shutdown.await;
        stopping.notify_one();
    };
    let deadline = async {
        stopped.notified().await;
        sleep(DRAIN).await;
    };
    let incoming = connections(listener, settings.connections);
    let served = server.add_service(calls).serve_with_incoming_shutdown(incoming, graceful);
    tokio::select! {
        served = served => served.map_err(ServeError::Transport),
        () = deadline => Ok(()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ServeError> {
    fs::read(path).map_err(|error| ServeError::Unreadable(path.to_owned(), error))
}
