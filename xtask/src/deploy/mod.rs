//! `cargo xtask deploy` and `cargo xtask destroy`: the AWS deployment in `cdk/`, from nothing to an address and back.

mod account;
mod options;
mod plan;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::{npm, package, shell};

use account::Account;
use options::Options;
use plan::Settings;

/// The folder of the AWS deployment.
pub const CDK: &str = "cdk";

/// Checks all that can be checked before something is built or paid for, builds, and deploys; with `--dry-run` says what would change.
///
/// # Errors
/// A wrong command line or wrong settings, credentials of another account, regions that are not prepared, and what a build or AWS says.
pub fn run(project: &Project, args: &[String]) -> Result<()> {
    let options = Options::of_deploy(args)?;
    let (settings_file, settings) = settings(project, &options)?;
    plan::require_tools(&settings, shell::is_present)?;
    let account = account::ask(project, &options, &settings.regions())?;
    account.require(&settings)?;
    println!("==> account {}, as {}", account.account, account.arn);
    bootstrap(project, &options, &settings, &account)?;
    if !options.no_build {
        build(project, &settings)?;
    }
    let outputs = project.target.join("cdk-outputs.json");
    let mut command = cdk(project, &settings_file);
    options.apply(&mut command);
    command.env("CLOUDPING_PACKAGES", "built").env("CLOUDPING_TARGET", &project.target);
    if options.dry_run {
        return shell::run("what would change", command.args(["diff", "--all"]));
    }
    command.args(["deploy", "--all", "--progress", "events", "--concurrency", "4", "--outputs-file"]).arg(&outputs);
    command.args(["--require-approval", if options.yes { "never" } else { "any-change" }]);
    shell::run("deploying", &mut command)?;
    let json = fs::read_to_string(&outputs).map_err(|error| Failure::io(outputs.display(), &error))?;
    println!("{}", plan::next_steps(&settings, &json)?);
    Ok(())
}

/// Removes all stacks but the one that holds the record, and says what is left.
///
/// # Errors
/// A wrong command line or wrong settings, credentials of another account, and what AWS says.
pub fn destroy(project: &Project, args: &[String]) -> Result<()> {
    let options = Options::of_destroy(args)?;
    let (settings_file, settings) = settings(project, &options)?;
    let account = account::ask(project, &options, &settings.regions())?;
    account.require(&settings)?;
    let mut command = cdk(project, &settings_file);
    options.apply(&mut command);
    // What is removed needs no programs.
    command.env("CLOUDPING_PACKAGES", "placeholder").args(["destroy", "--exclusively"]).args(settings.removed());
    if options.yes {
        command.arg("--force");
    }
    shell::run("removing", &mut command)?;
    println!("{}", plan::left_over(&settings));
    Ok(())
}

/// The CDK's program, on a file of settings.
pub fn cdk(project: &Project, settings: &Path) -> Command {
    let mut command = Command::new("npx");
    command.current_dir(project.root.join(CDK)).args(["--no-install", "cdk", "--context"]);
    command.arg(format!("settings={}", settings.display()));
    command
}

/// A path of the command line, which is of the folder that the person is in.
///
/// # Errors
/// When there is no such file.
pub fn absolute(file: &str) -> Result<PathBuf> {
    fs::canonicalize(file).map_err(|error| Failure::usage(format!("{file}: {error}, expected a file of settings")))
}

fn settings(project: &Project, options: &Options) -> Result<(PathBuf, Settings)> {
    let file = match &options.settings {
        Some(file) => absolute(file)?,
        None => project.root.join(CDK).join("settings.json"),
    };
    npm::ensure_installed(project, CDK)?;
    let mut read = Command::new("npx");
    read.current_dir(project.root.join(CDK)).args(["--no-install", "tsx", "scripts/settings.ts"]).arg(&file);
    let settings = Settings::parse(&shell::capture(&mut read)?)?;
    settings.require_account(&file)?;
    Ok((file, settings))
}

fn bootstrap(project: &Project, options: &Options, settings: &Settings, account: &Account) -> Result<()> {
    let missing = plan::environments(settings, &account.bootstrapped);
    if missing.is_empty() {
        return Ok(());
    }
    if options.dry_run {
        println!("==> would be prepared for the CDK, with --bootstrap: {}", missing.join(" "));
        return Ok(());
    }
    if !options.bootstrap {
        return Err(plan::not_bootstrapped(&missing, options.profile.as_deref()));
    }
    let mut command = Command::new("npx");
    command.current_dir(project.root.join(CDK)).args(["--no-install", "cdk"]);
    options.apply(&mut command);
    // An environment that is named needs no app.
    shell::run("preparing regions", command.args(["--app", "", "bootstrap"]).args(missing))
}

fn build(project: &Project, settings: &Settings) -> Result<()> {
    let mut args: Vec<String> = settings.programs().into_iter().map(str::to_owned).collect();
    args.extend(["--arch".to_owned(), settings.architecture.clone()]);
    package::run(project, &args)?;
    if settings.has_upkeep() {
        let mut build = project.cargo();
        build.args(["build", "--release", "--features", "aws", "--package", "cloudping"]);
        shell::run("building the upkeep's program", &mut build)?;
    }
    Ok(())
}
