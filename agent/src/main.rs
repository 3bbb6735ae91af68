//! The agent's own program: what a host needs that measures, and nothing of what keeps, answers and shows.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cloudping_agent::cli::HostCommand;
use cloudping_agent::ingest_key::{self, NewArgs};
use cloudping_agent::program;

/// Round-trip times from this host: for a cloudping elsewhere, or for you.
#[derive(Debug, Parser)]
#[command(
    name = "cloudping",
    version,
    about,
    after_help = "Examples:
  cloudping agent --join URL --key-file FILE  this machine measures for a cloudping elsewhere
  cloudping probe example.com dns.google:53   round-trip times, live
  cloudping nearest                           the nearest cloud regions from here
  cloudping matrix --url http://HOST:8080     the matrix of a cloudping elsewhere

This is the small cloudping, for hosts that measure. The whole one also keeps, answers and shows
(`cloudping up` and more): `cargo build --release -p cloudping` builds it."
)]
struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What the whole cloudping has too.
    #[command(flatten)]
    Host(HostCommand),
    /// Make the key by which this vantage point signs its rounds
    #[command(subcommand)]
    IngestKey(KeyCommand),
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key, and say what to register where the door is
    New(NewArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    program::run(|| match cli.command {
        Command::Host(command) => command.run(),
        Command::IngestKey(KeyCommand::New(args)) => ingest_key::new(&args),
    })
}
