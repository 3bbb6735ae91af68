//! The step `cdk`: the AWS deployment is tested, its templates are linted and deployed to a local AWS server.

use std::process::Command;

use super::{is_summary, python};
use crate::deploy::CDK;
use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::{npm, shell};

/// Runs all of it.
///
/// # Errors
/// The first of them that fails.
pub fn run(project: &Project) -> Result<Vec<String>> {
    npm::ensure_installed(project, CDK)?;
    let npm = |script: &str| {
        let mut command = npm::npm(project, CDK);
        command.args(["run", script]);
        command
    };
    let mut lines = shell::run_keeping("the stacks of the AWS deployment", &mut npm("test"), is_summary)?;
    shell::run("making their templates", &mut npm("synth:tests"))?;
    let linter = python::ensure_cfn_lint(project)?;
    let mut lint = npm("lint:templates");
    lines.extend(shell::run_keeping("linting the templates", lint.env("CFN_LINT", linter), is_verdict)?);
    let (python, server) = (python::ensure(project)?, python::ensure_ministack(project)?);
    let against_server = |script: &str| {
        let mut command = Command::new(&python);
        command.current_dir(project.root.join(CDK)).env("MINISTACK", &server).arg(script);
        command
    };
    let mut deploy = against_server("test/deployed.py");
    deploy.args(["cdk.out/deployed", "cdk.out/changed"]);
    lines.extend(shell::run_keeping("deploying the templates to a local AWS server", &mut deploy, is_verdict)?);
    let own = std::env::current_exe().map_err(|error| Failure::io("the path of xtask", &error))?;
    let mut commands = against_server("test/commands.py");
    lines.extend(shell::run_keeping("deploy and destroy, as people run them", commands.arg(own), is_verdict)?);
    Ok(lines)
}

/// The closing lines of the linter and of the deployments.
fn is_verdict(line: &str) -> bool {
    line.ends_with("templates are clean") || line.contains("stacks were made")
}
