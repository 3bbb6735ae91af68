//! `cloudping gateway`: the UDP gateway.

mod run;
mod status;
mod test;

use clap::{Args, Subcommand};
use cloudping_agent::failure::Failure;

/// Arguments of `gateway`.
#[derive(Debug, Args)]
pub struct GatewayArgs {
    /// What to do
    #[command(subcommand)]
    command: GatewayCommand,
}

#[derive(Debug, Subcommand)]
enum GatewayCommand {
    /// Receive UDP datagrams, and hand them in batches to the nearest target that is well
    Run(run::RunArgs),
    /// Show what a running gateway receives, and who serves it
    Status(status::StatusArgs),
    /// Send packets to a packet counter, and show which regions counted them, and how long it took
    Test(test::TestArgs),
}

/// Does it.
pub fn run(args: GatewayArgs) -> Result<(), Failure> {
    match args.command {
        GatewayCommand::Run(args) => run::run(&args),
        GatewayCommand::Status(args) => status::run(&args),
        GatewayCommand::Test(args) => test::run(&args),
    }
}
