//! `cloudping doctor`: checks what `cloudping up` needs, and says what is missing and what to do about it.
//!
//! Facts are gathered at the edge, and judged by functions that do nothing else: of this machine in [`machine`] and
//! [`clock`], of AWS in `aws`.

#[cfg(feature = "aws")]
mod aws;
pub mod clock;
pub mod finding;
pub mod kernel;
pub mod machine;
mod planet;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use cloudping_backend_local::{LocalLog, LocalStore, OpenError};
use cloudping_producers::probers::Reading;
use cloudping_producers::tcp;

use crate::cli::{AwsArgs, Format};
use crate::failure::Failure;
use crate::output;
use crate::up::{claim, default_data};
use finding::{Finding, Report};
pub use machine::DataFacts;

/// How long the server of the clock may take.
const CLOCK_LIMIT: Duration = Duration::from_secs(3);
/// How long a handshake with this machine itself may take.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
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
        let offset = clock::ask(&args.clock, CLOCK_LIMIT, crate::clock::now);
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
    let data = data_facts(args.data.clone().unwrap_or(default));
    let network = if args.planet { claim::PLANET } else { claim::WORLD };
    let mut findings = machine::judge_data(&data, network);
    if !args.aws.aws {
        findings.extend(stores(&data.path));
    }
    findings.push(clock::judge_discipline(kernel::discipline()));
    findings.push(machine::judge_files(kernel::most_open_files().map_err(|error| error.to_string())));
    findings.push(machine::judge_probe(probe_here()));
    let [v4, v6] = [kernel::has_route("0.0.0.0:0", OUT[0]), kernel::has_route("[::]:0", OUT[1])];
    findings.push(machine::judge_routes(v4, v6, args.planet));
    findings.push(machine::judge_planet(planet::try_in_a_process(), args.planet));
    findings
}

/// What is to be known of a directory, whether it is there yet or not.
pub fn data_facts(path: PathBuf) -> DataFacts {
    let exists = path.exists();
    let text = |error: io::Error| error.to_string();
    let there = std::path::absolute(&path).map_err(text).and_then(|path| {
        let nearest = path.ancestors().find(|folder| folder.exists()).map(Path::to_owned);
        nearest.ok_or_else(|| "no such folder".to_owned())
    });
    DataFacts {
        exists,
        writable: there.clone().and_then(|folder| try_to_write(&folder).map_err(text)),
        free: there.and_then(|folder| kernel::free_bytes(&folder).map_err(text)),
        claimed: std::fs::read_to_string(path.join(claim::FILE)).ok().map(|text| text.trim().to_owned()),
        path,
    }
}

/// Makes a file of no name another could have, and removes it.
fn try_to_write(folder: &Path) -> io::Result<()> {
    let file = folder.join(format!(".cloudping-doctor-{}", std::process::id()));
    std::fs::File::create_new(&file)?;
    std::fs::remove_file(&file)
}

/// Opens those of the embedded stores that are there. One that was not closed is mended by that, as at the next start.
fn stores(data: &Path) -> [Finding; 2] {
    let tried = |file: &str, open: fn(&Path) -> Result<(), OpenError>| data.join(file).exists().then(|| open(data));
    let (log, store) = ("log.redb", "live.redb");
    [
        machine::judge_store("event log", log, tried(log, |data| LocalLog::open(data, crate::clock::now).map(drop))),
        machine::judge_store("live store", store, tried(store, |data| LocalStore::open(data).map(drop))),
    ]
}

/// One probe, to a socket of our own.
pub fn probe_here() -> Result<Reading, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let address =
            listener.as_ref().map_err(ToString::to_string)?.local_addr().map_err(|error| error.to_string())?;
        Ok(tcp::connect(address, None, PROBE_LIMIT).await)
    })
}
