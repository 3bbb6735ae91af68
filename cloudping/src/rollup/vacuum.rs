//! `cloudping rollup vacuum`.

use std::time::Duration;

use clap::Args;
use cloudping_batch_rollup::{Vacuum, VacuumOptions, VacuumReport};

use super::place::PlaceArgs;
use super::report::OutputArgs;
use super::{progress, to_the_end};
use crate::clock;
use crate::failure::Failure;

/// Arguments of `rollup vacuum`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup vacuum --dry-run
  cloudping rollup vacuum --keep 30d

What a compaction or a rollup replaced goes once it was replaced longer ago than --keep, and so do
files of commits that never were: whoever began to read before that, and reads on, would miss them.")]
pub struct VacuumArgs {
    /// Keep what was replaced, or written in vain, not longer ago than this
    #[arg(long, value_parser = humantime::parse_duration, default_value = "7d", value_name = "TIME")]
    keep: Duration,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Removes what nobody needs any more, and says how much that was.
pub fn run(args: &VacuumArgs) -> Result<(), Failure> {
    let options = VacuumOptions { retention: args.keep, dry_run: args.dry_run };
    let report = to_the_end(async {
        let vacuum = Vacuum::new(args.place.existing().await?);
        let done = vacuum.run_once(clock::now(), &options, progress::shown().as_ref()).await;
        done.map_err(Failure::runtime)
    })?;
    args.output.counts(&counts(&report), Some(args.dry_run))
}

/// The report's counts by their names.
pub fn counts(report: &VacuumReport) -> [(&'static str, u64); 2] {
    [("files", report.files), ("bytes", report.bytes)]
}
