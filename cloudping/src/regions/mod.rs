//! `cloudping regions` and `cloudping producers`: the region manager, from the command line.

mod account;
mod shown;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use cloudping_agent::cli::Format;
use cloudping_agent::failure::Failure;
use cloudping_region_manager::{Code, Fleet, Mode, Settings};
use cloudping_schemas::catalogue::Catalogue;

use crate::rollup::progress;

/// Arguments of `regions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping regions list
  cloudping regions enable --dry-run      which regions it would enable
  cloudping regions sync                  enable, deploy and remove, as the settings say

Only opt-in regions that the settings name in regionManager.enable are ever enabled, and none is ever
disabled (docs/regions.md). Where a region fails, the others go on, and the exit code is 1.")]
pub struct RegionsArgs {
    /// What to do
    #[command(subcommand)]
    command: RegionsCommand,
}

#[derive(Debug, Subcommand)]
enum RegionsCommand {
    /// List the regions: whether they are enabled, in the catalogue, and which producer they have; changes nothing
    List(ListArgs),
    /// Enable the regions that regionManager.enable allows
    Enable(EnableArgs),
    /// Enable what is allowed, deploy a producer to each enabled region, remove it from the others
    Sync(DeployArgs),
}

/// Arguments of `producers`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping producers deploy --dry-run             what would be done, region by region
  cloudping producers deploy eu-west-1 us-east-1
  cloudping producers status -o json
  cloudping producers remove --all

What a region has is compared with what it should have; only differences are changed, so any of these can
be repeated. Where a region fails, the others go on, and the exit code is 1.")]
pub struct ProducersArgs {
    /// What to do
    #[command(subcommand)]
    command: ProducersCommand,
}

#[derive(Debug, Subcommand)]
enum ProducersCommand {
    /// Deploy the producer to these regions, or to all that are enabled
    Deploy(DeployArgs),
    /// Show what a deployment would find to do; changes nothing
    Status(DeployArgs),
    /// Remove the producer, its schedule and its log from these regions
    Remove(RemoveArgs),
}

/// Of which account, by which settings.
#[derive(Debug, Args)]
struct CommonArgs {
    /// The settings of the deployment
    #[arg(long, default_value = "cdk/settings.json", value_name = "FILE")]
    settings: PathBuf,
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct EnableArgs {
    /// Only these of them
    #[arg(value_name = "REGION")]
    regions: Vec<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct DeployArgs {
    /// Only these regions
    #[arg(value_name = "REGION")]
    regions: Vec<String>,
    /// The producer's package [default: target/packages/producer-ARCHITECTURE.zip, as `cargo xtask package` makes it]
    #[arg(long, value_name = "ZIP")]
    code: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// From these regions
    #[arg(value_name = "REGION", required_unless_present = "all")]
    regions: Vec<String>,
    /// From every region
    #[arg(long, conflicts_with = "regions")]
    all: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// What a command asks of the fleet.
struct Work {
    mode: Mode,
    regions: Vec<String>,
    code: Option<PathBuf>,
    needs_code: bool,
    dry: bool,
    common: CommonArgs,
}

/// Does what is asked of regions.
pub fn regions(args: RegionsArgs) -> Result<(), Failure> {
    run(match args.command {
        RegionsCommand::List(ListArgs { common }) => {
            Work { mode: Mode::Sync, regions: Vec::new(), code: None, needs_code: false, dry: true, common }
        }
        RegionsCommand::Enable(EnableArgs { regions, dry_run, common }) => {
            Work { mode: Mode::Enable, regions, code: None, needs_code: false, dry: dry_run, common }
        }
        RegionsCommand::Sync(args) => deploying(Mode::Sync, args),
    })
}

/// Does what is asked of producers.
pub fn producers(args: ProducersArgs) -> Result<(), Failure> {
    run(match args.command {
        ProducersCommand::Deploy(args) => deploying(Mode::Deploy, args),
        ProducersCommand::Status(args) => deploying(Mode::Deploy, DeployArgs { dry_run: true, ..args }),
        ProducersCommand::Remove(RemoveArgs { regions, all, dry_run, common }) => {
            let regions = if all { Vec::new() } else { regions };
            Work { mode: Mode::Remove, regions, code: None, needs_code: false, dry: dry_run, common }
        }
    })
}

fn deploying(mode: Mode, args: DeployArgs) -> Work {
    let DeployArgs { regions, code, dry_run, common } = args;
    Work { mode, regions, code, needs_code: true, dry: dry_run, common }
}

fn run(work: Work) -> Result<(), Failure> {
    let settings = settings(&work.common.settings)?;
    not_allowed(&work, &settings)?;
    let built = || PathBuf::from(format!("target/packages/producer-{}.zip", settings.architecture));
    let code = if work.needs_code { Some(package(&work.code.clone().unwrap_or_else(built))?) } else { None };
    let catalogue = Catalogue::built_in().map_err(Failure::setting)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::runtime)?;
    let Work { mode, regions, dry, common, .. } = work;
    let report = runtime.block_on(async {
        let cloud = account::open(&settings, code.as_ref()).await?;
        let fleet = Fleet::new(cloud.as_ref(), settings, code, catalogue).only(regions).dry(dry);
        let progress = progress::shown();
        progress.stage("regions", 0, "regions");
        fleet.run(mode, |_| progress.advance(1)).await.map_err(Failure::runtime)
    })?;
    shown::print(&report, common.output)?;
    let failed: Vec<&str> = report.failed().map(|region| region.region.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let (count, all) = (failed.len(), report.regions.len());
    Err(Failure::runtime(format!("{count} of {all} regions failed ({}); the notes say why", failed.join(", "))))
}

fn settings(path: &Path) -> Result<Settings, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::setting(format!("--settings {}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    Settings::parse(&text).map_err(|error| wrong(&error))
}

fn package(path: &Path) -> Result<Code, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::setting(format!("--code {}: {error}; `cargo xtask package producer` makes it", path.display()))
    };
    let bytes = std::fs::read(path).map_err(|error| wrong(&error))?;
    Code::new(bytes).map_err(|error| wrong(&error))
}

/// Whoever names a region to be enabled is told where it must be allowed, instead of finding that nothing was done.
fn not_allowed(work: &Work, settings: &Settings) -> Result<(), Failure> {
    let wanted = if work.mode == Mode::Enable { work.regions.as_slice() } else { &[] };
    match wanted.iter().find(|region| !settings.enable.contains(region)) {
        None => Ok(()),
        Some(region) => {
            let path = work.common.settings.display();
            Err(Failure::setting(format!("{region} is not allowed: expected it in regionManager.enable of {path}")))
        }
    }
}
