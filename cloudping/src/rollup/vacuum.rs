//! `cloudping rollup vacuum`.

use std::time::Duration;

use clap::Args;
use cloudping_agent::failure::Failure;
use cloudping_agent::{clock, output};
use cloudping_batch_rollup::{Vacuum, VacuumOptions, VacuumReport};
use serde_json::json;

use super::place::PlaceArgs;
use super::report::OutputArgs;
use super::{progress, to_the_end};

/// Readers and writers need what they began with for so long at most.
const LEAST: Duration = Duration::from_secs(3_600);
/// The tables' logs remember for so long which files left them, and when.
const MOST: Duration = Duration::from_secs(7 * 86_400);

/// Arguments of `rollup vacuum`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup vacuum --dry-run
  cloudping rollup vacuum --keep 2d --tables s3://my-cloudping/tables

What a compaction or a rollup replaced goes once it was replaced longer ago than --keep, and so do
files of commits that never were: whoever began to read before that, and reads on, would miss them.
What no vacuum has seen before is `new` and stays until the next one, whatever the clock says.")]
pub struct VacuumArgs {
    /// Keep what was replaced, or written in vain, not longer ago than this: 1h to 7d, as long as the tables' logs remember
    #[arg(long, value_parser = humantime::parse_duration, default_value = "7d", value_name = "TIME")]
    keep: Duration,
    /// Also take a --keep of less than an hour, and what no vacuum has seen before: only where nothing else reads or writes
    #[arg(long)]
    force: bool,
    /// Only say what would be done, and name the files
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Removes what nobody needs any more, and says how much that was.
pub fn run(args: &VacuumArgs) -> Result<(), Failure> {
    if args.keep > MOST || (args.keep < LEAST && !args.force) {
        let expected = "expected 1h to 7d (less with --force, where nothing else reads or writes)";
        return Err(Failure::setting(format!("--keep {}: {expected}", humantime::format_duration(args.keep))));
    }
    let retention_us = i64::try_from(args.keep.as_micros()).unwrap_or(i64::MAX);
    let options = VacuumOptions { retention_us, force: args.force, dry_run: args.dry_run };
    let report = to_the_end(async {
        let vacuum = Vacuum::new(args.place.existing().await?);
        let done = vacuum.run_once(clock::now(), &options, progress::shown().as_ref()).await;
        done.map_err(Failure::runtime)
    })?;
    if args.output.is_json() {
        let VacuumReport { tables, files, bytes, new, paths } = report;
        let dry_run = args.dry_run;
        return output::json(
            &json!({ "dry_run": dry_run, "tables": tables, "files": files, "bytes": bytes, "new": new, "paths": paths }),
        );
    }
    if args.dry_run && !report.paths.is_empty() {
        output::print(report.paths.join("\n"))?;
    }
    args.output.counts(&counts(&report), Some(args.dry_run))
}

/// The report's counts by their names.
pub fn counts(report: &VacuumReport) -> [(&'static str, u64); 4] {
    [("tables", report.tables), ("files", report.files), ("bytes", report.bytes), ("new", report.new)]
}
