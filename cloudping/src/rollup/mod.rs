//! `cloudping rollup`: looks after the archive's tables, by hand.
//!
//! Each command works on the tables alone, beside a running `cloudping up` or any other writer: every commit is optimistic, and what loses a race is
//! done again. So all of them may be broken off anywhere, too.

mod check;
mod compact;
mod ddl;
mod export;
mod import;
mod place;
pub mod progress;
mod replay;
mod report;
mod run;
mod stats;
mod vacuum;

use std::future::Future;

use clap::{Args, Subcommand};
use cloudping_agent::failure::Failure;
use cloudping_agent::signals::Signals;

/// Arguments of `rollup`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup stats --columns                       what the tables weigh, by column
  cloudping rollup run                                   hours and days follow the samples, now
  cloudping rollup compact --tables data/planet/tables   few large files instead of many small ones
  cloudping rollup vacuum --keep 2d --dry-run            which files would go
  cloudping rollup check --from 2026-03-01               proves that the rollups are right

`cloudping up` does by itself what run, compact and vacuum do. All of them may run beside it, and
be stopped anywhere with Ctrl-C: what was committed stays, and the next run does the rest.")]
pub struct RollupArgs {
    /// What to do
    #[command(subcommand)]
    command: RollupCommand,
}

#[derive(Debug, Subcommand)]
enum RollupCommand {
    /// Compute the hours and days that samples were added to
    Run(run::RunArgs),
    /// Put few large sorted files in the place of many small ones
    Compact(compact::CompactArgs),
    /// Remove the files that no reader needs any more
    Vacuum(vacuum::VacuumArgs),
    /// Prove that the rollups are what the samples say, and that the files are whole
    Check(check::CheckArgs),
    /// Show what the tables weigh, and what compact and vacuum would do
    Stats(stats::StatsArgs),
    /// Make the live store anew, from the archive or from the log
    Replay(Box<replay::ReplayArgs>),
    /// Take measurements of others into the archive
    Import(Box<import::ImportArgs>),
    /// Write closed days and months as plain Parquet or CSV, with a manifest
    Export(Box<export::ExportArgs>),
    /// Print the tables' definitions for Athena, Glue or DuckDB
    Ddl(ddl::DdlArgs),
}

/// Runs one of them.
pub fn run(args: RollupArgs) -> Result<(), Failure> {
    match args.command {
        RollupCommand::Run(args) => run::run(&args),
        RollupCommand::Compact(args) => compact::run(&args),
        RollupCommand::Vacuum(args) => vacuum::run(&args),
        RollupCommand::Check(args) => check::run(&args),
        RollupCommand::Stats(args) => stats::run(&args),
        RollupCommand::Replay(args) => replay::run(*args),
        RollupCommand::Import(args) => import::run(&args),
        RollupCommand::Export(args) => export::run(*args),
        RollupCommand::Ddl(args) => ddl::run(args),
    }
}

/// Works until it is done, or until Ctrl-C or SIGTERM: everything here may be dropped at any point.
fn to_the_end<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::runtime)?;
    let done = runtime.block_on(async {
        let mut signals = Signals::catch()?;
        tokio::select! {
            done = work => done,
            () = signals.next() => Err(Failure::runtime("stopped; what was committed stays, run it again for the rest")),
        }
    });
    // What was dropped must not keep the process.
    runtime.shutdown_background();
    done
}
