//! Where things are: the workspace as cargo describes it, and the cache folder.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::shell;

/// The workspace and the folders around it.
pub struct Project {
    /// The folder of the root `Cargo.toml`.
    pub root: PathBuf,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
    /// The packages of the workspace.
    pub packages: Vec<Package>,
}

/// A package of the workspace, as `cargo metadata` describes it.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// Its name in `Cargo.toml`.
    pub name: String,
    /// The absolute path of its `Cargo.toml`.
    pub manifest_path: PathBuf,
    /// What it says it depends on: direct dependencies only.
    pub dependencies: Vec<Dependency>,
    /// Its libraries, binaries, tests and benches.
    pub targets: Vec<Target>,
}

/// A direct dependency.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Dependency {
    /// The name of the package depended on.
    pub name: String,
    /// `None` for an ordinary one, else `dev` or `build`.
    pub kind: Option<String>,
    /// Whether a feature must be on for it.
    pub optional: bool,
}

/// Something cargo can build from a package.
#[derive(Debug, Clone, Deserialize)]
pub struct Target {
    /// The name to give to `--bench`, `--bin` and the like.
    pub name: String,
    /// `bin`, `lib`, `bench`, `test`, ...
    pub kind: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

impl Project {
    /// Asks cargo about the workspace that this program was built from.
    ///
    /// # Errors
    /// When a `Cargo.toml` cannot be read; cargo's own message is passed on.
    pub fn discover() -> Result<Self> {
        // Asked for when it runs, not when it was built: clones that share a target directory share this binary.
        let running = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let here = running.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let mut command = cargo();
        command
            .args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"])
            .arg(here.join("Cargo.toml"));
        let json = shell::capture(&mut command)?;
        let metadata: Metadata = serde_json::from_str(&json)
            .map_err(|error| Failure::new(format!("cargo metadata: {error}, expected format version 1")))?;
        Ok(Self { root: metadata.workspace_root, target: metadata.target_directory, packages: metadata.packages })
    }

    /// `$CLOUDPING_CACHE`, or `~/.cache/cloudping`: what may be deleted at any time and is slow to make again.
    ///
    /// # Errors
    /// When neither `CLOUDPING_CACHE` nor `HOME` is set.
    pub fn cache(&self) -> Result<PathBuf> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        set("CLOUDPING_CACHE")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".cache/cloudping")))
            .ok_or_else(|| Failure::usage("neither CLOUDPING_CACHE nor HOME is set, expected a folder to cache into"))
    }

    /// A cargo command that runs in the root of the workspace.
    pub fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }

    /// The path of a workspace file as a person would write it: relative to the root, with forward slashes.
    pub fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }
}

/// The cargo that runs us: a toolchain chosen with `cargo +NAME` stays chosen.
///
/// What that cargo says of this package is not passed on. Build scripts look at it (ring's does), and would be run again, with all that
/// depends on them, DataFusion included, wherever the workspace lies elsewhere.
fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_with_this_package_in_it() {
        let project = Project::discover().expect("cargo metadata");
        assert!(project.root.join("Cargo.lock").is_file());
        let xtask = project.packages.iter().find(|package| package.name == "xtask").expect("this package");
        assert_eq!(project.relative(&xtask.manifest_path), "xtask/Cargo.toml");
    }
}
