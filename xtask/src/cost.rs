//! `cargo xtask cost`: what a deployment on AWS costs a month. The program is a package of its own, `xtask/cost`, since it runs the stream
//! processor, and this crate is compiled before anything else can happen.

use crate::deploy::{self, CDK};
use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::{npm, shell};

/// All regions, by which the deployment is held against its bar.
const PLANET: &str = "cdk/planet.json";
/// Regions that the bar is for, and US dollars a month.
const BAR: [&str; 4] = ["--regions", "36", "--bar", "60"];

/// Makes the templates, builds the program and runs it on them. Nothing else goes to standard output: in a pipe it is JSON.
///
/// # Errors
/// When something cannot be started or fails; it has then said why. When the default deployment costs more than its bar.
pub fn run(project: &Project, args: &[String]) -> Result<()> {
    let mut command = project.cargo();
    command.args(["run", "--quiet", "--package", "cloudping-cost", "--"]).args(args);
    if !args.iter().any(|arg| arg == "--help" || arg == "-h") {
        let own = args.iter().position(|arg| arg == "--settings").and_then(|at| args.get(at + 1));
        let settings = match own {
            Some(file) => deploy::absolute(file)?,
            None => project.root.join(PLANET),
        };
        let templates = project.target.join("cost-templates");
        npm::ensure_installed(project, CDK)?;
        let mut synth = deploy::cdk(project, &settings);
        synth.env("CLOUDPING_PACKAGES", "placeholder").args(["synth", "--quiet", "--output"]).arg(&templates);
        // It says on standard output what was made.
        shell::capture(&mut synth)?;
        command.arg("--settings").arg(settings).arg("--templates").arg(templates);
        if own.is_none() && !args.iter().any(|arg| arg == "--regions") {
            command.args(BAR);
        }
    }
    let status = command.status().map_err(|error| Failure::io("cannot start cargo", &error))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(2) => Err(Failure::usage("cost: the arguments were not understood")),
        _ => Err(Failure::new(format!("cost failed ({status})"))),
    }
}
