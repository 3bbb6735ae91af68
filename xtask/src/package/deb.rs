//! A Debian package, out of `packaging/` and a binary that is there. `dpkg-deb` makes it: a static binary has no dependencies to find out,
//! so that nothing more is needed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::shell;

/// What goes into a package.
pub struct Content<'a> {
    /// The workspace.
    pub root: &'a Path,
    /// The program.
    pub binary: &'a Path,
    /// Its version.
    pub version: String,
    /// Debian's name of its processor.
    pub arch: &'static str,
}

/// How the package is packed.
#[derive(Debug, Clone, Copy)]
pub enum Compression {
    /// To be sent about.
    Xz,
    /// At once, for a trial.
    None,
}

/// Where the program lies in the package.
const BINARY: &str = "usr/bin/cloudping";
/// The file that an upgrade asks about before it is replaced.
const CONFIGURATION: &str = "etc/cloudping/agent.env";
/// Files of the workspace, where they lie in the package, and their permissions.
const FILES: [(&str, &str, u32); 7] = [
    ("packaging/systemd/cloudping-agent.service", "usr/lib/systemd/system/cloudping-agent.service", 0o644),
    ("packaging/systemd/agent.env", CONFIGURATION, 0o644),
    ("LICENSE", "usr/share/doc/cloudping-agent/copyright", 0o644),
    ("docs/agent.md", "usr/share/doc/cloudping-agent/agent.md", 0o644),
    ("packaging/debian/postinst", "DEBIAN/postinst", 0o755),
    ("packaging/debian/prerm", "DEBIAN/prerm", 0o755),
    ("packaging/debian/postrm", "DEBIAN/postrm", 0o755),
];

/// Debian's name of a processor.
///
/// # Errors
/// When it is none that packages are made for.
pub fn arch(rust: &str) -> Result<&'static str> {
    match rust {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => Err(Failure::usage(format!("package: the processor is {other}, expected x86_64 or aarch64"))),
    }
}

/// Writes `cloudping-agent_VERSION_ARCH.deb` into a folder.
///
/// # Errors
/// When a file cannot be read or written, and what dpkg-deb says.
pub fn build(content: &Content<'_>, into: &Path, compression: Compression) -> Result<PathBuf> {
    let Content { root, binary, version, arch } = content;
    let tree = into.join("deb");
    if tree.exists() {
        fs::remove_dir_all(&tree).map_err(|error| Failure::io(tree.display(), &error))?;
    }
    put(binary, &tree.join(BINARY), 0o755)?;
    for (from, to, mode) in FILES {
        put(&root.join(from), &tree.join(to), mode)?;
    }
    let packed: Vec<&str> =
        FILES.iter().map(|(_, to, _)| *to).filter(|to| !to.starts_with("DEBIAN/")).chain([BINARY]).collect();
    let sums = shell::capture(Command::new("md5sum").args(&packed).current_dir(&tree))?;
    let bytes = packed.iter().map(|file| fs::metadata(tree.join(file)).map_or(0, |file| file.len())).sum::<u64>();
    let template = root.join("packaging/debian/control");
    let control = fs::read_to_string(&template).map_err(|error| Failure::io(template.display(), &error))?;
    let control = control.replace("@VERSION@", version).replace("@ARCH@", arch);
    write(&tree.join("DEBIAN/control"), &control.replace("@KIB@", &bytes.div_ceil(1024).to_string()))?;
    write(&tree.join("DEBIAN/conffiles"), &format!("/{CONFIGURATION}\n"))?;
    write(&tree.join("DEBIAN/md5sums"), &sums)?;
    open_folders(&tree)?;
    let package = into.join(format!("cloudping-agent_{version}_{arch}.deb"));
    let mut command = Command::new("dpkg-deb");
    command.args([
        "--root-owner-group",
        match compression {
            Compression::Xz => "-Zxz",
            Compression::None => "-Znone",
        },
    ]);
    // The same content gives the same package, whenever it is made.
    command.env("SOURCE_DATE_EPOCH", committed_at(root));
    shell::run("packing the Debian package", command.arg("--build").args([&tree, &package]))?;
    Ok(package)
}

/// When the last commit was made, seconds since 1970; 0 outside a clone.
fn committed_at(root: &Path) -> String {
    let mut git = Command::new("git");
    git.current_dir(root).args(["log", "-1", "--format=%ct"]);
    shell::capture(&mut git).map_or_else(|_| "0".to_owned(), |seconds| seconds.trim().to_owned())
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    make_folder_of(to)?;
    fs::copy(from, to).map_err(|error| Failure::io(from.display(), &error))?;
    set_mode(to, mode)
}

fn write(path: &Path, text: &str) -> Result<()> {
    make_folder_of(path)?;
    fs::write(path, text).map_err(|error| Failure::io(path.display(), &error))?;
    set_mode(path, 0o644)
}

fn make_folder_of(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|error| Failure::io(folder.display(), &error))
}

/// Whatever the mask of who makes a package, its folders can be read by all.
fn open_folders(folder: &Path) -> Result<()> {
    set_mode(folder, 0o755)?;
    let entries = fs::read_dir(folder).map_err(|error| Failure::io(folder.display(), &error))?;
    for entry in entries {
        let path = entry.map_err(|error| Failure::io(folder.display(), &error))?.path();
        if path.is_dir() {
            open_folders(&path)?;
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| Failure::io(path.display(), &error))
}
