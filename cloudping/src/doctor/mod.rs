//! `cloudping doctor`: checks what `cloudping up` needs, and says what is missing and what to do about it.
//!
//! Facts are gathered at the edge, and judged by functions that do nothing else: of this machine in [`machine`] and in the
//! agent's checks, of AWS in `aws`.

#[cfg(feature = "aws")]
mod aws;
mod machine;
mod planet;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use cloudping_agent::checks::finding::{Finding, Report};
use cloudping_agent::checks::{clock, folder, kernel, prober};
use cloudping_agent::cli::Format;
use cloudping_agent::failure::Failure;
use cloudping_agent::output;
use cloudping_backend_local::{LocalLog, LocalStore, OpenError};

use crate::cli::AwsArgs;
use crate::up::{claim, default_data};
use machine::DataFacts;

/// How long the server of the clock may take.
const CLOCK_LIMIT: Duration = Duration::from_secs(3);
/// Addresses out in the Internet, to which nothing is sent (RFC 7526's and Google's DNS).
const OUT: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), 443),
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888)), 443),
];

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping doctor
  cloudping doctor --planet --data /var/lib/cloudping
  cloudping doctor --aws --stream cloudping --table cloudping --bucket my-cloudping
  cloudping doctor --aws --stream cloudping --table cloudping --bucket my-cloudping --write

Each check is a line: ok, warn (it works, but) or FAIL, what was found, and after -> what to do next.
Exit code 0 when nothing fails, 1 when something does, 2 when the command line is wrong.

It leaves things as they were: in the data directory it opens the stores and makes and removes a file.
With --write it also appends one record that every reader passes over, writes and deletes one item of
the table, and writes and deletes one object of the bucket.")]
pub struct DoctorArgs {
    /// For `cloudping up --planet`
    #[arg(long)]
    pub planet: bool,
    /// The directory that `cloudping up` is given [default: as there]
    #[arg(long, env = "CLOUDPING_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A server whose HTTP date this machine's clock is held against (with --aws: Kinesis is asked instead)
    #[arg(long, default_value = "http://dynamodb.us-east-1.amazonaws.com/ping", value_name = "URL")]
    pub clock: String,
    /// Where on AWS
    #[command(flatten)]
    pub aws: AwsArgs,
    /// Try writing too: to the stream, the table and the bucket
    #[arg(long, requires = "aws")]
    pub write: bool,
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    pub output: Option<Format>,
    /// Make the planet's network and end: what `doctor` starts to see whether that works
    #[arg(long, hide = true)]
    pub planet_trial: bool,
}

/// Checks, prints, and fails if a check does.
pub fn run(args: DoctorArgs) -> Result<(), Failure> {
    if args.planet_trial {
        return planet::trial();
    }
    let mut findings = this_machine(&args);
    if args.aws.aws {
        findings.extend(on_aws(&args)?);
    } else {
        let offset = clock::ask(&args.clock, CLOCK_LIMIT, cloudping_agent::clock::now);
        findings.push(clock::judge_offset("time", &args.clock, offset));
    }
    Report::new(findings).conclude(output::chosen(args.output))
}

#[cfg(feature = "aws")]
fn on_aws(args: &DoctorArgs) -> Result<Vec<Finding>, Failure> {
    let places = crate::aws::Places::new(&args.aws)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::runtime)?;
    Ok(runtime.block_on(aws::check(&places, args.write)))
}

#[cfg(not(feature = "aws"))]
fn on_aws(_: &DoctorArgs) -> Result<Vec<Finding>, Failure> {
    Err(crate::failure::built_without_aws())
}

fn this_machine(args: &DoctorArgs) -> Vec<Finding> {
    let default = PathBuf::from(default_data(args.aws.aws, args.planet));
    let path = args.data.clone().unwrap_or(default);
    let claimed = std::fs::read_to_string(path.join(claim::FILE)).ok().map(|text| text.trim().to_owned());
    let data = DataFacts { folder: folder::facts(path), claimed };
    let network = if args.planet { claim::PLANET } else { claim::WORLD };
    let mut findings = machine::judge_data(&data, network);
    if !args.aws.aws {
        findings.extend(stores(&data.folder.path));
    }
    findings.push(clock::judge_discipline(kernel::discipline()));
    findings.push(prober::judge_files(kernel::most_open_files().map_err(|error| error.to_string())));
    findings.push(prober::judge(prober::try_here()));
    let [v4, v6] = [kernel::has_route("0.0.0.0:0", OUT[0]), kernel::has_route("[::]:0", OUT[1])];
    findings.push(machine::judge_routes(v4, v6, args.planet));
    findings.push(machine::judge_planet(planet::try_in_a_process(), args.planet));
    findings
}

/// Opens those of the embedded stores that are there. One that was not closed is mended by that, as at the next start.
fn stores(data: &Path) -> [Finding; 2] {
    let tried = |file: &str, open: fn(&Path) -> Result<(), OpenError>| data.join(file).exists().then(|| open(data));
    let (log, store) = ("log.redb", "live.redb");
    [
        machine::judge_store(
            "event log",
            log,
            tried(log, |data| LocalLog::open(data, cloudping_agent::clock::now).map(drop)),
        ),
        machine::judge_store("live store", store, tried(store, |data| LocalStore::open(data).map(drop))),
    ]
}
