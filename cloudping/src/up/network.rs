//! What is measured from where: the simulated planet, or the world from this machine.

use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cloudping_agent::failure::Failure;
use cloudping_agent::measured::{self, PRODUCERS, producer_threads, target};
use cloudping_model::VantageId;
use cloudping_planet::{Entrance, Options, Place, Planet, World};
use cloudping_producers::producer::Vantage;
use cloudping_producers::targets::{Endpoint, Target};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

use super::gateways::sites;
use super::plan::{Plan, PlanetPlan};

/// How often the simulated network is asked where its targets are.
const MOVES_EVERY: Duration = Duration::from_millis(250);

/// Vantage points, and the threads that their sockets must be opened on.
pub struct Network {
    /// Who measures.
    pub vantages: Vec<Vantage>,
    /// Runs the producers; with a planet its threads live in the planet's network.
    pub threads: Threads,
    /// The simulated network, alive as long as this.
    pub planet: Option<Arc<Planet>>,
}

/// A runtime that may be dropped inside another one, whatever fails there: what still runs on it is left alone.
pub struct Threads {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Threads {
    fn of(runtime: Runtime) -> Self {
        Self { handle: runtime.handle().clone(), runtime: Some(runtime) }
    }

    /// The way to them for whoever runs work there later.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs work on them.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.handle.spawn(work)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Network {
    /// Starts the planet, or names the world's targets.
    pub fn start(plan: &Plan) -> Result<Self, Failure> {
        match &plan.planet {
            Some(planet) => simulated(plan, planet),
            None => real(plan),
        }
    }
}

fn simulated(plan: &Plan, planet: &PlanetPlan) -> Result<Network, Failure> {
    let place = |region: &cloudping_schemas::catalogue::Region| Place {
        id: region.id.clone(),
        latitude: region.latitude,
        longitude: region.longitude,
    };
    let places: Vec<Place> = plan.catalogue.regions().iter().map(place).collect();
    let everywhere = [&places[..], &sites::edges(&planet.sites, &places)].concat();
    let world = World::from_places(&everywhere).with(&planet.scenario).map_err(Failure::setting)?;
    let running = Planet::start(world, Options::default()).map_err(Failure::setting)?;
    if let Some(file) = &planet.file {
        running.watch(file).map_err(Failure::setting)?;
    }
    let all = places.iter().map(|place| {
        let address = running.target_address(&place.id).ok_or_else(|| missing(&place.id))?;
        target(&place.id, Endpoint::fixed(address))
    });
    let all = all.collect::<Result<Vec<_>, Failure>>()?;
    let vantages = places.iter().map(|place| {
        let targets = all.iter().filter(|other| other.id().as_str() != place.id).cloned().collect();
        let source = running.vantage_address(&place.id).ok_or_else(|| missing(&place.id))?;
        Ok(vantage(plan, vantage_id(&place.id)?, Some(source), targets))
    });
    let vantages = vantages.collect::<Result<Vec<_>, Failure>>()?;
    let threads = inside(running.entrance(), PRODUCERS)?;
    let running = Arc::new(running);
    threads.spawn(follow_moves(Arc::downgrade(&running), all));
    Ok(Network { vantages, threads, planet: Some(running) })
}

/// Has the targets at the addresses that the scenario gives them, as the names of the world would, for as long as the network is there.
async fn follow_moves(planet: Weak<Planet>, targets: Vec<Target>) {
    while let Some(planet) = planet.upgrade() {
        for target in &targets {
            if let Some(address) = planet.target_address(target.id().as_str()) {
                target.place_at(address.ip());
            }
        }
        drop(planet);
        tokio::time::sleep(MOVES_EVERY).await;
    }
}

fn real(plan: &Plan) -> Result<Network, Failure> {
    let targets = measured::targets(&plan.catalogue, &plan.own)?;
    let own = plan.own.vantages.iter();
    let mut vantages: Vec<Vantage> =
        own.map(|line| vantage(plan, line.id.clone(), line.source, targets.clone())).collect();
    if vantages.is_empty() {
        vantages.push(vantage(plan, plan.vantage.clone(), None, targets));
    }
    let threads = Threads::of(producer_threads().build().map_err(Failure::runtime)?);
    Ok(Network { vantages, threads, planet: None })
}

fn vantage(plan: &Plan, id: VantageId, source: Option<IpAddr>, targets: Vec<Target>) -> Vantage {
    Vantage { id, source, targets, interval: plan.interval, spread: None, timeout: plan.timeout }
}

fn vantage_id(id: &str) -> Result<VantageId, Failure> {
    VantageId::new(id).map_err(Failure::setting)
}

fn missing(id: &str) -> Failure {
    Failure::runtime(format!("the planet has no region {id}"))
}

/// Threads of this name that live in the planet's network, on that side.
///
/// # Errors
/// When it cannot be entered.
pub fn inside(entrance: Entrance, name: &'static str) -> Result<Threads, Failure> {
    let tried = entrance.clone();
    let trial = std::thread::spawn(move || tried.enter()).join();
    if let Ok(Err(error)) = trial {
        return Err(Failure::setting(format!(
            "cannot enter the planet's network: {error}; run as root or as the user who started it"
        )));
    }
    let enter = move || {
        if let Err(error) = entrance.enter() {
            tracing::error!(%error, "a thread of the {name} is outside the planet's network: nothing will reach it");
        }
    };
    let runtime = producer_threads().thread_name(name).on_thread_start(enter).build();
    Ok(Threads::of(runtime.map_err(Failure::runtime)?))
}
