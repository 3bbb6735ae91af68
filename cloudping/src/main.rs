//! The single binary: the whole system in one process, and the commands to ask it.

mod agent;
mod alerts;
mod ask;
#[cfg(feature = "aws")]
mod aws;
mod changes;
mod cli;
mod clock;
mod doctor;
mod failure;
mod gateway;
mod ingest_key;
mod key;
mod live_store;
mod matrix;
mod nearest;
mod output;
mod probe;
mod reflect;
mod regions;
mod resolve;
mod rollup;
mod signals;
mod sql;
mod targets;
mod up;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use cloudping_traces::Traces;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::cli::{Cli, Command};
use crate::failure::Failure;

/// musl's own allocator has one lock, for which the threads of a query would wait. glibc's has not, and takes less memory than this one.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let traces = match start_logging() {
        Ok(traces) => traces,
        Err(failure) => {
            eprintln!("cloudping: {failure}");
            return failure.exit_code();
        }
    };
    let result = match cli.command {
        Command::Up(args) => up::run(*args),
        Command::Agent(args) => agent::run(*args),
        Command::Doctor(args) => doctor::run(args),
        Command::IngestKey(args) => ingest_key::run(args),
        Command::Key(args) => key::run(args),
        Command::Probe(args) => probe::run(args),
        Command::Gateway(args) => gateway::run(args),
        Command::Reflect(args) => reflect::run(&args),
        Command::Nearest(args) => nearest::run(args),
        Command::Targets(args) => targets::run(args),
        Command::Matrix(args) => matrix::run(args),
        Command::Changes(args) => changes::run(&args),
        Command::Alerts(args) => alerts::run(args),
        Command::Sql(args) => sql::run(args),
        Command::Rollup(args) => rollup::run(args),
        Command::Regions(args) => regions::regions(args),
        Command::Producers(args) => regions::producers(args),
    };
    if let Some(traces) = traces {
        traces.finish();
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.line());
            failure.exit_code()
        }
    }
}

/// What is logged unless `RUST_LOG` says otherwise. The Delta kernel (`buoyant_kernel`) logs as errors what its callers handle, and Delta's transactions
/// warn whenever two writers meet, which is their usual course here.
const DEFAULT_FILTER: &str =
    "warn,cloudping=info,access=info,buoyant_kernel=off,deltalake_core::kernel::transaction=error";

/// Logs go to standard error; `RUST_LOG` chooses what. Spans go to a collector of traces, where the environment names one.
fn start_logging() -> Result<Option<Traces>, Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let traces = Traces::start("cloudping", |name| std::env::var(name).ok()).map_err(Failure::setting)?;
    let sent = traces.as_ref().map(Traces::layer);
    tracing_subscriber::registry().with(log.with_filter(filter)).with(sent).init();
    Ok(traces)
}
