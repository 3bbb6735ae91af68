//! `cargo xtask up`: build what is stale, then become the running planet.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::dashboard;
use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::shell;

/// Builds the dashboard and the binary where they are stale, then runs `cloudping up --planet` with `args`.
///
/// # Errors
/// When a build fails. On success it does not return: this process becomes cloudping, so that Ctrl-C, other signals and
/// the exit code are cloudping's own.
pub fn run(project: &Project, args: &[String]) -> Result<()> {
    // The dashboard comes first: query-service embeds dashboard/dist when it is compiled.
    dashboard::ensure_built(project)?;
    let mut build = project.cargo();
    shell::run("building cloudping", build.args(["build", "--package", "cloudping"]))?;

    let binary = project.target.join("debug/cloudping");
    println!("==> starting the planet: cloudping up --planet {}", args.join(" "));
    let error = Command::new(&binary).args(["up", "--planet"]).args(args).exec();
    Err(Failure::io(format!("cannot start {}", binary.display()), &error))
}
