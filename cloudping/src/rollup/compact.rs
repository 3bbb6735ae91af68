//! `cloudping rollup compact`.

use clap::Args;
use cloudping_agent::clock;
use cloudping_agent::failure::Failure;
use cloudping_batch_rollup::{CompactOptions, CompactReport, Compactor};

use super::place::PlaceArgs;
use super::report::OutputArgs;
use super::{progress, to_the_end};

/// Arguments of `rollup compact`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup compact --dry-run
  cloudping rollup compact --tables s3://my-cloudping/tables

Closed hours and days only. Readers see the old files or the new ones, never both; the old ones lie
there until a vacuum, for readers that began before.")]
pub struct CompactArgs {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Compacts what is worth it, and says what that was.
pub fn run(args: &CompactArgs) -> Result<(), Failure> {
    let options = CompactOptions { dry_run: args.dry_run, ..CompactOptions::default() };
    let report = to_the_end(async {
        let compactor = Compactor::new(args.place.existing().await?);
        let done = compactor.run_once(clock::now(), &options, progress::shown().as_ref()).await;
        done.map_err(Failure::runtime)
    })?;
    args.output.counts(&counts(&report, args.dry_run), Some(args.dry_run))
}

/// The report's counts by their names; of a dry run those that it knows.
pub fn counts(report: &CompactReport, dry_run: bool) -> Vec<(&'static str, u64)> {
    let CompactReport { commits, files_before, files_after, rows, bytes_before, bytes_after, lost_races } = *report;
    let mut counts = vec![("files_before", files_before), ("bytes_before", bytes_before), ("rows", rows)];
    if !dry_run {
        counts.extend([
            ("files_after", files_after),
            ("bytes_after", bytes_after),
            ("commits", commits),
            ("lost_races", lost_races),
        ]);
    }
    counts
}
