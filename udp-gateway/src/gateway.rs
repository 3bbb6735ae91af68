//! A running gateway.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::{Config, DestinationConfig};
use crate::deliver::Outlet;
use crate::destination::Destination;
use crate::engine::{Engine, Lane};
use crate::listener::Listener;
use crate::senders::Senders;
use crate::tally::Count;
use crate::targets::Connectors;

/// Batches that wait for their turn, beside those that are with a target.
const WAITING_BATCHES: usize = 1_024;

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket cannot be bound.
    #[error("cannot listen on UDP {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A target cannot be used.
    #[error("destination {destination:?}, target of {region:?}: {reason}")]
    Target {
        /// Whose.
        destination: String,
        /// Of which region.
        region: String,
        /// Why.
        reason: String,
    },
    /// The thread that receives cannot be started.
    #[error("cannot start to receive: {0}")]
    Thread(#[from] io::Error),
}

/// A gateway that receives.
#[derive(Debug)]
pub struct Gateway {
    region: String,
    listeners: Arc<Vec<Listener>>,
    destinations: Vec<Arc<Destination>>,
    metrics: Vec<bool>,
    displaced: Arc<Count>,
    stop: Arc<AtomicBool>,
    wake: UnixDatagram,
    engine: Option<JoinHandle<io::Result<()>>>,
    outlets: JoinSet<()>,
}

impl Gateway {
    /// Binds the sockets, makes the targets and begins to receive; `run` names this run, and no other may have it. Must be called within a
    /// runtime.
    ///
    /// # Errors
    /// [`StartError`], with nothing left running.
    pub fn start(config: &Config, connectors: &Connectors, run: &str) -> Result<Self, StartError> {
        let listeners: Result<Vec<Listener>, StartError> = config.listeners.iter().map(bind).collect();
        let listeners = Arc::new(listeners?);
        let destinations: Result<Vec<_>, StartError> =
            config.destinations.iter().map(|it| destination(it, &config.region, connectors)).collect();
        let destinations = destinations?;
        let senders = Senders::new(config.senders.table, config.senders.rate, Instant::now());
        let (returning, returns) = std::sync::mpsc::channel();
        let mut outlets = JoinSet::new();
        let mut lanes = Vec::new();
        for (lane, (config_of, destination)) in config.destinations.iter().zip(&destinations).enumerate() {
            let (jobs, coming) = mpsc::channel(WAITING_BATCHES);
            let outlet = Outlet {
                destination: Arc::clone(destination),
                lane,
                listeners: Arc::clone(&listeners),
                ingress: config.region.as_str().into(),
                run: run.into(),
                returns: returning.clone(),
            };
            outlets.spawn(outlet.run(coming, config_of.in_flight));
            let (batching, waiting) = (config_of.batching, config_of.waiting);
            lanes.push(Lane::new(Arc::clone(destination), batching, waiting, senders.places(), jobs));
        }
        let (wake, woken) = UnixDatagram::pair()?;
        let (stop, displaced) = (Arc::new(AtomicBool::new(false)), Arc::new(Count::default()));
        let engine = Engine {
            listeners: Arc::clone(&listeners),
            lanes,
            senders,
            displaced: Arc::clone(&displaced),
            returns,
            stop: Arc::clone(&stop),
            wake: woken,
        };
        let engine = std::thread::Builder::new().name("udp-gateway".to_owned()).spawn(move || engine.run())?;
        let metrics = config.destinations.iter().map(|it| it.metrics).collect();
        let region = config.region.clone();
        Ok(Self { region, listeners, destinations, metrics, displaced, stop, wake, engine: Some(engine), outlets })
    }

    /// The region in which it receives.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The sockets.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// The destinations.
    #[must_use]
    pub fn destinations(&self) -> &[Arc<Destination>] {
        &self.destinations
    }

    /// Receives no more, delivers what it has, and ends.
    ///
    /// # Errors
    /// Why receiving ended before, if it did.
    pub async fn stop(mut self) -> io::Result<()> {
        self.tell();
        let ended = self.engine.take().map(|engine| tokio::task::spawn_blocking(move || engine.join()));
        let ended = match ended {
            Some(ended) => ended.await.map_err(io::Error::other)?,
            None => Ok(Ok(())),
        };
        while self.outlets.join_next().await.is_some() {}
        ended.unwrap_or_else(|_| Err(io::Error::other("the thread that receives panicked")))
    }

    fn tell(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // It has ended by itself if nobody takes this.
        let _ = self.wake.send(b"!");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.tell();
    }
}

fn bind(config: &crate::config::ListenerConfig) -> Result<Listener, StartError> {
    Listener::bind(config).map_err(|source| StartError::Bind { address: config.address, source })
}

fn destination(
    config: &DestinationConfig,
    ingress: &str,
    connectors: &Connectors,
) -> Result<Arc<Destination>, StartError> {
    let destination = Destination::new(&config.name, ingress, config.handling.clone());
    for (region, address) in &config.targets {
        // What serves everywhere stands where the gateway is, as far as it says where.
        let place = if region == crate::route::EVERYWHERE { ingress } else { region };
        let sink = connectors.connect(place, address).map_err(|error| StartError::Target {
            destination: config.name.clone(),
            region: region.clone(),
            reason: error.to_string(),
        })?;
        destination.set(region, address.clone(), sink);
    }
    Ok(Arc::new(destination))
}
