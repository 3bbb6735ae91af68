//! What tests need from PyPI, in virtual environments: readers that they compare our files with, and servers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::shell;

/// Makes the readers' environment; returns its interpreter.
///
/// # Errors
/// When there is no Python with `venv`, or pip cannot install the packages.
pub fn ensure(project: &Project) -> Result<PathBuf> {
    environment(project, "python", "xtask/requirements.txt")
}

/// Makes the environment of the engines that the archive is measured beside; returns its interpreter.
///
/// # Errors
/// When there is no Python with `venv`, or pip cannot install the packages.
pub fn ensure_peers(project: &Project) -> Result<PathBuf> {
    environment(project, "peers", "xtask/requirements-bench.txt")
}

/// Makes the environment of the DynamoDB server, apart from the readers', since it wants a botocore of its own; returns the
/// server's program.
///
/// # Errors
/// When there is no Python with `venv`, or pip cannot install the packages.
pub fn ensure_ministack(project: &Project) -> Result<PathBuf> {
    let python = environment(project, "ministack", "xtask/requirements-ministack.txt")?;
    Ok(python.with_file_name("ministack"))
}

/// Makes the environment of the S3 server; returns the server's program.
///
/// # Errors
/// When there is no Python with `venv`, or pip cannot install the package.
pub fn ensure_seaweedfs(project: &Project) -> Result<PathBuf> {
    let python = environment(project, "seaweedfs", "xtask/requirements-seaweedfs.txt")?;
    Ok(python.with_file_name("weed"))
}

/// Makes the environment of what checks CloudFormation's templates; returns the program.
///
/// # Errors
/// When there is no Python with `venv`, or pip cannot install the package.
pub fn ensure_cfn_lint(project: &Project) -> Result<PathBuf> {
    let python = environment(project, "cfn-lint", "xtask/requirements-cfn-lint.txt")?;
    Ok(python.with_file_name("cfn-lint"))
}

/// Makes an environment in the cache unless it holds exactly what the file asks for; returns its interpreter.
fn environment(project: &Project, name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = project.cache()?.join(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    let path = project.root.join(requirements);
    let wanted = fs::read_to_string(&path).map_err(|error| Failure::io(requirements, &error))?;
    if is_usable(&python) && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    make_environment(&folder)?;
    shell::run(
        "installing Python packages",
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&path),
    )?;
    fs::write(&stamp, wanted).map_err(|error| Failure::io(stamp.display(), &error))?;
    Ok(python)
}

fn make_environment(folder: &Path) -> Result<()> {
    // Debian ships Python without the parts that make an environment with pip in it.
    if !runs(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        shell::apt_install(&["python3", "python3-venv"], "the side tools in Python need python3 with venv")?;
    }
    shell::run("making a Python environment", Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
}

/// An environment breaks when the Python that it was made with goes away.
fn is_usable(python: &Path) -> bool {
    runs(Command::new(python).args(["-c", "pass"]))
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
