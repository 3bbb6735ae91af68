//! `cargo xtask bench`: run one bench, then hold the figures it wrote against their bars.

use std::fs;
use std::process::Command;

use serde::Deserialize;

use crate::dashboard;
use crate::failure::{Failure, Result};
use crate::package::{self, host};
use crate::project::{Package, Project};
use crate::shell;
use crate::test::{browser, python, servers};

/// One line of `bench-results/NAME.json`. A figure without a bar has null for `bar` and `holds`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Figure {
    figure: String,
    value: f64,
    unit: String,
    bar: Option<String>,
    holds: Option<bool>,
}

/// Runs the bench that `args` names, or lists the benches there are.
///
/// # Errors
/// When there is no such bench, when it fails or leaves no valid results, and when a bar does not hold.
pub fn run(project: &Project, args: &[String]) -> Result<()> {
    let benches = benches(&project.packages);
    let name = match args {
        [] => {
            benches.iter().for_each(|(package, bench)| println!("{bench}  (in {package})"));
            return Ok(());
        }
        [name] => name,
        [_, extra, ..] => {
            return Err(Failure::usage(format!("bench: unexpected `{extra}`, expected one NAME")));
        }
    };
    let Some((package, _)) = benches.iter().find(|(_, bench)| bench == name) else {
        let known: Vec<&str> = benches.iter().map(|(_, bench)| *bench).collect();
        return Err(Failure::usage(format!("bench: no bench `{name}`, expected one of: {}", known.join(", "))));
    };

    let results = project.root.join("bench-results").join(format!("{name}.json"));
    // A file left from an earlier run must not pass for this run's results.
    if results.exists() {
        fs::remove_file(&results).map_err(|error| Failure::io(project.relative(&results), &error))?;
    }
    let mut command = project.cargo();
    command.args(["bench", "--package", package, "--bench", name]);
    prepare(project, name, &mut command)?;
    shell::run(&format!("bench {name}"), &mut command)?;

    let shown = project.relative(&results);
    let json = fs::read_to_string(&results)
        .map_err(|error| Failure::io(format!("{shown}: the bench should have written it"), &error))?;
    let held = check(&shown, &json)?;
    println!("{shown}: all {held} bars hold");
    Ok(())
}

/// Makes what a bench starts beside itself, and says to it where that is.
fn prepare(project: &Project, name: &str, command: &mut Command) -> Result<()> {
    if name == "aws" {
        command.env("CLOUDPING_TEST_KINESIS", servers::ensure_kinesis(project)?);
        command.env("CLOUDPING_BENCH_KINESALITE", servers::ensure_fast_kinesis(project)?);
        command.env("CLOUDPING_TEST_MINISTACK", python::ensure_ministack(project)?);
    }
    if name == "archive" {
        command.env("CLOUDPING_TEST_PYTHON", python::ensure_peers(project)?);
    }
    if name == "cold-start" {
        command.env("CLOUDPING_PACKAGES", package::for_cold_start(project)?);
        command.env("CLOUDPING_TEST_PYTHON", python::ensure(project)?);
        command.env("CLOUDPING_TEST_MINISTACK", python::ensure_ministack(project)?);
    }
    if name == "start" && std::env::var_os("CLOUDPING_BENCH_BINARY").is_none() {
        command.env("CLOUDPING_BENCH_BINARY", host::build(project, host::Program::Agent, std::env::consts::ARCH)?);
    }
    if name == "query" {
        ensure_nginx_and_wrk()?;
    }
    if name == "dashboard" {
        browser::ensure()?;
        dashboard::ensure_built(project)?;
    }
    Ok(())
}

/// What the query service is measured beside, and what asks both.
fn ensure_nginx_and_wrk() -> Result<()> {
    // Neither of them knows `--version`.
    let is_missing = |program: &&str| Command::new(program).arg("-v").output().is_err();
    let missing: Vec<&str> = ["nginx", "wrk"].into_iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|name| if *name == "nginx" { "nginx-light" } else { name }).collect();
    shell::apt_install(&packages, "the bench measures the query service beside nginx, with wrk")
}

fn benches(packages: &[Package]) -> Vec<(&str, &str)> {
    let mut found: Vec<(&str, &str)> = packages
        .iter()
        .flat_map(|package| package.targets.iter().map(move |target| (package, target)))
        .filter(|(_, target)| target.kind.iter().any(|kind| kind == "bench"))
        .map(|(package, target)| (package.name.as_str(), target.name.as_str()))
        .collect();
    found.sort_unstable();
    found
}

/// Returns how many bars there are, all of which hold.
fn check(path: &str, json: &str) -> Result<usize> {
    let figures: Vec<Figure> = serde_json::from_str(json).map_err(|error| {
        Failure::new(format!("{path}: {error}, expected a list of {{figure, value, unit, bar, holds}}"))
    })?;
    if figures.is_empty() {
        return Err(Failure::new(format!("{path}: no figures, expected at least one")));
    }
    let broken: Vec<String> = figures
        .iter()
        .filter(|figure| figure.holds == Some(false))
        .map(|f| format!("{} is {} {}, expected {}", f.figure, f.value, f.unit, f.bar.as_deref().unwrap_or("a bar")))
        .collect();
    let bars = figures.iter().filter(|figure| figure.holds.is_some()).count();
    if broken.is_empty() { Ok(bars) } else { Err(Failure::new(format!("{path}: {}", broken.join("; ")))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_hold_pass() {
        let json = r#"[{"figure":"median error","value":0.02,"unit":"ms","bar":"<= 0.05","holds":true}]"#;
        assert_eq!(check("x.json", json).expect("it holds"), 1);
        let without_bar = r#"[{"figure":"largest","value":4.7,"unit":"ms","bar":null,"holds":null}]"#;
        assert_eq!(check("x.json", without_bar).expect("nothing to hold"), 0);
    }

    #[test]
    fn a_bar_that_does_not_hold_is_named() {
        let json = r#"[{"figure":"p99 error","value":0.5,"unit":"ms","bar":"<= 0.25","holds":false}]"#;
        let failure = check("x.json", json).expect_err("it does not hold");
        assert_eq!(failure.to_string(), "x.json: p99 error is 0.5 ms, expected <= 0.25");
    }

    #[test]
    fn anything_but_a_list_of_figures_is_refused() {
        for json in ["", "{}", "[]", r#"[{"figure":"a","value":"fast","unit":"ms","bar":"","holds":true}]"#] {
            assert!(check("x.json", json).is_err(), "{json}");
        }
    }
}
