//! Real servers that tests run against, installed from npm into the cache.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::shell;

/// A Kinesis server; tests start it themselves.
const KINESIS: &str = "kinesis-local@0.6.2";
/// A faster and simpler one, for the bench.
const FAST_KINESIS: &str = "kinesalite@3.3.3";

/// Installs the Kinesis server of the tests unless it is there; returns the folder of its package.
///
/// # Errors
/// When npm is missing or cannot install the package.
pub fn ensure_kinesis(project: &Project) -> Result<PathBuf> {
    ensure(project, "servers", KINESIS, "main.js")
}

/// Installs the Kinesis server of the bench unless it is there; returns the folder of its package.
///
/// # Errors
/// When npm is missing or cannot install the package.
pub fn ensure_fast_kinesis(project: &Project) -> Result<PathBuf> {
    ensure(project, "bench-servers", FAST_KINESIS, "index.js")
}

/// Installs a package, such as `name@1.2.3`, into a folder of its own in the cache.
fn ensure(project: &Project, folder: &str, package: &str, main: &str) -> Result<PathBuf> {
    let folder = project.cache()?.join(folder);
    let stamp = folder.join("installed.txt");
    let (name, _version) = package.split_once('@').unwrap_or((package, ""));
    let installed_to = folder.join("node_modules").join(name);
    if installed_to.join(main).is_file() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == package) {
        return Ok(installed_to);
    }
    fs::create_dir_all(&folder).map_err(|error| Failure::io(folder.display(), &error))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(package);
    shell::run(&format!("installing {name}"), &mut npm)?;
    fs::write(&stamp, package).map_err(|error| Failure::io(stamp.display(), &error))?;
    Ok(installed_to)
}
