//! The parts of the project that are written in TypeScript: their packages from npm, and commands that run in their folders.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::shell;

const INSTALL_STAMP: &str = "node_modules/.cloudping-installed-from";

/// Runs `npm ci` when `package-lock.json` is not the one that was last installed.
///
/// # Errors
/// When Node is missing or too old, or npm fails.
pub fn ensure_installed(project: &Project, folder: &str) -> Result<()> {
    let root = project.root.join(folder);
    require_node(&root, folder)?;
    let lock_path = root.join("package-lock.json");
    let lock = read(&lock_path)?;
    let stamp = root.join(INSTALL_STAMP);
    if is_same(&stamp, &lock) {
        return Ok(());
    }
    shell::run(
        &format!("installing the packages of {folder}"),
        npm(project, folder).args(["ci", "--no-audit", "--no-fund"]),
    )?;
    write(&stamp, &lock)
}

/// An npm command that runs in a folder of the project.
pub fn npm(project: &Project, folder: &str) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(project.root.join(folder));
    command
}

fn require_node(root: &Path, folder: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Manifest {
        engines: Engines,
    }
    #[derive(Deserialize)]
    struct Engines {
        node: String,
    }
    let manifest: Manifest = serde_json::from_str(&read(&root.join("package.json"))?)
        .map_err(|error| Failure::new(format!("{folder}/package.json: {error}, expected engines.node")))?;
    let needed = manifest.engines.node;
    let advice = format!("{folder} needs Node.js {needed} with npm (https://nodejs.org)");
    if !shell::is_present("npm") {
        return Err(Failure::usage(format!("npm is not installed: {advice}")));
    }
    let found = shell::capture(Command::new("node").arg("--version"))
        .map_err(|_| Failure::usage(format!("node is not installed: {advice}")))?;
    if version(&found) < version(&needed) {
        return Err(Failure::usage(format!("node is {}: {advice}", found.trim())));
    }
    Ok(())
}

/// Major and minor number out of `v20.19.4` or `>=20.19`.
fn version(text: &str) -> (u32, u32) {
    let digits = text.trim().trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut parts = digits.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// Whether a stamp says that something was made from this content.
pub fn is_same(stamp: &Path, content: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|stamped| stamped == content)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Failure::io(path.display(), &error))
}

/// Writes a file.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).map_err(|error| Failure::io(path.display(), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(version("v20.19.4\n"), (20, 19));
        assert!(version("v20.9.0") < version(">=20.19"));
        assert!(version("v22.1.0") > version(">=20.19"));
        assert_eq!(version("garbage"), (0, 0));
    }
}
