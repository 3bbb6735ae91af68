//! `up --planet --gateway`: UDP gateways on the planet, counters behind them and senders before them.
//!
//! A gateway stands at the *edge* of a region: a place of the planet's own beside it, so that an outage of the region leaves the gateway on the
//! network. What it sends to the regions' counters ([`counters`]) goes through the planet, by connections from the edge ([`paths`]); so does what
//! simulated senders ([`senders`]) at the edges send to it. It also receives on a port of the machine's loopback device, for whoever wants to try.
//! It routes by the service of this process, over HTTP as any gateway does: what is watched here is what runs elsewhere.

mod counters;
mod paths;
mod senders;
pub mod sites;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cloudping_agent::failure::Failure;
use cloudping_agent::{clock, output};
use cloudping_planet::{Entrance, Planet};
use cloudping_query_service::gateways::GatewaySource;
use cloudping_schemas::api::GatewaySeen;
use cloudping_udp_gateway::config::ListenerConfig;
use cloudping_udp_gateway::listener::Listener;
use cloudping_udp_gateway::targets::Connectors;
use cloudping_udp_gateway::{Config, Gateway, Shared, state};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::network::{Network, Threads, inside};
use super::plan::Plan;
use paths::Paths;
use sites::Site;

/// The port of a gateway in the planet: that of Proxylity's examples.
const PORT: u16 = 2061;
/// How often it is looked whether all still receive.
const LOOK: Duration = Duration::from_secs(1);

/// The gateways, none unless they are asked for, and all that is around them.
#[derive(Default)]
pub struct Gateways {
    running: Vec<(Site, Gateway)>,
    senders: Vec<JoinHandle<()>>,
    /// The threads of both sides of the planet. They end with this.
    _threads: Vec<Threads>,
}

impl Gateways {
    /// Starts those of the plan, which route by the service at `address`. Somebody must listen there already; it may answer later.
    ///
    /// # Errors
    /// When one cannot be started.
    pub async fn start(plan: &Plan, network: &Network, address: SocketAddr) -> Result<Self, Failure> {
        let sites = plan.planet.as_ref().map_or(&[][..], |planet| &planet.sites);
        let Some(planet) = network.planet.as_ref().filter(|_| !sites.is_empty()) else { return Ok(Self::default()) };
        let near = inside(planet.entrance(), "gateways")?;
        let far = inside(planet.target_entrance(), "counters")?;
        for site in sites {
            counters::start(&far, place(planet.target_address(&site.region), site, counters::PORT)?, &site.region)
                .await?;
        }
        let (mut running, mut senders) = (Vec::new(), Vec::new());
        for site in sites {
            let edge = planet.vantage_address(&site.edge).ok_or_else(|| missing(&site.edge))?;
            let paths = Connectors::default().with(Paths::new(edge, near.handle()));
            let config = config(plan, planet, sites, site, address)?;
            running.push((site.clone(), gateway(plan, config, paths, planet.entrance())?));
            let from = place(planet.target_address(&site.edge), site, 0)?;
            senders.push(far.spawn(senders::send(from, SocketAddr::new(edge, PORT))));
        }
        Ok(Self { running, senders, _threads: vec![near, far] })
    }

    /// Where the service asks them.
    pub fn sources(&self) -> Vec<Arc<dyn GatewaySource>> {
        let own = |(site, gateway): &(Site, Gateway)| {
            Arc::new(Own { name: site.region.clone(), shared: Arc::clone(gateway.shared()) }) as Arc<dyn GatewaySource>
        };
        self.running.iter().map(own).collect()
    }

    /// Says where one may send to.
    pub fn announce(&self) -> Result<(), Failure> {
        for (site, gateway) in &self.running {
            if let Some(listener) = gateway.listeners().first() {
                let (region, address) = (&site.region, listener.address);
                output::print(format_args!("SIMULATED gateway at the edge of {region} receives at UDP {address}"))?;
            }
        }
        Ok(())
    }

    /// Waits for `shutdown`, then lets each deliver what it has. Ends before where one receives no more.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut look = tokio::time::interval(LOOK);
        while self.running.iter().all(|(_, gateway)| gateway.receives()) {
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => break,
                _ = look.tick() => {}
            }
        }
        self.senders.iter().for_each(JoinHandle::abort);
        for (site, gateway) in self.running {
            if let Err(error) = gateway.stop().await {
                tracing::error!(%error, "the gateway of {} stopped to receive", site.region);
            }
        }
    }
}

/// A gateway of this process.
#[derive(Debug)]
struct Own {
    name: String,
    shared: Arc<Shared>,
}

#[async_trait]
impl GatewaySource for Own {
    async fn look(&self) -> GatewaySeen {
        let state = state::state(&self.shared, Instant::now(), clock::now());
        GatewaySeen { name: self.name.clone(), state: Some(state), error: None }
    }
}

/// Binds one socket on this machine and one in the planet, and starts the gateway on them.
fn gateway(plan: &Plan, config: Config, paths: Connectors, entrance: Entrance) -> Result<Gateway, Failure> {
    let listeners = config.listeners.iter().enumerate().map(|(at, listener)| {
        let bound = match at {
            0 => Listener::bind(listener),
            _ => bind_inside(entrance.clone(), listener.clone()),
        };
        bound.map_err(|error| Failure::runtime(format!("a gateway cannot listen on UDP {}: {error}", listener.address)))
    });
    let listeners = listeners.collect::<Result<Vec<_>, Failure>>()?;
    // No two of a process have the same region.
    let run = format!("{}-{:x}-{:x}", config.region, clock::now().0, std::process::id());
    Gateway::start_on(listeners, config, plan.catalogue.clone(), paths, &run).map_err(Failure::runtime)
}

/// On a thread of its own: one that has entered stays there.
fn bind_inside(entrance: Entrance, config: ListenerConfig) -> std::io::Result<Listener> {
    let bound = std::thread::spawn(move || {
        entrance.enter()?;
        Listener::bind(&config)
    });
    bound.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that binds it panicked")))
}

/// A configuration as any gateway has it, but for pauses that are short enough to watch.
fn config(plan: &Plan, planet: &Planet, sites: &[Site], own: &Site, service: SocketAddr) -> Result<Config, Failure> {
    let edge = planet.vantage_address(&own.edge).ok_or_else(|| missing(&own.edge))?;
    let target = |site: &Site| {
        let address = place(planet.target_address(&site.region), site, counters::PORT)?;
        Ok(format!("\"{}\" = \"http://{address}/\"\n", site.region))
    };
    let targets = sites.iter().map(target).collect::<Result<String, Failure>>()?;
    let listener = |bind: IpAddr, port: u16, domain: &str| {
        format!(
            "[[listener]]\nbind = \"{bind}\"\nport = {port}\ndomain = \"{domain}\"\ndestinations = [\"counter\"]\nreceive_buffer_mb = 1.0\n"
        )
    };
    let text = format!(
        "region = \"{}\"\ncontrol = \"off\"\nsenders = {{ table = 1024 }}\nmatrix = {{ url = \"http://{}\", refresh_seconds = 2 }}\n{}{}\
         [[destination]]\nname = \"counter\"\nbatching = {{ timeout_seconds = 0.1 }}\ntimeout_seconds = 0.6\nwaiting_mb = 4.0\n\
         breaker = {{ longest_pause_seconds = 1.0 }}\n[destination.targets]\n{targets}",
        own.region,
        reachable(service),
        listener(Ipv4Addr::LOCALHOST.into(), 0, "localhost"),
        listener(edge, PORT, "simulated-senders"),
    );
    Config::parse(&text, &plan.catalogue).map_err(Failure::runtime)
}

/// Where this process reaches a service that may listen on all addresses.
fn reachable(service: SocketAddr) -> SocketAddr {
    let ip = match service.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, service.port())
}

/// An address of the planet's with a port of our own.
fn place(address: Option<SocketAddr>, site: &Site, port: u16) -> Result<SocketAddr, Failure> {
    let address = address.ok_or_else(|| missing(&site.region))?;
    Ok(SocketAddr::new(address.ip(), port))
}

fn missing(id: &str) -> Failure {
    Failure::runtime(format!("the planet has no place {id}"))
}
