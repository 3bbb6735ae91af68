//! The settings of `up`, checked before anything is started.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cloudping_model::VantageId;
use cloudping_planet::scenario::Scenario;
use cloudping_schemas::catalogue::{Catalogue, Region};

use crate::cli::UpArgs;
use crate::failure::Failure;

/// The planet's weather when no scenario is given: a little jitter and loss everywhere, so that it resembles a network.
const CALM_WEATHER: &str = "[defaults]\njitter_ms = 0.3\nloss = 0.0005\n";

/// The longest interval: an event spans ten minutes at most, the last probe's wait included.
const LONGEST_INTERVAL: Duration = Duration::from_secs(540);

/// What to run.
#[derive(Debug)]
pub struct Plan {
    /// The regions to probe.
    pub catalogue: Catalogue,
    /// The simulated network, if the network is simulated.
    pub planet: Option<PlanetPlan>,
    /// This machine's name as a vantage point, without a planet.
    pub vantage: VantageId,
    /// Data directory.
    pub data: PathBuf,
    /// Address of dashboard and API.
    pub listen: SocketAddr,
    /// Time of a round.
    pub interval: Duration,
    /// Patience of a probe.
    pub timeout: Duration,
    /// Time between runs of the archive.
    pub archive_every: Duration,
}

/// How the simulated network behaves.
#[derive(Debug)]
pub struct PlanetPlan {
    /// At the start.
    pub scenario: Scenario,
    /// The file to re-read, if one was given.
    pub file: Option<PathBuf>,
}

impl Plan {
    /// Checks the arguments.
    pub fn new(args: UpArgs) -> Result<Self, Failure> {
        let default_interval = Duration::from_secs(if args.planet { 1 } else { 10 });
        let interval = args.interval.unwrap_or(default_interval);
        within("--interval", interval, Duration::from_millis(100), LONGEST_INTERVAL)?;
        within("--timeout", args.timeout, Duration::from_millis(10), Duration::from_secs(60))?;
        within("--archive-every", args.archive_every, Duration::from_secs(1), Duration::from_secs(86_400))?;
        let planet = match args.planet {
            true => Some(planet_plan(args.scenario)?),
            false => None,
        };
        let default_data = if args.planet { "data/planet" } else { "data/world" };
        Ok(Self {
            catalogue: catalogue(&args.regions)?,
            planet,
            vantage: VantageId::new(&args.vantage).map_err(|error| Failure::setting(format!("--vantage: {error}")))?,
            data: args.data.unwrap_or_else(|| PathBuf::from(default_data)),
            listen: args.listen,
            interval,
            timeout: args.timeout,
            archive_every: args.archive_every,
        })
    }
}

fn within(name: &str, value: Duration, least: Duration, most: Duration) -> Result<(), Failure> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Failure::setting(format!("{name} {value:?}: expected {least:?} to {most:?}")))
}

fn planet_plan(file: Option<PathBuf>) -> Result<PlanetPlan, Failure> {
    let scenario = match &file {
        Some(path) => Scenario::load(path),
        None => Scenario::parse(CALM_WEATHER),
    };
    let scenario = scenario.map_err(|error| Failure::setting(format!("--scenario: {error}")))?;
    Ok(PlanetPlan { scenario, file })
}

fn catalogue(only: &[String]) -> Result<Catalogue, Failure> {
    let mut catalogue = Catalogue::built_in().map_err(Failure::setting)?;
    if let Some(unknown) = only.iter().find(|id| catalogue.get(id).is_none()) {
        let known: Vec<&str> = catalogue.regions().iter().map(|region| region.id.as_str()).collect();
        return Err(Failure::setting(format!(
            "--regions: no region {unknown:?}; the catalogue has {}",
            known.join(", ")
        )));
    }
    if !only.is_empty() {
        catalogue.retain(|region: &Region| only.contains(&region.id));
    }
    Ok(catalogue)
}
