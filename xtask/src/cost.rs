//! `cargo xtask cost`: what a deployment on AWS costs a month. The program is a package of its own, `xtask/cost`, since it runs the stream
//! processor, and this crate is compiled before anything else can happen.

use crate::failure::{Failure, Result};
use crate::project::Project;

/// Builds the program and runs it with these arguments. Nothing else goes to standard output: in a pipe it is JSON.
///
/// # Errors
/// When it cannot be started or fails; it has then said why.
pub fn run(project: &Project, args: &[String]) -> Result<()> {
    let mut command = project.cargo();
    command.args(["run", "--quiet", "--package", "cloudping-cost", "--"]).args(args);
    let status = command.status().map_err(|error| Failure::io("cannot start cargo", &error))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(2) => Err(Failure::usage("cost: the arguments were not understood")),
        _ => Err(Failure::new(format!("cost failed ({status})"))),
    }
}
