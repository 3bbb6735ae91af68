//! The loop that serves connections: no client holds one open without asking, asks without end, or keeps answers without taking them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use crate::access::Gate;
use crate::access::keys::KeyError;
use crate::{ConnectionLimits, Service};

/// How long requests may still run after the shutdown was asked for.
const DRAIN: Duration = Duration::from_secs(5);
/// How often the store is told what was asked by each key.
const USAGE_PAUSE: Duration = Duration::from_secs(15);
/// After the system could open no connection: it may have no more files for a while.
const PAUSE: Duration = Duration::from_secs(1);
/// How HTTP/2 begins.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Between looks at a client that has begun to begin.
const LOOK: Duration = Duration::from_millis(20);
/// Requests of one connection at the same time (HTTP/2).
const STREAMS: u32 = 100;
/// The most bytes of a request's head.
const HEAD_BYTES: usize = 64 << 10;

/// Serves until `shutdown` ends; then streams are closed, and other requests may run for five more seconds. A handler finds the client's
/// address as [`ConnectInfo<SocketAddr>`]. Meanwhile and at the end the live store is told what was asked by each key.
///
/// # Errors
/// None; the listener's are waited out.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let shared = service.shared();
    let accepting = Accepting {
        router: service.router(),
        limits: shared.settings.connections.clone(),
        places: Arc::new(Semaphore::new(shared.settings.connections.count)),
        closing: shared.closing(),
    };
    let telling = tokio::spawn(tell_usage(service.gate(), shared.closing()));
    tokio::select! {
        () = accepting.run(listener, &mut connections) => {}
        () = shutdown => {}
    }
    shared.close();
    // What still runs then is ended with the set.
    let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    let _ = telling.await;
    told(service.gate().flush().await);
    Ok(())
}

/// Tells the store now and then what was asked by each key. A telling that has begun is ended.
async fn tell_usage(gate: Gate, mut closing: watch::Receiver<bool>) {
    while timeout(USAGE_PAUSE, closed(&mut closing)).await.is_err() {
        told(gate.flush().await);
    }
}

fn told(flushed: Result<(), KeyError>) {
    if let Err(error) = flushed {
        tracing::warn!(%error, "what was asked by keys is not written down yet");
    }
}

/// What each connection gets.
struct Accepting {
    router: Router,
    limits: ConnectionLimits,
    places: Arc<Semaphore>,
    closing: watch::Receiver<bool>,
}

impl Accepting {
    async fn run(&self, listener: TcpListener, connections: &mut JoinSet<()>) {
        // Closed is what the places never are.
        while let Ok(place) = Arc::clone(&self.places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, client)) => {
                    connections.spawn(self.connection(stream, client, place));
                }
                Err(error) => {
                    tracing::warn!("no connection could be accepted: {error}");
                    sleep(PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        client: SocketAddr,
        place: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (limits, mut closing) = (self.limits.clone(), self.closing.clone());
        let service = self.router.clone().map_request(move |request: Request<_>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(client));
            request
        });
        async move {
            let _place = place;
            let begun = tokio::select! {
                begun = timeout(limits.first_byte, begun(&stream)) => matches!(begun, Ok(Ok(()))),
                () = closed(&mut closing) => false,
            };
            if !begun {
                return;
            }
            // Answers that the client does not take: the kernel notices, whatever the protocol. Without it there is only less protection.
            let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(limits.untaken));
            let _ = stream.set_nodelay(true);
            let builder = builder(&limits);
            let connection =
                builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = closed(&mut closing) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!("a connection from {client} ended: {error}");
            }
        }
    }
}

fn builder(limits: &ConnectionLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(limits.head / 2)
        .keep_alive_timeout(limits.first_byte)
        .enable_connect_protocol();
    builder
}

/// Waits for the shutdown.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // Nobody is left who could tell: as good as told.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Waits until it is known which protocol the client speaks: the server's own look at it has no limit.
async fn begun(stream: &TcpStream) -> io::Result<()> {
    let mut bytes = [0; PREFACE.len()];
    loop {
        match stream.peek(&mut bytes).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            there if there == PREFACE.len() || bytes[..there] != PREFACE[..there] => return Ok(()),
            _ => sleep(LOOK).await,
        }
    }
}
