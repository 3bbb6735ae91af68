//! Real servers that tests run against, installed from npm into the cache.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::shell;

/// A Kinesis server; tests start it themselves.
const KINESIS: &str = "kinesis-local@0.6.2";

/// Installs the servers unless they are there; returns the folder of the Kinesis server's package.
///
/// # Errors
/// When npm is missing or cannot install the package.
pub fn ensure_kinesis(project: &Project) -> Result<PathBuf> {
    let folder = project.cache()?.join("servers");
    let stamp = folder.join("installed.txt");
    let package = folder.join("node_modules/kinesis-local");
    if package.join("main.js").is_file() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == KINESIS) {
        return Ok(package);
    }
    fs::create_dir_all(&folder).map_err(|error| Failure::io(folder.display(), &error))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(KINESIS);
    shell::run("installing the Kinesis server", &mut npm)?;
    fs::write(&stamp, KINESIS).map_err(|error| Failure::io(stamp.display(), &error))?;
    Ok(package)
}
