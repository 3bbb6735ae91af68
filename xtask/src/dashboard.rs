//! The dashboard's packages and build, each made again only when what it is made from has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::shell;

/// Beside the build itself would be simpler, but everything in `dist` ends up in the binary.
const BUILD_STAMP: &str = "node_modules/.cloudping-built-from";
const INSTALL_STAMP: &str = "node_modules/.cloudping-installed-from";

/// Installs the packages and builds `dashboard/dist`, as far as they are stale.
///
/// # Errors
/// When Node is missing or too old, or npm fails.
pub fn ensure_built(project: &Project) -> Result<()> {
    ensure_installed(project)?;
    let dashboard = folder(project);
    let stamp = dashboard.join(BUILD_STAMP);
    let sources = fingerprint(&dashboard)?;
    let fresh = dashboard.join("dist/index.html").is_file() && is_same(&stamp, &sources);
    if fresh {
        println!("==> dashboard: dist is up to date");
        return Ok(());
    }
    shell::run("building the dashboard", npm(project).args(["run", "build"]))?;
    write(&stamp, &sources)
}

/// Runs `npm ci` when `package-lock.json` is not the one that was last installed.
///
/// # Errors
/// When Node is missing or too old, or npm fails.
pub fn ensure_installed(project: &Project) -> Result<()> {
    let dashboard = folder(project);
    require_node(&dashboard)?;
    let lock_path = dashboard.join("package-lock.json");
    let lock = read(&lock_path)?;
    let stamp = dashboard.join(INSTALL_STAMP);
    if is_same(&stamp, &lock) {
        return Ok(());
    }
    shell::run("installing the dashboard's packages", npm(project).args(["ci", "--no-audit", "--no-fund"]))?;
    write(&stamp, &lock)
}

/// An npm command that runs in `dashboard/`.
pub fn npm(project: &Project) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(folder(project));
    command
}

fn folder(project: &Project) -> PathBuf {
    project.root.join("dashboard")
}

fn require_node(dashboard: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Manifest {
        engines: Engines,
    }
    #[derive(Deserialize)]
    struct Engines {
        node: String,
    }
    let manifest: Manifest = serde_json::from_str(&read(&dashboard.join("package.json"))?)
        .map_err(|error| Failure::new(format!("dashboard/package.json: {error}, expected engines.node")))?;
    let needed = manifest.engines.node;
    let advice = format!("the dashboard needs Node.js {needed} with npm (https://nodejs.org)");
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

/// A line for each file that the build reads: its path and a hash of its content. Times of change are no guide, because
/// switching branches touches files without changing them.
fn fingerprint(dashboard: &Path) -> Result<String> {
    let mut files = Vec::new();
    collect(dashboard, false, &mut files)?;
    collect(&dashboard.join("src"), true, &mut files)?;
    collect(&dashboard.join("public"), true, &mut files)?;
    files.sort_unstable();
    let mut lines = String::new();
    for file in files {
        let bytes = fs::read(&file).map_err(|error| Failure::io(file.display(), &error))?;
        let path = file.strip_prefix(dashboard).unwrap_or(&file);
        lines.push_str(&format!("{:016x} {}\n", fnv1a(&bytes), path.display()));
    }
    Ok(lines)
}

fn collect(folder: &Path, deep: bool, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let failed = |error: &std::io::Error| Failure::io(folder.display(), error);
    for entry in fs::read_dir(folder).map_err(|error| failed(&error))? {
        let path = entry.map_err(|error| failed(&error))?.path();
        if path.is_file() {
            files.push(path);
        } else if deep {
            collect(&path, true, files)?;
        }
    }
    Ok(())
}

/// FNV-1a, 64 bits: a change detector that stays the same in every Rust release, unlike the standard library's hasher.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn is_same(stamp: &Path, content: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|stamped| stamped == content)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Failure::io(path.display(), &error))
}

fn write(path: &Path, content: &str) -> Result<()> {
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

    #[test]
    fn the_hash_is_fnv_1a() {
        // Vectors published with the algorithm (draft-eastlake-fnv).
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn only_what_the_build_reads_makes_it_stale() {
        let folder = std::env::temp_dir().join(format!("xtask-fingerprint-{}", std::process::id()));
        for sub in ["src/lib", "e2e", "dist"] {
            fs::create_dir_all(folder.join(sub)).expect("temp folder");
        }
        fs::write(folder.join("index.html"), "<html>").expect("temp file");
        fs::write(folder.join("src/lib/a.ts"), "1").expect("temp file");
        let before = fingerprint(&folder).expect("readable");
        fs::write(folder.join("e2e/page.ts"), "x").expect("temp file");
        fs::write(folder.join("dist/index.html"), "x").expect("temp file");
        assert_eq!(fingerprint(&folder).expect("readable"), before);
        fs::write(folder.join("src/lib/a.ts"), "2").expect("temp file");
        assert_ne!(fingerprint(&folder).expect("readable"), before);
        fs::remove_dir_all(&folder).expect("temp folder");
    }
}
