//! A running planet.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use crate::accuracy::{Accuracy, AskedRtt};
use crate::address::{self, MAX_REGIONS, Side, TARGET_PORT};
use crate::departures::Departures;
use crate::error::PlanetError;
use crate::router::Router;
use crate::scenario::{Scenario, ScenarioError};
use crate::shared::Shared;
use crate::world::World;
use crate::{holder, namespace, sys, watch};

/// What can be chosen when a planet starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Seed of jitter and loss: the same seed draws the same sequence.
    pub seed: u64,
    /// How many of the latest handshakes [`Planet::take_asked`] can give, at about 120 bytes each; 0 keeps none.
    pub ledger: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, ledger: 0 }
    }
}

/// A simulated wide-area network, running until it is dropped.
pub struct Planet {
    shared: Arc<Shared>,
    entrance: Entrance,
    target_entrance: Entrance,
    device: u32,
    has_ipv6: bool,
    /// Stop the router and the holder when written to.
    stops: Vec<OwnedFd>,
    watchers: Mutex<Vec<mpsc::Sender<()>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The way into one side of the planet, for threads that probe there, or serve.
#[derive(Debug, Clone)]
pub struct Entrance(Arc<OwnedFd>);

impl Entrance {
    /// Moves the calling thread into the network of this side: every socket it opens from now on lives there.
    /// Meant for the start of a thread (of tokio: `Builder::on_thread_start`). There is no way back.
    ///
    /// # Errors
    /// `EPERM` if the process gave up its rights after the planet started.
    pub fn enter(&self) -> io::Result<()> {
        sys::enter_network_namespace(self.0.as_fd())
    }
}

impl Planet {
    /// Starts the network of `world`. Needs the rights that [`acquire_rights`](crate::acquire_rights) gives. Raises the
    /// process's soft limit on open files to the hard limit, since targets hold one for each connection.
    ///
    /// # Errors
    /// What is missing, with what to do about it.
    pub fn start(world: World, options: Options) -> Result<Self, PlanetError> {
        let found = world.places().len();
        if !(1..=MAX_REGIONS).contains(&found) {
            return Err(PlanetError::RegionCount { found, max: MAX_REGIONS });
        }
        if let Err(error) = sys::raise_file_limit() {
            tracing::warn!(%error, "cannot raise the limit on open files");
        }
        let vantage = namespace::vantage_side()?;
        let target = namespace::target_side()?;
        let shared = Arc::new(Shared::new(world, options.ledger));
        let mut planet = Self {
            shared: shared.clone(),
            entrance: Entrance(Arc::new(vantage.namespace)),
            target_entrance: Entrance(Arc::new(target.namespace)),
            device: vantage.device,
            has_ipv6: vantage.has_ipv6,
            stops: Vec::new(),
            watchers: Mutex::default(),
            threads: Mutex::default(),
        };
        let router = Router {
            vantage: vantage.tun,
            target: target.tun,
            stop: planet.new_stop()?,
            departures: Departures::new(vantage.departures),
            shared,
            seed: options.seed,
        };
        planet.spawn("planet-router", move || report("router", router.run()))?;
        let (listener, stop) = (target.listener, planet.new_stop()?);
        planet.spawn("planet-targets", move || report("targets", holder::hold(&listener, &stop)))?;
        Ok(planet)
    }

    /// The IPv4 address of vantage point `id`: bind to it before connecting, from a thread that has entered.
    pub fn vantage_address(&self, id: &str) -> Option<IpAddr> {
        self.index_of(id).map(|index| address::v4(Side::Vantage, index).into())
    }

    /// The IPv6 address of vantage point `id`; `None` also where the kernel refused IPv6.
    pub fn vantage_address_v6(&self, id: &str) -> Option<IpAddr> {
        let index = self.index_of(id).filter(|_| self.has_ipv6)?;
        Some(address::v6(Side::Vantage, index).into())
    }

    /// The IPv4 socket that target `id` has now: connect to it. Another one once a scenario moves the target.
    pub fn target_address(&self, id: &str) -> Option<SocketAddr> {
        self.target_socket(id, |index| address::v4(Side::Target, index).into())
    }

    /// The IPv6 socket of target `id`; `None` also where the kernel refused IPv6.
    pub fn target_address_v6(&self, id: &str) -> Option<SocketAddr> {
        self.target_socket(id, |index| address::v6(Side::Target, index).into()).filter(|_| self.has_ipv6)
    }

    fn target_socket(&self, id: &str, first: impl Fn(usize) -> IpAddr) -> Option<SocketAddr> {
        let world = self.shared.world();
        let first = first(world.index_of(id)?);
        let address = if world.has_moved(id) { address::second(first) } else { first };
        Some(SocketAddr::new(address, TARGET_PORT))
    }

    /// The region that an address of either side belongs to.
    pub fn region_of(&self, address: IpAddr) -> Option<String> {
        let (_, index) = address::locate(address)?;
        self.shared.world().places().get(index).map(|place| place.id.clone())
    }

    /// The way into the vantage side.
    pub fn entrance(&self) -> Entrance {
        self.entrance.clone()
    }

    /// The way into the target side, for servers of other ports than the targets' own.
    pub fn target_entrance(&self) -> Entrance {
        self.target_entrance.clone()
    }

    /// The world as it is now.
    pub fn world(&self) -> Arc<World> {
        self.shared.world()
    }

    /// Changes the world while it runs. Packets under way keep their times.
    ///
    /// # Errors
    /// [`ScenarioError::UnknownRegion`]; nothing has changed then.
    pub fn apply(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        self.shared.set_world(self.shared.world().with(scenario)?);
        Ok(())
    }

    /// Applies the scenario file at `path`, and again whenever it changes (noticed within 250 ms), until the planet is
    /// dropped. A changed file that is invalid is logged as an error, and the last good scenario stays.
    ///
    /// # Errors
    /// If the file is invalid now; it is not followed then.
    pub fn watch(&self, path: impl AsRef<Path>) -> Result<(), ScenarioError> {
        let path = path.as_ref().to_owned();
        let seen = watch::version_of(&path);
        watch::load(&path, &self.shared)?;
        let (stop, stopped) = mpsc::channel();
        let shared = self.shared.clone();
        let follow = {
            let path = path.clone();
            move || watch::follow(&path, &shared, seen, &stopped)
        };
        self.spawn("planet-watch", follow)
            .map_err(|error| ScenarioError::Read { path, source: io::Error::other(error) })?;
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner).push(stop);
        Ok(())
    }

    /// How well the planet has kept to what was asked, by the router's own clock. A handshake appears a moment after it is
    /// complete.
    pub fn accuracy(&self) -> Accuracy {
        self.shared.accuracy()
    }

    /// Takes the record of the latest handshakes, oldest first, at most [`Options::ledger`] of them.
    pub fn take_asked(&self) -> Vec<AskedRtt> {
        self.shared.take_asked()
    }

    /// Index of the vantage side's device, for captures.
    pub(crate) fn device(&self) -> u32 {
        self.device
    }

    fn index_of(&self, id: &str) -> Option<usize> {
        self.shared.world().index_of(id)
    }

    fn new_stop(&mut self) -> Result<OwnedFd, PlanetError> {
        let make = || {
            let stop = sys::event_counter()?;
            Ok((stop.try_clone()?, stop))
        };
        let (ours, theirs) = make().map_err(PlanetError::setup("make an event counter"))?;
        self.stops.push(ours);
        Ok(theirs)
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), PlanetError> {
        let thread = thread::Builder::new().name(name.into()).spawn(run);
        let thread = thread.map_err(PlanetError::setup("start a thread"))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }
}

impl Drop for Planet {
    fn drop(&mut self) {
        self.watchers.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        for stop in self.stops.drain(..) {
            if let Err(error) = std::fs::File::from(stop).write_all(&1u64.to_ne_bytes()) {
                tracing::error!(%error, "cannot stop a thread of the simulated network");
            }
        }
        for thread in self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the simulated network has panicked");
            }
        }
    }
}

fn report(what: &str, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::error!(%error, "the simulated network's {what} stopped");
    }
}
