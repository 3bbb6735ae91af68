//! The dashboard's packages and build, each made again only when what it is made from has changed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::npm::{self, is_same, write};
use crate::project::Project;
use crate::shell;

/// Its folder in the project.
pub const FOLDER: &str = "dashboard";

/// Beside the build itself would be simpler, but everything in `dist` ends up in the binary.
const BUILD_STAMP: &str = "node_modules/.cloudping-built-from";

/// Installs the packages and builds `dashboard/dist`, as far as they are stale.
///
/// # Errors
/// When Node is missing or too old, or npm fails.
pub fn ensure_built(project: &Project) -> Result<()> {
    npm::ensure_installed(project, FOLDER)?;
    let dashboard = folder(project);
    let stamp = dashboard.join(BUILD_STAMP);
    let sources = fingerprint(&dashboard)?;
    let fresh = dashboard.join("dist/index.html").is_file() && is_same(&stamp, &sources);
    if fresh {
        println!("==> dashboard: dist is up to date");
        return Ok(());
    }
    shell::run("building the dashboard", npm::npm(project, FOLDER).args(["run", "build"]))?;
    write(&stamp, &sources)
}

fn folder(project: &Project) -> PathBuf {
    project.root.join(FOLDER)
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

#[cfg(test)]
mod tests {
    use super::*;

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
