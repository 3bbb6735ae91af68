//! The ways of one gateway through the planet: HTTP over connections that start at its edge.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Uri};
use cloudping_udp_gateway::targets::http::taken;
use cloudping_udp_gateway::targets::{Connect, ConnectError, Delivery, Sink, Target, TargetAddress, TargetError};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// A connection that takes longer is none, and what would have gone over it was not taken. Handshakes take a quarter of a second at most.
const CONNECT: Duration = Duration::from_millis(350);
/// How long a connection is kept without a batch.
const IDLE: Duration = Duration::from_secs(5);
/// The longest answer.
const MAX_BYTES: usize = 1 << 20;

/// Makes targets of HTTP addresses in the planet.
pub struct Paths {
    client: Client<HttpConnector, Body>,
    threads: Handle,
}

impl Paths {
    /// Ways from this address of the vantage side, whose threads these are.
    pub fn new(edge: IpAddr, threads: Handle) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(Some(edge));
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        // Without retries of its own: who retries behind the gateway's back may count twice.
        builder.retry_canceled_requests(false).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        Self { client: builder.build(connector), threads }
    }
}

impl Connect for Paths {
    fn connect(&self, _: &str, address: &TargetAddress) -> Option<Result<Sink, ConnectError>> {
        let TargetAddress::Http(url) = address else { return None };
        let uri = url.as_str().parse::<Uri>().map_err(|error| ConnectError(error.to_string()));
        let path = |to| Path { client: self.client.clone(), to, threads: self.threads.clone() };
        Some(uri.map(|to| Sink::Remote(Arc::new(path(to)))))
    }
}

/// The way to one target.
struct Path {
    client: Client<HttpConnector, Body>,
    to: Uri,
    threads: Handle,
}

#[async_trait]
impl Target for Path {
    async fn deliver(&self, delivery: &Delivery) -> Result<Vec<u8>, TargetError> {
        let (client, to, delivery) = (self.client.clone(), self.to.clone(), delivery.clone());
        // Sockets are of the thread's network.
        let posted = self.threads.spawn(async move {
            let late = |_| TargetError::Unknown(format!("it did not answer within {:?}", delivery.time));
            timeout(delivery.time, post(&client, to, &delivery)).await.map_err(late)?
        });
        posted.await.map_err(|error| TargetError::Unknown(error.to_string()))?
    }
}

async fn post(client: &Client<HttpConnector, Body>, to: Uri, delivery: &Delivery) -> Result<Vec<u8>, TargetError> {
    let request = Request::post(to).header("content-type", "application/json").header("idempotency-key", &*delivery.id);
    let request = request.body(Body::from(delivery.body.to_vec()));
    let request = request.map_err(|error| TargetError::NotTaken(error.to_string()))?;
    let answer = client.request(request).await.map_err(|error| match error.is_connect() {
        true => TargetError::NotTaken("it cannot be reached".to_owned()),
        false => TargetError::Unknown(error.to_string()),
    })?;
    taken(answer.status())?;
    let body = to_bytes(Body::new(answer.into_body()), MAX_BYTES).await;
    body.map(|body| body.to_vec()).map_err(|error| TargetError::Garbled(format!("its answer broke off: {error}")))
}
