//! The planet that the tools measure, and the way into it.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use cloudping_planet::{Options, Place, Planet, Scenario, World};

/// Addresses that an own prober goes through, so that each probe of a run can be told from its neighbours on the wire.
pub const SOURCES: usize = 250;

/// A way to a target.
#[derive(Debug, Clone, Copy)]
pub struct Road {
    /// Round-trip time without jitter, ms.
    pub rtt_ms: u32,
    /// Mean of the exponential jitter on top, ms.
    pub jitter_ms: u32,
    /// Of the SYNs and echo requests, in per cent.
    pub loss_percent: u32,
}

/// The roads, target by target.
pub fn roads() -> Vec<Road> {
    let mut roads = Vec::new();
    for rtt_ms in [10, 100] {
        for jitter_ms in [0, 5] {
            for loss_percent in [0, 1] {
                roads.push(Road { rtt_ms, jitter_ms, loss_percent });
            }
        }
    }
    roads
}

/// A planet with one target for each road.
pub struct Lab {
    pub planet: Planet,
    /// By road.
    pub targets: Vec<SocketAddr>,
    /// What peers probe from.
    pub home: IpAddr,
    /// What own probers probe from, in turn.
    pub sources: Vec<IpAddr>,
}

impl Lab {
    /// Starts it.
    pub fn start() -> Result<Self, Box<dyn Error>> {
        let roads = roads();
        let place = |id: String| Place { id, latitude: 0.0, longitude: 0.0 };
        let mut places: Vec<Place> = (0..roads.len()).map(|at| place(format!("target-{at}"))).collect();
        places.extend((0..SOURCES).map(|at| place(format!("source-{at}"))));
        let mut scenario = String::new();
        for (at, road) in roads.iter().enumerate() {
            let (rtt, jitter, loss) = (road.rtt_ms, road.jitter_ms, f64::from(road.loss_percent) / 100.0);
            write!(scenario, "[[link]]\nsource = \"*\"\ntarget = \"target-{at}\"\nsymmetric = false\n")?;
            write!(scenario, "rtt_ms = {rtt}\njitter_ms = {jitter}\nloss = {loss}\n")?;
        }
        let world = World::from_places(&places).with(&Scenario::parse(&scenario)?)?;
        let planet = Planet::start(world, Options::default())?;
        let address = |id: String| planet.vantage_address(&id).ok_or("a place without an address");
        let sources = (0..SOURCES).map(|at| address(format!("source-{at}"))).collect::<Result<_, _>>()?;
        let home = address("target-0".into())?;
        let targets = (0..roads.len()).map(|at| planet.target_address(&format!("target-{at}")));
        let targets = targets.collect::<Option<_>>().ok_or("a target without an address")?;
        let lab = Self { planet, targets, home, sources };
        lab.give_the_device_an_address()?;
        Ok(lab)
    }

    /// Runs `work` on a thread in the vantage points' network. The processes and threads that it starts are there too.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let entrance = self.planet.entrance();
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || entrance.enter().map(|()| work()));
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// hping3 and nping want one; for the planet's own use a route is enough.
    fn give_the_device_an_address(&self) -> Result<(), Box<dyn Error>> {
        let address = format!("{}/32", self.home);
        let add = || Command::new("ip").args(["address", "add", &address, "dev", "planet"]).status();
        match self.inside(add)? {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("ip address add {address} dev planet: {other:?}").into()),
        }
    }

    /// The target that an address belongs to.
    pub fn target_of(&self, address: IpAddr) -> Option<usize> {
        self.targets.iter().position(|target| target.ip() == address)
    }
}
