//! A running gateway.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cloudping_schemas::catalogue::Catalogue;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::{Config, DestinationConfig};
use crate::deliver::Outlet;
use crate::destination::Destination;
use crate::engine::{Engine, Lane};
use crate::listener::Listener;
use crate::matrix::{self, MatrixClient, MatrixStatus};
use crate::overrides::Overrides;
use crate::packets::Packets;
use crate::route::EVERYWHERE;
use crate::senders::Senders;
use crate::tally::Count;
use crate::targets::{ConnectError, Connectors, Sink, TargetAddress};

/// Batches that wait for their turn, beside those that are with a target.
const WAITING_BATCHES: usize = 1_024;

/// A batch that has left, and the place of its destination.
type Left = (usize, Packets);

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
    /// The file of changed targets cannot be read.
    #[error("state_file {path}: {source}")]
    StateFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that receives cannot be started.
    #[error("cannot start to receive: {0}")]
    Thread(#[from] io::Error),
}

/// Why a target was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such destination.
    #[error("there is no destination {name:?}, expected one of {known:?}")]
    NoDestination {
        /// The name that was given.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// It has no target there.
    #[error("destination {name:?} has no target of {region:?}")]
    NoTarget {
        /// The destination.
        name: String,
        /// The region that was given.
        region: String,
    },
    /// The target cannot be used.
    #[error(transparent)]
    Target(#[from] ConnectError),
    /// The change cannot be noted in the state file, and is not made.
    #[error("nothing is changed, since it cannot be written to the state_file: {0}")]
    Noting(io::Error),
}

/// What all who look at a gateway, or change it, share.
#[derive(Debug)]
pub struct Shared {
    pub(crate) region: String,
    pub(crate) catalogue: Catalogue,
    pub(crate) listeners: Arc<Vec<Listener>>,
    pub(crate) destinations: Vec<Arc<Destination>>,
    pub(crate) displaced: Arc<Count>,
    pub(crate) matrix_url: Option<String>,
    matrix: Mutex<MatrixStatus>,
    /// Destinations whose metrics are shown.
    shown: HashSet<String>,
    connectors: Connectors,
    /// Changes come one after another, with a file or without.
    overrides: Mutex<Option<Overrides>>,
}

impl Shared {
    /// What is known of the matrix.
    pub(crate) fn matrix(&self) -> MatrixStatus {
        self.matrix.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a destination's metrics are shown.
    pub(crate) fn shows(&self, destination: &str) -> bool {
        self.shown.contains(destination)
    }

    /// Sets the target of a region, or takes it away.
    pub(crate) fn set(&self, name: &str, region: &str, address: Option<TargetAddress>) -> Result<(), ChangeError> {
        let mut overrides = self.overrides.lock().unwrap_or_else(PoisonError::into_inner);
        let known = || self.destinations.iter().map(|it| it.name.clone()).collect();
        let destination = self.destinations.iter().find(|it| it.name == name);
        let destination =
            destination.ok_or_else(|| ChangeError::NoDestination { name: name.to_owned(), known: known() })?;
        let sink = match &address {
            Some(address) => Some(connect(&self.connectors, &self.region, region, address)?),
            None if destination.has(region) => None,
            None => return Err(ChangeError::NoTarget { name: name.to_owned(), region: region.to_owned() }),
        };
        if let Some(overrides) = &mut *overrides {
            overrides.note(name, region, address.as_ref()).map_err(ChangeError::Noting)?;
        }
        match address.zip(sink) {
            Some((address, sink)) => destination.set(region, address, sink),
            None => {
                destination.remove(region);
            }
        }
        Ok(())
    }

    /// Asks for the matrix, takes note of the answer, and of why there is none.
    fn learn(&self, client: &mut MatrixClient, known: &mut Arc<crate::route::Distances>) {
        let answer = client.ask();
        let mut status = self.matrix.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(answer) => {
                if let Some(nearest) = answer {
                    *known = Arc::new(matrix::distances(&nearest, known));
                    status.regions = known.measured.len() as u64;
                    status.simulated = nearest.simulated;
                    self.destinations.iter().for_each(|destination| destination.measure(known));
                }
                status.answered = Some(Instant::now());
                status.error = None;
            }
            Err(error) => {
                if status.error.is_none() {
                    tracing::warn!("the latency matrix cannot be read, its last answer stands: {error}");
                }
                status.error = Some(error);
            }
        }
    }
}

/// A gateway that receives.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    wake: UnixDatagram,
    engine: Option<JoinHandle<io::Result<()>>>,
    outlets: JoinSet<()>,
    asking: JoinSet<()>,
}

impl Gateway {
    /// Binds the sockets, makes the targets and begins to receive; `run` names this run, and no other may have it. Must be called within a
    /// runtime.
    ///
    /// # Errors
    /// [`StartError`], with nothing left running.
    pub fn start(config: Config, catalogue: Catalogue, connectors: Connectors, run: &str) -> Result<Self, StartError> {
        let listeners: Result<Vec<Listener>, StartError> = config.listeners.iter().map(bind).collect();
        Self::start_on(listeners?, config, catalogue, connectors, run)
    }

    /// The same on sockets that are bound already, those of `config.listeners` in its order: they may be of other network namespaces.
    ///
    /// # Errors
    /// [`StartError`], with nothing left running.
    pub fn start_on(
        listeners: Vec<Listener>,
        mut config: Config,
        catalogue: Catalogue,
        connectors: Connectors,
        run: &str,
    ) -> Result<Self, StartError> {
        let overrides = match &config.state_file {
            Some(path) => {
                Some(Overrides::open(path).map_err(|source| StartError::StateFile { path: path.clone(), source })?)
            }
            None => None,
        };
        if let Some(overrides) = &overrides {
            overrides.apply(&mut config);
        }
        let near = matrix::estimated(&catalogue, &config.region);
        let destinations: Result<Vec<_>, StartError> =
            config.destinations.iter().map(|it| destination(it, &config.region, &connectors)).collect();
        let shared = Arc::new(Shared {
            region: config.region.clone(),
            catalogue,
            listeners: Arc::new(listeners),
            destinations: destinations?,
            displaced: Arc::default(),
            matrix_url: config.matrix.as_ref().map(|source| source.url.clone()),
            matrix: Mutex::default(),
            shown: config.destinations.iter().filter(|it| it.metrics).map(|it| it.name.clone()).collect(),
            connectors,
            overrides: Mutex::new(overrides),
        });
        shared.destinations.iter().for_each(|destination| destination.measure(&near));
        let (returning, returns) = channel();
        let (wake, woken) = UnixDatagram::pair()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut outlets = JoinSet::new();
        let engine = engine(&config, &shared, run, (returning, returns), &mut outlets, (Arc::clone(&stop), woken));
        let engine = std::thread::Builder::new().name("udp-gateway".to_owned()).spawn(move || engine.run())?;
        let mut asking = JoinSet::new();
        if let Some(source) = &config.matrix {
            let client = MatrixClient::new(source, &config.region);
            asking.spawn(keep_asking(Arc::clone(&shared), client, source.every, near));
        }
        Ok(Self { shared, stop, wake, engine: Some(engine), outlets, asking })
    }

    /// What the control API works on.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The sockets.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.shared.listeners
    }

    /// The destinations.
    #[must_use]
    pub fn destinations(&self) -> &[Arc<Destination>] {
        &self.shared.destinations
    }

    /// Whether it still receives: a socket may fail for good.
    #[must_use]
    pub fn receives(&self) -> bool {
        self.engine.as_ref().is_some_and(|engine| !engine.is_finished())
    }

    /// Receives no more, delivers what it has, and ends.
    ///
    /// # Errors
    /// Why receiving ended before, if it did.
    pub async fn stop(mut self) -> io::Result<()> {
        self.tell();
        self.asking.abort_all();
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

/// The loop with its lanes, whose batches for elsewhere leave by tasks in `outlets`.
fn engine(
    config: &Config,
    shared: &Shared,
    run: &str,
    (returning, returns): (Sender<Left>, Receiver<Left>),
    outlets: &mut JoinSet<()>,
    (stop, wake): (Arc<AtomicBool>, UnixDatagram),
) -> Engine {
    let senders = Senders::new(config.senders.table, config.senders.rate, Instant::now());
    let mut lanes = Vec::new();
    for (lane, (settings, destination)) in config.destinations.iter().zip(&shared.destinations).enumerate() {
        let (jobs, coming) = mpsc::channel(WAITING_BATCHES);
        let outlet = Outlet {
            destination: Arc::clone(destination),
            lane,
            listeners: Arc::clone(&shared.listeners),
            ingress: config.region.as_str().into(),
            run: run.into(),
            returns: returning.clone(),
        };
        outlets.spawn(outlet.run(coming, settings.in_flight));
        let (batching, waiting) = (settings.batching, settings.waiting);
        lanes.push(Lane::new(Arc::clone(destination), batching, waiting, senders.places(), jobs));
    }
    let (listeners, displaced) = (Arc::clone(&shared.listeners), Arc::clone(&shared.displaced));
    Engine { listeners, lanes, senders, displaced, returns, stop, wake }
}

async fn keep_asking(
    shared: Arc<Shared>,
    mut client: MatrixClient,
    every: Duration,
    mut known: Arc<crate::route::Distances>,
) {
    loop {
        let shared = Arc::clone(&shared);
        let asked = tokio::task::spawn_blocking(move || {
            shared.learn(&mut client, &mut known);
            (client, known)
        });
        // It ends with the runtime.
        let Ok(back) = asked.await else { return };
        (client, known) = back;
        tokio::time::sleep(every).await;
    }
}

fn bind(config: &crate::config::ListenerConfig) -> Result<Listener, StartError> {
    Listener::bind(config).map_err(|source| StartError::Bind { address: config.address, source })
}

/// What serves everywhere stands where the gateway is, as far as it says where.
fn connect(
    connectors: &Connectors,
    ingress: &str,
    region: &str,
    address: &TargetAddress,
) -> Result<Sink, ConnectError> {
    connectors.connect(if region == EVERYWHERE { ingress } else { region }, address)
}

fn destination(
    config: &DestinationConfig,
    ingress: &str,
    connectors: &Connectors,
) -> Result<Arc<Destination>, StartError> {
    let destination = Destination::new(&config.name, ingress, config.handling.clone());
    for (region, address) in &config.targets {
        let sink = connect(connectors, ingress, region, address).map_err(|error| StartError::Target {
            destination: config.name.clone(),
            region: region.clone(),
            reason: error.to_string(),
        })?;
        destination.set(region, address.clone(), sink);
    }
    Ok(Arc::new(destination))
}
