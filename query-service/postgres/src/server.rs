//! The listener, and what all connections share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cloudping_query_service::{Description, Doorkeeper, RowStream, Service, SqlError, Statement, Tongue};
use datafusion::error::DataFusionError;
use pgwire::api::PgWireServerHandlers;
use pgwire::api::auth::StartupHandler;
use pgwire::api::cancel::CancelHandler;
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::catalogue::Catalogue;
use crate::connection;
use crate::handlers::Handlers;
use crate::running::Running;
use crate::startup::Startup;
use crate::tls::Tls;

/// How long statements may still run after the shutdown was asked for.
const DRAIN: Duration = Duration::from_secs(5);
/// A client that takes or confirms nothing for so long is gone.
const UNHEARD: Duration = Duration::from_secs(60);
/// After an error of the listener, such as too many open files, it is tried again in a moment.
const PAUSE: Duration = Duration::from_millis(100);

/// What the door may use. What a statement may use is the SQL door's to say.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections at a time; more are told so and closed. Default 64.
    pub connections: usize,
    /// Bytes of one message of a client: its statement or its parameters. Default 1 MiB.
    pub message_bytes: usize,
    /// Time from the connection to the end of its start-up. Default 10 s.
    pub startup_time: Duration,
    /// Prepared statements of one connection. Default 256.
    pub statements: usize,
    /// The certificate, where TLS is offered. Default none.
    pub tls: Option<Tls>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 64,
            message_bytes: 1 << 20,
            startup_time: Duration::from_secs(10),
            statements: 256,
            tls: None,
        }
    }
}

/// The door to one service.
pub struct Door {
    pub(crate) service: Service,
    pub(crate) keeper: Arc<dyn Doorkeeper>,
    pub(crate) settings: Settings,
    pub(crate) running: Arc<Running>,
    tongue: Arc<Catalogue>,
}

impl Door {
    /// A door to a service. It knows the tables that the service has now.
    ///
    /// # Errors
    /// DataFusion's, when the catalogue cannot be made.
    pub fn new(service: Service, keeper: Arc<dyn Doorkeeper>, settings: Settings) -> Result<Self, DataFusionError> {
        let tongue = Arc::new(Catalogue::new(service.sql().tables())?);
        Ok(Self { service, keeper, settings, running: Arc::default(), tongue })
    }

    pub(crate) async fn describe(&self, text: &str) -> Result<Description, SqlError> {
        self.service.sql().describe_in(Some(self.tongue()), text, self.service.now()).await
    }

    pub(crate) async fn stream(&self, statement: Statement) -> Result<RowStream, SqlError> {
        self.service.sql().stream_in(Some(self.tongue()), statement, self.service.now()).await
    }

    fn tongue(&self) -> Arc<dyn Tongue> {
        Arc::clone(&self.tongue) as _
    }
}

/// What a connection is handled by.
pub(crate) struct Factory {
    startup: Arc<Startup>,
    handlers: Arc<Handlers>,
    running: Arc<Running>,
}

impl Factory {
    fn new(door: &Arc<Door>) -> Self {
        Self {
            startup: Arc::new(Startup::new(Arc::clone(door))),
            handlers: Arc::new(Handlers::new(Arc::clone(door))),
            running: Arc::clone(&door.running),
        }
    }
}

impl Factory {
    /// Both protocols' handler, by its own type.
    pub(crate) fn handlers(&self) -> Arc<Handlers> {
        Arc::clone(&self.handlers)
    }
}

impl PgWireServerHandlers for Factory {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        Arc::clone(&self.handlers)
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        Arc::clone(&self.handlers)
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        Arc::clone(&self.startup)
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        Arc::clone(&self.running)
    }
}

/// Serves until `shutdown` ends; then connections that do nothing are closed at once, and statements may run for five more seconds. An
/// error of the listener is logged, and it is tried again.
pub async fn serve(listener: TcpListener, door: Door, shutdown: impl Future<Output = ()> + Send + 'static) {
    let door = Arc::new(door);
    let factory = Arc::new(Factory::new(&door));
    let places = Arc::new(Semaphore::new(door.settings.connections));
    let closing = watch::Sender::new(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => {
                let place = Arc::clone(&places).try_acquire_owned().ok();
                let (factory, door, closing) = (Arc::clone(&factory), Arc::clone(&door), closing.subscribe());
                connections.spawn(async move {
                    let served = match place {
                        Some(_) => connection::run(kept_alive(socket), &factory, &door.settings, closing).await,
                        None => connection::refuse(socket, door.settings.connections).await,
                    };
                    // Held until the connection has ended.
                    drop(place);
                    if let Err(error) = served {
                        tracing::debug!(%address, %error, "a PostgreSQL connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a PostgreSQL connection");
                sleep(PAUSE).await;
            }
        }
    }
    closing.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN, drained).await.is_err() {
        connections.shutdown().await;
    }
}

/// A client that went away without a word is noticed, and so is one that never reads.
fn kept_alive(socket: TcpStream) -> TcpStream {
    let options = SockRef::from(&socket);
    let keepalive = TcpKeepalive::new().with_time(UNHEARD);
    let _ = options.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = options.set_tcp_user_timeout(Some(UNHEARD));
    socket
}
