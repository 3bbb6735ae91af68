//! The command line, as far as the agent's own program and the whole cloudping share it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use cloudping_schemas::catalogue::EndpointSetting;

use crate::agent::{self, AgentArgs};
use crate::failure::Failure;
use crate::nearest::{self, NearestArgs};
use crate::probe::{self, ProbeArgs};
use crate::targets::{self, TargetsArgs};
use crate::{changes, matrix, reflect, sql};

/// Where `reflect` answers unless told otherwise: STAMP's port (RFC 8762, section 4.1).
const DEFAULT_REFLECT: &str = "0.0.0.0:862";

/// The commands that need nothing but a network.
#[derive(Debug, Subcommand)]
pub enum HostCommand {
    /// Measure from this host, and send the rounds to a cloudping elsewhere
    Agent(Box<AgentArgs>),
    /// Measure round-trip times from here
    Probe(ProbeArgs),
    /// Answer the UDP probes of other cloudpings (STAMP)
    Reflect(ReflectArgs),
    /// Rank the cloud regions by their round-trip time from here
    Nearest(NearestArgs),
    /// List the catalogue: the cloud regions and what is probed there
    Targets(TargetsArgs),
    /// Show the latency matrix of a running cloudping
    Matrix(MatrixArgs),
    /// Show where latencies stepped up or down, as a running cloudping has found
    Changes(ChangesArgs),
    /// Ask a running cloudping's archive in SQL (read-only)
    Sql(SqlArgs),
}

impl HostCommand {
    /// Does it.
    ///
    /// # Errors
    /// What it ends with when it does not succeed.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Agent(args) => agent::run(*args),
            Self::Probe(args) => probe::run(args),
            Self::Reflect(args) => reflect::run(&args),
            Self::Nearest(args) => nearest::run(args),
            Self::Targets(args) => targets::run(args),
            Self::Matrix(args) => matrix::run(args),
            Self::Changes(args) => changes::run(&args),
            Self::Sql(args) => sql::run(args),
        }
    }
}

/// What a vantage point measures: regions of the catalogue, and targets of the user's own.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// Only the regions of these providers: aws, azure, gcp, oci [default: aws, or all if --regions names some].
    /// Every region measures every other: 39 regions are 1,500 probes a round, all four clouds 40,000, and two cores
    /// carry a few thousand a second, so give more regions a longer --interval
    #[arg(long, value_delimiter = ',', value_name = "NAME,NAME,…")]
    pub providers: Vec<String>,
    /// Only these regions of the catalogue, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "ID,ID,…")]
    pub regions: Vec<String>,
    /// Your own host in a region, instead of the catalogue's. Azure's regions need one: Azure has no host of its own there.
    /// May be given many times
    #[arg(long = "endpoint", value_name = "REGION=HOST:PORT")]
    pub endpoints: Vec<EndpointSetting>,
    /// TOML file of your own targets and vantage points, measured beside the catalogue's regions
    #[arg(long, value_name = "FILE")]
    pub targets: Option<PathBuf>,
    /// A target of your own; may be given many times. PROTOCOL is tcp (unless given), tls, https, icmp or udp
    #[arg(long, value_name = "ID=HOST:PORT[/PROTOCOL]")]
    pub target: Vec<String>,
    /// Only your own targets, none of the catalogue's regions
    #[arg(long, conflicts_with_all = ["regions", "providers", "endpoints"])]
    pub no_catalogue: bool,
}

/// Arguments of `reflect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping reflect
  cloudping reflect --listen 192.0.2.1:8620
  cloudping probe 192.0.2.1:8620 --kind udp             (elsewhere)

A stateless STAMP Session-Reflector (RFC 8762, unauthenticated). Its standard port, 862,
needs root or CAP_NET_BIND_SERVICE. On a machine with several addresses, listen on the one
that is probed: answers from another one do not count.

Ctrl-C or SIGTERM ends it with exit code 0. Where it cannot listen, the exit code is 2.")]
pub struct ReflectArgs {
    /// UDP address to answer on
    #[arg(long, default_value = DEFAULT_REFLECT, value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people
    Table,
    /// JSON for programs
    Json,
}

/// Which running cloudping to ask.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Address of the running cloudping. Where it wants a key, CLOUDPING_KEY has it
    #[arg(long, env = "CLOUDPING_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    pub output: Option<Format>,
}

/// Arguments of `matrix`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping matrix
  cloudping matrix --percentile p99 --window 1h --from eu-west-1
  cloudping matrix --percentile jitter --window 30d")]
pub struct MatrixArgs {
    /// p0 to p100, such as p99.9; mean, min, max or jitter (the mean less the least)
    #[arg(long, default_value = "p50")]
    pub percentile: String,
    /// 5m, 1h, 1d, 7d, 30d or 365d
    #[arg(long, default_value = "5m")]
    pub window: String,
    /// Only from this vantage point: a list, the nearest first
    #[arg(long, value_name = "ID")]
    pub from: Option<String>,
    /// Only to this target: a list, the nearest first
    #[arg(long, value_name = "ID")]
    pub to: Option<String>,
    /// The server
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Arguments of `changes`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping changes
  cloudping changes --from us-east-1 --to ap-south-1 --since 30d -o json

A change is a step in the level of a pair that lasts: another route. It is shown with the levels before and after,
medians of the minutes' medians, and with how clear it is: 1 is just clear enough.")]
pub struct ChangesArgs {
    /// Only from this vantage point
    #[arg(long, value_name = "ID")]
    pub from: Option<String>,
    /// Only to this target
    #[arg(long, value_name = "ID")]
    pub to: Option<String>,
    /// Only of this kind: tcp, tls, https, icmp or udp
    #[arg(long, value_name = "KIND")]
    pub protocol: Option<String>,
    /// How far to look back
    #[arg(long, value_parser = humantime::parse_duration, default_value = "7d", value_name = "TIME")]
    pub since: Duration,
    /// The most changes to show, the newest ones; up to 1000
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    pub limit: u32,
    /// The server
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Arguments of `sql`.
#[derive(Debug, Args)]
#[command(after_help = "Tables: samples (one row a probe), rollup_1h (one row a series and hour), regions.

Examples:
  cloudping sql 'select source, target, approx_percentile_cont(rtt_us, 0.5) as p50_us from samples group by 1, 2 order by 3 limit 10'
  cloudping sql \"select * from rollup_1h where source = 'eu-west-1'\" -o json")]
pub struct SqlArgs {
    /// One read-only statement
    #[arg(value_name = "QUERY")]
    pub query: String,
    /// The server
    #[command(flatten)]
    pub server: ServerArgs,
}
