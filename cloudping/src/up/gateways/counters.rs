//! The packet counters in the regions: HTTP servers on the target side of the planet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt;
use cloudping_agent::clock;
use cloudping_agent::failure::Failure;
use cloudping_packet_counter::answer;
use cloudping_schemas::gateway::Batch;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpListener;

use crate::up::network::Threads;

/// Where a counter is in its region.
pub const PORT: u16 = 8061;
/// A connection that is silent for this long is tried: what ended during an outage is not told of.
const SILENT: Duration = Duration::from_secs(10);

/// Starts the counter of a region on these threads; it ends with them.
///
/// # Errors
/// When it cannot listen.
pub async fn start(threads: &Threads, address: SocketAddr, region: &str) -> Result<(), Failure> {
    let cannot = |error| Failure::runtime(format!("the counter of {region} cannot listen on {address}: {error}"));
    let bound = threads.spawn(TcpListener::bind(address)).await.map_err(Failure::runtime)?;
    let listener = bound.map_err(cannot)?.tap_io(|connection| {
        // Without it a dead connection is kept a little longer.
        let _ =
            SockRef::from(&*connection).set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENT).with_interval(SILENT));
    });
    let app = Router::new().route("/", post(count)).with_state(Arc::from(region));
    threads.spawn(async move { axum::serve(listener, app).await });
    Ok(())
}

async fn count(State(region): State<Arc<str>>, body: Bytes) -> Result<Vec<u8>, (StatusCode, String)> {
    let refused = |error: &dyn std::fmt::Display| (StatusCode::BAD_REQUEST, error.to_string());
    let batch: Batch<'_> = serde_json::from_slice(&body).map_err(|error| refused(&error))?;
    let counted = answer(&batch, Some(&region), clock::now()).map_err(|error| refused(&error))?;
    serde_json::to_vec(&counted).map_err(|error| refused(&error))
}
