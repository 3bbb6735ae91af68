//! The agent's Debian package, around a debug build: what is in it, whether it can be installed and removed, and what systemd says of the service.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::FEATURES;
use crate::failure::{Failure, Result};
use crate::package::deb::{self, Compression, Content};
use crate::package::folder;
use crate::package::host::{self, AGENT};
use crate::project::Project;
use crate::shell;

/// What `dpkg-deb --contents` must say: permissions, owner, path.
const CONTENTS: [(&str, &str); 5] = [
    ("-rwxr-xr-x root/root", "./usr/bin/cloudping"),
    ("-rw-r--r-- root/root", "./etc/cloudping/agent.env"),
    ("-rw-r--r-- root/root", "./usr/lib/systemd/system/cloudping-agent.service"),
    ("-rw-r--r-- root/root", "./usr/share/doc/cloudping-agent/copyright"),
    ("-rw-r--r-- root/root", "./usr/share/doc/cloudping-agent/agent.md"),
];
const UNIT: &str = "cloudping-agent.service";
/// How exposed the service may be by systemd's measure, in tenths: 100 is a service without any hardening.
const MOST_EXPOSED: &str = "--threshold=20";
/// What the unit stands in; empty ones do for its check.
const SURROUNDINGS: [&str; 9] = [
    "sysinit.target",
    "basic.target",
    "shutdown.target",
    "network-online.target",
    "nss-lookup.target",
    "time-sync.target",
    "multi-user.target",
    "-.mount",
    "system.slice",
];

/// Packs, installs into a folder, runs, verifies, removes.
pub fn run(project: &Project) -> Result<Vec<String>> {
    let trial = folder(project).join("trial");
    let _absent = fs::remove_dir_all(&trial);
    fs::create_dir_all(&trial).map_err(|error| Failure::io(trial.display(), &error))?;
    let binary = debug_binary(project, &trial)?;
    let content = Content {
        root: &project.root,
        binary: &binary,
        version: host::version(&binary)?,
        arch: deb::arch(std::env::consts::ARCH)?,
    };
    let package = deb::build(&content, &trial, Compression::None)?;
    check_contents(&package)?;
    let root = trial.join("root");
    install(&package, &root)?;
    let installed = host::version(&root.join("usr/bin/cloudping"))?;
    check_unit(&root)?;
    remove(&root)?;
    println!("==> the Debian package of cloudping {installed}: installed, verified and removed in {}", root.display());
    Ok(Vec::new())
}

/// The binary that the tests have built, without its symbols.
fn debug_binary(project: &Project, into: &Path) -> Result<PathBuf> {
    let mut cargo = project.cargo();
    cargo.args(["build", "--workspace"]).args(FEATURES).args(["--bin", AGENT]);
    shell::run("building the binary", &mut cargo)?;
    let binary = into.join(AGENT);
    let built = project.target.join("debug").join(AGENT);
    shell::run("stripping it", Command::new("strip").arg("-o").args([&binary, &built]))?;
    Ok(binary)
}

fn check_contents(package: &Path) -> Result<()> {
    let contents = shell::capture(Command::new("dpkg-deb").arg("--contents").arg(package))?;
    for (start, path) in CONTENTS {
        let mut lines = contents.lines();
        if !lines.any(|line| line.starts_with(start) && line.ends_with(&format!(" {path}"))) {
            return Err(Failure::new(format!("the package has no `{start} … {path}`:\n{contents}")));
        }
    }
    let writable = contents.lines().find(|line| line.get(8..9) == Some("w"));
    writable.map_or(Ok(()), |line| Err(Failure::new(format!("all may write: {line}"))))
}

fn dpkg(root: &Path) -> Command {
    let mut dpkg = Command::new("dpkg");
    // Its scripts run here, and are told of the root: there is no shell in it.
    dpkg.arg(format!("--root={}", root.display())).args(["--force-script-chrootless", "--force-not-root"]);
    dpkg
}

fn install(package: &Path, root: &Path) -> Result<()> {
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"] {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).map_err(|error| Failure::io(folder.display(), &error))?;
    }
    write(&root.join("var/lib/dpkg/status"), "")?;
    shell::run("installing it into a folder", dpkg(root).arg("--install").arg(package))
}

/// The unit as it lies there: that systemd understands all of it, and how exposed it leaves the service.
fn check_unit(root: &Path) -> Result<()> {
    if !shell::is_present("systemd-analyze") {
        shell::apt_install(&["systemd"], "the service is verified with systemd-analyze")?;
    }
    let units = root.join("usr/lib/systemd/system");
    for name in SURROUNDINGS {
        let text = if name == "-.mount" { "[Mount]\nWhat=/dev/null\nWhere=/\n" } else { "[Unit]\n" };
        write(&units.join(name), text)?;
    }
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).arg(format!("--root={}", root.display()));
        command
    };
    let said = analyze(&["verify", "--man=no", "--recursive-errors=no"]).arg(UNIT).output();
    let said = said.map_err(|error| Failure::io("systemd-analyze", &error))?;
    let complaint = String::from_utf8_lossy(&said.stderr);
    // A word that it does not know is no failure of systemd's, but one of ours.
    if !said.status.success() || complaint.contains(UNIT) {
        return Err(Failure::new(format!("systemd-analyze verify: {}", complaint.trim())));
    }
    let exposed = shell::capture(analyze(&["security", "--offline=yes", "--no-pager", MOST_EXPOSED]).arg(UNIT))?;
    println!("    {}", exposed.lines().last().unwrap_or_default());
    Ok(())
}

/// What is purged leaves the key, which is its owner's to delete.
fn remove(root: &Path) -> Result<()> {
    let key = root.join("etc/cloudping/ingest.key");
    write(&key, "a key\n")?;
    shell::run("removing it", dpkg(root).args(["--purge", "cloudping-agent"]))?;
    for gone in ["usr/bin/cloudping", "etc/cloudping/agent.env", "usr/lib/systemd/system/cloudping-agent.service"] {
        if root.join(gone).exists() {
            return Err(Failure::new(format!("{gone} is still there after the package was purged")));
        }
    }
    if key.exists() { Ok(()) } else { Err(Failure::new("the key is gone after the package was purged")) }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| Failure::io(path.display(), &error))
}
