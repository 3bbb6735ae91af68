//! The ingest door of this process: other vantage points send their rounds to its log.

use std::net::SocketAddr;

use cloudping_agent::failure::Failure;
use cloudping_agent::{clock, output};
use cloudping_ingest_door::{Door, Limits, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::stores::Stores;

/// Opens the door at this address, if one is asked for; it closes at `shutdown`, when the requests under way are answered.
///
/// # Errors
/// When it cannot listen there.
pub async fn open(
    address: Option<SocketAddr>,
    stores: &Stores,
    mut shutdown: watch::Receiver<bool>,
) -> Result<Option<JoinHandle<()>>, Failure> {
    let Some(address) = address else { return Ok(None) };
    let cannot =
        |error| Failure::setting(format!("cannot listen on {address}: {error}; choose another address with --ingest"));
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(Failure::runtime)?;
    let door = Door::new(stores.log.clone(), stores.store.clone(), clock::now, Limits::default());
    output::print(format_args!("taking signed rounds at http://{address}"))?;
    Ok(Some(tokio::spawn(async move {
        let closed = async move {
            let _ = shutdown.wait_for(|stop| *stop).await;
        };
        if let Err(error) = serve(listener, door, closed).await {
            tracing::error!(%error, "the ingest door failed");
        }
    })))
}
