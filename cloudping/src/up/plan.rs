//! The settings of `up`, checked before anything is started.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloudping_agent::ask;
use cloudping_agent::failure::Failure;
use cloudping_agent::measured::{self, own, selection, within};
use cloudping_model::VantageId;
use cloudping_planet::scenario::Scenario;
use cloudping_producers::target_file::TargetFile;
use cloudping_query_service::access::AccessSettings;
use cloudping_query_service::gateways::{GatewaySource, controls};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::tables::Origin;
use cloudping_stream_processor::MAX_ALLOWED_LATENESS_US;

use super::claim;
use super::gateways::sites::{self, Site};
use super::sql_doors::SqlDoorArgs;
use crate::cli::{AwsArgs, UpArgs};

/// The planet's weather when no scenario is given: a little jitter and loss everywhere, so that it resembles a network.
const CALM_WEATHER: &str = "[defaults]\njitter_ms = 0.3\nloss = 0.0005\n";

/// This machine's name as a vantage point, unless it is given another.
const DEFAULT_VANTAGE: &str = "local";

/// What everything is kept on.
#[derive(Debug)]
pub enum Backend {
    /// Embedded stores in the data directory.
    Local,
    /// Kinesis, DynamoDB and S3.
    #[cfg(feature = "aws")]
    Aws(crate::aws::Places),
}

/// What to run.
#[derive(Debug)]
pub struct Plan {
    /// Where to keep it.
    pub backend: Backend,
    /// Make there what is missing.
    #[cfg(feature = "aws")]
    pub create: bool,
    /// The regions to probe.
    pub catalogue: Catalogue,
    /// The user's own targets, and vantage points if there are any but this machine.
    pub own: TargetFile,
    /// The simulated network, if the network is simulated.
    pub planet: Option<PlanetPlan>,
    /// This machine's name as a vantage point, without a planet.
    pub vantage: VantageId,
    /// Data directory.
    pub data: PathBuf,
    /// Address of dashboard and API.
    pub listen: SocketAddr,
    /// Address of the ingest door, if there is to be one.
    pub ingest: Option<SocketAddr>,
    /// The file of alert rules, if there is one.
    pub alerts: Option<PathBuf>,
    /// The gateways elsewhere that are asked for their state.
    pub gateways: Vec<Arc<dyn GatewaySource>>,
    /// The folder of the export that is handed out; it need not be there.
    pub exports: PathBuf,
    /// The doors for programs that speak SQL themselves.
    pub sql_doors: SqlDoorArgs,
    /// Time of a round.
    pub interval: Duration,
    /// Patience of a probe.
    pub timeout: Duration,
    /// Time between runs of the archive.
    pub archive_every: Duration,
    /// How late a round may be before it is counted as late.
    pub allowed_lateness: Duration,
    /// Who may ask how much.
    pub access: AccessSettings,
}

/// How the simulated network behaves.
#[derive(Debug)]
pub struct PlanetPlan {
    /// At the start.
    pub scenario: Scenario,
    /// The file to re-read, if one was given.
    pub file: Option<PathBuf>,
    /// Where gateways stand, if there are to be some.
    pub sites: Vec<Site>,
}

impl Plan {
    /// Checks the arguments.
    pub fn new(args: UpArgs) -> Result<Self, Failure> {
        let most_lateness = Duration::from_micros(MAX_ALLOWED_LATENESS_US.unsigned_abs());
        let default_interval = Duration::from_secs(if args.planet { 1 } else { 10 });
        let interval = args.interval.unwrap_or(default_interval);
        measured::pace(interval, args.timeout)?;
        // The live store fills the newest 75 minutes of what the archive answers: it must not fall further behind.
        within("--archive-every", args.archive_every, Duration::from_secs(1), Duration::from_secs(600))?;
        within("--allowed-lateness", args.allowed_lateness, Duration::ZERO, most_lateness)?;
        let catalogue = selection::catalogue(&args.what, args.planet)?;
        let own = own::read(&args.what, &catalogue)?;
        let access = args.access.settings()?;
        let gateways = controls(&args.gateway_control, ask::gateway_token());
        let gateways = gateways.map_err(|error| Failure::setting(format!("--gateway-control: {error}")))?;
        let backend = backend(&args)?;
        let planet = match args.planet {
            true => {
                Some(planet_plan(args.scenario, if args.gateway { sites::choose(&catalogue)? } else { Vec::new() })?)
            }
            false => None,
        };
        if args.aws.aws && !args.planet && args.vantage.is_none() && own.vantages.is_empty() {
            // In a log that machines share, two of one name would be taken for one.
            return Err(Failure::setting(
                "--aws: other machines may write to the same stream; give this one a name of its own with --vantage",
            ));
        }
        let vantage = args.vantage.as_deref().unwrap_or(DEFAULT_VANTAGE);
        let vantage = VantageId::new(vantage).map_err(|error| Failure::setting(format!("--vantage: {error}")))?;
        let default_data = default_data(args.aws.aws, args.planet);
        let data = args.data.unwrap_or_else(|| PathBuf::from(default_data));
        Ok(Self {
            backend,
            #[cfg(feature = "aws")]
            create: args.create,
            catalogue,
            own,
            planet,
            vantage,
            exports: args.exports.unwrap_or_else(|| data.join("export")),
            data,
            listen: args.listen,
            ingest: args.ingest,
            alerts: args.alerts,
            gateways,
            sql_doors: args.sql_doors,
            interval,
            timeout: args.timeout,
            archive_every: args.archive_every,
            allowed_lateness: args.allowed_lateness,
            access,
        })
    }
}

/// The data directory unless another is named.
pub fn default_data(aws: bool, planet: bool) -> &'static str {
    match (aws, planet) {
        (false, true) => "data/planet",
        (false, false) => "data/world",
        (true, true) => "data/aws-planet",
        (true, false) => "data/aws-world",
    }
}

impl Plan {
    /// Whose numbers these are, as the stores are marked.
    pub fn network_kind(&self) -> &'static str {
        if self.planet.is_some() { claim::PLANET } else { claim::WORLD }
    }

    /// What the rows of the archive say of where they come from.
    pub fn origin(&self) -> Origin {
        if self.planet.is_some() { Origin::Simulated } else { Origin::Measured }
    }
}

fn backend(args: &UpArgs) -> Result<Backend, Failure> {
    if !args.aws.aws {
        return Ok(Backend::Local);
    }
    on_aws(&args.aws)
}

#[cfg(feature = "aws")]
fn on_aws(args: &AwsArgs) -> Result<Backend, Failure> {
    Ok(Backend::Aws(crate::aws::Places::new(args)?))
}

#[cfg(not(feature = "aws"))]
fn on_aws(_: &AwsArgs) -> Result<Backend, Failure> {
    Err(crate::failure::built_without_aws())
}

fn planet_plan(file: Option<PathBuf>, sites: Vec<Site>) -> Result<PlanetPlan, Failure> {
    let scenario = match &file {
        Some(path) => Scenario::load(path),
        None => Scenario::parse(CALM_WEATHER),
    };
    let scenario = scenario.map_err(|error| Failure::setting(format!("--scenario: {error}")))?;
    Ok(PlanetPlan { scenario, file, sites })
}
