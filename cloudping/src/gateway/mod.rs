//! `cloudping gateway`: the UDP gateway.

mod test;

use clap::{Args, Subcommand};

use crate::failure::Failure;

/// Arguments of `gateway`.
#[derive(Debug, Args)]
pub struct GatewayArgs {
    /// What to do
    #[command(subcommand)]
    command: GatewayCommand,
}

#[derive(Debug, Subcommand)]
enum GatewayCommand {
    /// Send packets to a packet counter, and show which regions counted them, and how long it took
    Test(test::TestArgs),
}

/// Does it.
pub fn run(args: GatewayArgs) -> Result<(), Failure> {
    match args.command {
        GatewayCommand::Test(args) => test::run(&args),
    }
}
