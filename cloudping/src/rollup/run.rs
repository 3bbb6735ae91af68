//! `cloudping rollup run`.

use clap::Args;
use cloudping_agent::clock;
use cloudping_agent::failure::Failure;
use cloudping_batch_rollup::{Rollup, RollupReport};

use super::place::PlaceArgs;
use super::report::OutputArgs;
use super::{progress, to_the_end};

/// Arguments of `rollup run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup run
  cloudping rollup run --tables s3://my-cloudping/tables -o json

Computes anew the hours and days that samples were added to since the last time, whoever did it: exact
percentiles and a mergeable digest of each series.")]
pub struct RunArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Rolls up and says what was computed.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let report = to_the_end(async {
        let tables = args.place.existing().await?;
        let rollup = Rollup::new(tables);
        rollup.run_watched(clock::now(), progress::shown().as_ref()).await.map_err(Failure::runtime)
    })?;
    let RollupReport { hours, days, rows, commits } = report;
    let counts = [("hours", hours), ("days", days), ("rows", rows), ("commits", commits)];
    args.output.counts(&counts, None)
}
