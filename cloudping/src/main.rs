//! The whole cloudping: the system in one process, and the commands to ask it.

mod alerts;
#[cfg(feature = "aws")]
mod aws;
mod cli;
mod doctor;
#[cfg(not(feature = "aws"))]
mod failure;
mod gateway;
mod ingest_key;
mod key;
mod live_store;
mod regions;
mod rollup;
mod up;

use std::process::ExitCode;

use clap::Parser;
use cloudping_agent::program;

use crate::cli::{Cli, Command};

/// musl's own allocator has one lock, for which the threads of a query would wait. glibc's has not, and takes less memory than this one.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    program::run(|| match cli.command {
        Command::Up(args) => up::run(*args),
        Command::Host(command) => command.run(),
        Command::Doctor(args) => doctor::run(args),
        Command::IngestKey(args) => ingest_key::run(args),
        Command::Key(args) => key::run(args),
        Command::Gateway(args) => gateway::run(args),
        Command::Alerts(args) => alerts::run(args),
        Command::Rollup(args) => rollup::run(args),
        Command::Regions(args) => regions::regions(args),
        Command::Producers(args) => regions::producers(args),
    })
}
