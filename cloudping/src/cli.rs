//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use cloudping_agent::cli::{HostCommand, TargetArgs};
use cloudping_query_service::gateways::ControlAddress;

use crate::alerts::AlertsArgs;
use crate::doctor::DoctorArgs;
use crate::gateway::GatewayArgs;
use crate::ingest_key::IngestKeyArgs;
use crate::key::KeyArgs;
use crate::regions::{ProducersArgs, RegionsArgs};
use crate::rollup::RollupArgs;
use crate::up::AccessArgs;
use crate::up::sql_doors::SqlDoorArgs;

/// In `--help`: what a binary built without the feature knows to be missing.
const AWS: &str = "AWS (in a cloudping built with --features aws)";

/// Where `up` listens and the other commands ask, unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// A truthful, live and historical record of network latency between cloud regions.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Examples:
  cloudping up --planet                       every region simulated on this machine
  cloudping up                                this machine measures the real regions
  cloudping agent --join URL --key-file FILE  this machine measures for a cloudping elsewhere
  cloudping doctor                            what is missing here, and what to do about it
  cloudping probe example.com dns.google:53   round-trip times, live
  cloudping nearest                           the nearest cloud regions from here
  cloudping matrix --from eu-west-1           who is near, by the running cloudping
  cloudping changes                           where routes became longer or shorter
  cloudping sql 'select count(*) from samples'
  cloudping rollup stats                      what the archive weighs"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in this process: measure, keep, archive, answer, show
    Up(Box<UpArgs>),
    /// What the agent's own program has too.
    #[command(flatten)]
    Host(HostCommand),
    /// Check what `up` needs, here and on AWS, and say what to do about what is missing
    Doctor(DoctorArgs),
    /// Make, register, list and revoke the keys by which vantage points elsewhere send their rounds
    IngestKey(IngestKeyArgs),
    /// Make, list, show and revoke the keys of those who ask the API
    Key(KeyArgs),
    /// Work with a UDP gateway
    Gateway(GatewayArgs),
    /// Check a file of alert rules, and what of it would be alarming now
    Alerts(AlertsArgs),
    /// Look after the archive's tables: roll up, compact, vacuum, check, weigh
    Rollup(RollupArgs),
    /// List the AWS regions of the account, enable those that are allowed, and bring a producer to each
    Regions(RegionsArgs),
    /// Deploy, show and remove the producers in the AWS regions of the account
    Producers(ProducersArgs),
}

/// Arguments of `up`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping up --planet
  cloudping up --planet --scenario storm.toml --interval 500ms
  cloudping up --planet --gateway
  cloudping up --data /var/lib/cloudping --listen 0.0.0.0:8080 --regions eu-west-1,us-east-1
  cloudping up --no-catalogue --target shop=shop.example:443/https --targets own.toml
  cloudping up --providers aws,gcp,azure --endpoint westeurope=myaccount.blob.core.windows.net:443
  cloudping up --aws --stream cloudping --table cloudping --bucket my-cloudping --vantage office --create

Ctrl-C stops cleanly; the next start with the same --data goes on where it was.")]
pub struct UpArgs {
    /// Simulate the network between the regions on this machine (labelled so wherever it is shown)
    #[arg(long, conflicts_with_all = ["endpoints", "targets", "target", "no_catalogue"])]
    pub planet: bool,
    /// TOML file of route changes, loss and outages of the planet; re-read whenever it changes
    #[arg(long, requires = "planet", value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Also run UDP gateways on the planet: three, each before packet counters in three regions, with simulated senders. They and
    /// their fail-over are at `GET /api/v1/gateways` (docs/gateway.md)
    #[arg(long, requires = "planet")]
    pub gateway: bool,
    /// A UDP gateway elsewhere that the API is to tell of, by its control API; may be given many times. Where gateways want a token,
    /// CLOUDPING_GATEWAY_TOKEN has it
    #[arg(long, env = "CLOUDPING_GATEWAY_CONTROL", value_delimiter = ',', value_name = "[NAME=]URL")]
    pub gateway_control: Vec<ControlAddress>,
    /// What is measured
    #[command(flatten)]
    pub what: TargetArgs,
    /// Where everything is kept [default: data/planet with --planet, else data/world]. With --aws: where rounds wait while the
    /// stream is away [default: data/aws-planet, data/aws-world]
    #[arg(long, env = "CLOUDPING_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The folder of the export that `GET /api/v1/exports` hands out, as `cloudping rollup export DIR` writes it
    /// [default: export, where the data is]
    #[arg(long, value_name = "DIR")]
    pub exports: Option<PathBuf>,
    /// Address of the dashboard and the API
    #[arg(long, env = "CLOUDPING_LISTEN", default_value = DEFAULT_LISTEN, value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// Also take signed rounds of other vantage points here, from those whose keys `cloudping ingest-key` has registered. Plain
    /// HTTP: what is sent is signed, not secret, and TLS belongs in front
    #[arg(long, conflicts_with = "planet", value_name = "ADDR:PORT")]
    pub ingest: Option<SocketAddr>,
    /// TOML file of alert rules (docs/alerts.md); re-read whenever it changes. `cloudping alerts check` checks one
    #[arg(long, env = "CLOUDPING_ALERTS", value_name = "FILE")]
    pub alerts: Option<PathBuf>,
    /// SQL for programs that speak it themselves
    #[command(flatten)]
    pub sql_doors: SqlDoorArgs,
    /// The name of this machine as a vantage point (without --planet) [default: local; must be given with --aws]
    #[arg(long, value_name = "ID")]
    pub vantage: Option<String>,
    /// One round of probes each [default: 1s with --planet, else 10s]
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    pub interval: Option<Duration>,
    /// How long a probe waits for its answer
    #[arg(long, value_parser = humantime::parse_duration, default_value = "2s", value_name = "TIME")]
    pub timeout: Duration,
    /// How often the log is written to Parquet
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1m", value_name = "TIME")]
    pub archive_every: Duration,
    /// How late a round may be: hours are folded this long after their end, and later rounds are counted as late
    #[arg(long, value_parser = humantime::parse_duration, default_value = "15m", value_name = "TIME")]
    pub allowed_lateness: Duration,
    /// Who may ask how much
    #[command(flatten)]
    pub access: AccessArgs,
    /// Where on AWS
    #[command(flatten)]
    pub aws: AwsArgs,
    /// Make the stream (of one shard), the table (paid by request) and the bucket where there are none
    #[arg(long, requires = "aws", help_heading = AWS)]
    pub create: bool,
}

/// Where on AWS everything is kept; by the standard settings of AWS otherwise (`AWS_PROFILE`, `AWS_REGION`,
/// `AWS_ENDPOINT_URL_KINESIS`, …).
#[derive(Debug, Args)]
#[command(next_help_heading = AWS)]
pub struct AwsArgs {
    /// Keep everything on AWS: events on Kinesis, the live store on DynamoDB, the archive on S3
    #[arg(long, requires_all = ["stream", "table", "bucket"])]
    pub aws: bool,
    /// The Kinesis data stream
    #[arg(long, requires = "aws", value_name = "NAME")]
    pub stream: Option<String>,
    /// The DynamoDB table
    #[arg(long, requires = "aws", value_name = "NAME")]
    pub table: Option<String>,
    /// The S3 bucket
    #[arg(long, requires = "aws", value_name = "NAME")]
    pub bucket: Option<String>,
    /// The folder in the bucket [default: tables]
    #[arg(long, requires = "aws", value_name = "PATH")]
    pub prefix: Option<String>,
}
