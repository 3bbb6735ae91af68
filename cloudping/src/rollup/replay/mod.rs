//! `cloudping rollup replay`: the live store made anew, from the archive or from the log, and the rollups computed anew.

mod feed;
mod live;
#[cfg(feature = "aws")]
mod on_aws;
mod since;
mod swap;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use cloudping_agent::clock;
use cloudping_agent::failure::Failure;
use cloudping_backend_local::{LocalLog, LocalStore};
use cloudping_batch_rollup::replay::recompute_rollups;
use cloudping_batch_rollup::{Progress, Rollup, Tables};
use cloudping_model::UtcMicros;
use cloudping_schemas::tables::Origin;
use cloudping_stream_processor::MAX_ALLOWED_LATENESS_US;

use super::place::PlaceArgs;
use super::report::OutputArgs;
use super::{progress, to_the_end};
use crate::up::{claim, default_data};
use live::Source;
use since::Since;
use swap::Scratch;

/// Arguments of `rollup replay`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup replay                                the live store of data/world, from its archive
  cloudping rollup replay --data /srv/cloudping --since 30d
  cloudping rollup replay --planet --from log
  cloudping rollup replay --rollups --dry-run            what there is to do
  cloudping rollup replay --into cloudping-2 --table cloudping --stream events --tables s3://my-bucket/tables

The live store is made beside the old one and takes its place in one step, when it is whole: cut off before, nothing has changed.
Keys of the ingest door, audits and dead letters are kept. It holds what was measured since --since and nothing older;
the next `up` goes on where the archive (or the log) ends. Imported rows never enter it.

`up` must not run on the same --data meanwhile.

On DynamoDB it is made in another table, --into: up to the end of the stream, for samples that are not archived yet come from there.
Stop what processes the stream first; the new table is in use when `up --aws` is started with it, or the stack deployed with its name.")]
pub struct ReplayArgs {
    /// The data directory whose live store is made anew [default: data/world, with --planet data/planet]
    #[arg(long, env = "CLOUDPING_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// It is the simulated network's
    #[arg(long)]
    pub planet: bool,
    /// Where the archive's tables lie [default: the folder `tables` of the data directory]
    #[arg(long, env = "CLOUDPING_TABLES", value_name = "URL|DIR")]
    pub tables: Option<String>,
    /// Make it in this DynamoDB table, which holds nothing yet (in a cloudping built with --features aws)
    #[arg(long, requires_all = ["table", "stream", "tables"], value_name = "NAME")]
    pub into: Option<String>,
    /// The DynamoDB table whose place it is to take
    #[arg(long, requires = "into", value_name = "NAME")]
    pub table: Option<String>,
    /// The Kinesis data stream
    #[arg(long, requires = "into", value_name = "NAME")]
    pub stream: Option<String>,
    /// Make the table --into where it does not exist
    #[arg(long, requires = "into")]
    pub create: bool,
    /// What to make it from
    #[arg(long, value_enum, default_value_t = From::Samples)]
    pub from: From,
    /// From the start of which UTC day on: a date, a time (RFC 3339), or a time ago such as 30d [default: all that a live store keeps,
    /// 396 days]
    #[arg(long, value_name = "TIME")]
    pub since: Option<Since>,
    /// How late rounds may be, as `up` is told: it decides when hours are folded
    #[arg(long, value_parser = humantime::parse_duration, default_value = "15m", value_name = "TIME")]
    pub allowed_lateness: Duration,
    /// Also compute the hours and days of the rollups anew, all of them or those since --since, and put what comes out in the place of what is there
    #[arg(long)]
    pub rollups: bool,
    /// Say what there is to do, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to print
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What the live store is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// The archive's samples
    Samples,
    /// The event log on this disk, as far back as it is kept
    Log,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplayReport {
    /// Days of samples read; none where the log was read.
    pub days: u64,
    /// Records of the log read; none where samples were read.
    pub records: u64,
    /// Rounds counted.
    pub rounds: u64,
    /// Samples in them. In a dry run: what the days hold, whatever their origin.
    pub samples: u64,
    /// Rounds that came more than once.
    pub duplicates: u64,
    /// Records that went to the dead letters.
    pub dead: u64,
    /// Route steps found.
    pub changes: u64,
    /// Hours of the rollups that were computed.
    pub rollup_hours: u64,
}

/// Rebuilds what was asked for.
pub fn run(args: ReplayArgs) -> Result<(), Failure> {
    let lateness = micros(args.allowed_lateness);
    if lateness > MAX_ALLOWED_LATENESS_US {
        return Err(Failure::setting(format!(
            "--allowed-lateness {:?}: at most {} minutes",
            args.allowed_lateness,
            MAX_ALLOWED_LATENESS_US / 60_000_000
        )));
    }
    let report = to_the_end(replay(&args))?;
    let counts = [
        ("days", report.days),
        ("records", report.records),
        ("rounds", report.rounds),
        ("samples", report.samples),
        ("duplicates", report.duplicates),
        ("dead_letters", report.dead),
        ("changes", report.changes),
        ("rollup_hours", report.rollup_hours),
    ];
    args.output.counts(&counts, Some(args.dry_run))
}

async fn replay(args: &ReplayArgs) -> Result<ReplayReport, Failure> {
    let progress = progress::shown();
    let (mut report, tables) = match &args.into {
        Some(into) => on_dynamodb(args, into, progress.as_ref()).await?,
        None => on_this_disk(args, progress.as_ref()).await?,
    };
    if args.rollups && !args.dry_run {
        let since = since(args).unwrap_or(UtcMicros(0));
        recompute_rollups(&tables, since).await.map_err(Failure::runtime)?;
        let done = Rollup::new(tables).run_watched(clock::now(), progress.as_ref()).await.map_err(|error| {
            Failure::runtime(format!(
                "{error}; the live store is done, and `cloudping rollup run` goes on with the rollups"
            ))
        })?;
        report.rollup_hours = done.hours;
    }
    Ok(report)
}

async fn on_this_disk(args: &ReplayArgs, progress: &dyn Progress) -> Result<(ReplayReport, Tables), Failure> {
    let data = args.data.clone().unwrap_or_else(|| PathBuf::from(default_data(false, args.planet)));
    if !data.is_dir() {
        return Err(Failure::setting(format!(
            "{} is no directory; name the data directory with --data",
            data.display()
        )));
    }
    let place = args.tables.clone().unwrap_or_else(|| data.join("tables").to_string_lossy().into_owned());
    let tables = PlaceArgs::at(&place).tables()?;
    let report = match args.dry_run {
        true => outlook(args, &data, &tables).await?,
        false => rebuild(args, &data, &tables, progress).await?,
    };
    Ok((report, tables))
}

#[cfg(feature = "aws")]
async fn on_dynamodb(
    args: &ReplayArgs,
    into: &str,
    progress: &dyn Progress,
) -> Result<(ReplayReport, Tables), Failure> {
    let named = |value: &Option<String>| value.clone().unwrap_or_default();
    let tables = PlaceArgs::at(&named(&args.tables)).tables()?;
    let names = on_aws::Names { old: &named(&args.table), new: into, stream: &named(&args.stream) };
    Ok((on_aws::replay(args, names, &tables, progress).await?, tables))
}

#[cfg(not(feature = "aws"))]
async fn on_dynamodb(_: &ReplayArgs, _: &str, _: &dyn Progress) -> Result<(ReplayReport, Tables), Failure> {
    Err(crate::failure::built_without_aws())
}

/// The live store. Both of the directory's files are held open all the while, so no `up` can start on it.
async fn rebuild(
    args: &ReplayArgs,
    data: &Path,
    tables: &Tables,
    progress: &dyn Progress,
) -> Result<ReplayReport, Failure> {
    let log = Arc::new(LocalLog::open(data, clock::now).map_err(Failure::setting)?);
    let old = LocalStore::open(data).map_err(Failure::setting)?;
    claim::directory(data, network(args))?;
    let since = since(args);
    let source = match args.from {
        From::Log => Source::log(log.clone(), since),
        From::Samples => Source::samples(Some(log.clone()), tables, origins(args.planet), since).await?,
    };
    let scratch = Scratch::new(data)?;
    let new = Arc::new(LocalStore::open(scratch.directory()).map_err(Failure::runtime)?);
    let report = live::fill(new, &old, source, micros(args.allowed_lateness), progress).await?;
    scratch.take_the_place_of_the_old(old)?;
    Ok(report)
}

/// What there is to do. It makes no file and no folder, and needs none but those that are read.
async fn outlook(args: &ReplayArgs, data: &Path, tables: &Tables) -> Result<ReplayReport, Failure> {
    claim::is_marked(data, network(args))?;
    let since = since(args);
    let source = match args.from {
        From::Log if !LocalLog::is_in(data) => {
            return Err(Failure::setting(format!(
                "{}: no event log is there; name another with --data",
                data.display()
            )));
        }
        From::Log => Source::log(Arc::new(LocalLog::open(data, clock::now).map_err(Failure::setting)?), since),
        From::Samples => Source::samples(None, tables, origins(args.planet), since).await?,
    };
    source.outlook().await
}

fn network(args: &ReplayArgs) -> &'static str {
    if args.planet { claim::PLANET } else { claim::WORLD }
}

fn since(args: &ReplayArgs) -> Option<UtcMicros> {
    args.since.map(|since| since.start_of_day(clock::now()))
}

/// Whose samples a directory's live store holds. Older archives of the planet do not say that they are simulated.
fn origins(planet: bool) -> &'static [Origin] {
    if planet { &[Origin::Measured, Origin::Simulated] } else { &[Origin::Measured] }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
