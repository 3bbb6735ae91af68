//! `cargo xtask test`: every check there is, in an order that fails early and cheaply.

pub mod browser;
mod cdk;
mod doctests;
mod fuzz;
mod packages;
pub mod python;
pub mod servers;

use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::{dashboard, npm, shell, tidy};

/// A step prepares what it needs itself, so that each also works alone. It hands back the lines worth showing at the end.
struct Step {
    name: &'static str,
    run: fn(&Project) -> Result<Vec<String>>,
}

const STEPS: [Step; 11] = [
    Step { name: "fmt", run: fmt },
    Step { name: "tidy", run: tidy_step },
    Step { name: "dashboard", run: dashboard_step },
    Step { name: "cdk", run: cdk::run },
    Step { name: "python", run: python_step },
    Step { name: "servers", run: servers_step },
    Step { name: "clippy", run: clippy },
    Step { name: "tests", run: tests },
    Step { name: "packages", run: packages::run },
    Step { name: "fuzz", run: fuzz::run },
    Step { name: "e2e", run: browser::run },
];

/// Everything is linted and tested with what is off by default.
const FEATURES: [&str; 2] = ["--features", "cloudping/aws"];

/// From what property tests draw their cases: in CI always the same, so that a change is judged by itself; elsewhere new ones each time.
const RNG_SEED: &str = "PROPTEST_RNG_SEED";

/// The names that `--only` takes, in the order of the steps.
pub fn step_names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

/// Runs all steps, or the one that `args` picks, and stops at the first that fails.
///
/// # Errors
/// The failure of that step, or a wrong command line.
pub fn run(project: &Project, args: &[String]) -> Result<()> {
    let steps = select(args)?;
    let mut times = Vec::new();
    let mut kept = Vec::new();
    let mut outcome = Ok(());
    for step in steps {
        println!("\n=== {} ===", step.name);
        let start = Instant::now();
        let result = (step.run)(project);
        times.push((step.name, start.elapsed(), result.is_ok()));
        match result {
            Ok(lines) => kept.extend(lines),
            Err(failure) => {
                outcome = Err(Failure::new(format!("step {} failed: {failure}", step.name)));
                break;
            }
        }
    }
    println!("\n{}", table(&times));
    kept.iter().for_each(|line| println!("{line}"));
    if outcome.is_ok() {
        println!("xtask test: all steps passed");
    }
    outcome
}

fn select(args: &[String]) -> Result<Vec<&'static Step>> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => Ok(STEPS.iter().collect()),
        ["--only", name] => match STEPS.iter().find(|step| step.name == name) {
            Some(step) => Ok(vec![step]),
            None => {
                Err(Failure::usage(format!("test: no step `{name}`, expected one of: {}", step_names().join(", "))))
            }
        },
        _ => Err(Failure::usage(format!("test: unexpected `{}`, expected nothing or --only STEP", args.join(" ")))),
    }
}

fn table(times: &[(&str, Duration, bool)]) -> String {
    let mut lines = format!("{:<12}{:>9}\n", "step", "time");
    let mut total = Duration::ZERO;
    for (name, took, passed) in times {
        total += *took;
        lines.push_str(&format!("{name:<12}{:>9}  {}\n", shell::seconds(*took), if *passed { "ok" } else { "FAILED" }));
    }
    lines.push_str(&format!("{:<12}{:>9}\n", "total", shell::seconds(total)));
    lines
}

fn fmt(project: &Project) -> Result<Vec<String>> {
    shell::run("formatting", project.cargo().args(["fmt", "--all", "--check"]))?;
    Ok(Vec::new())
}

fn tidy_step(project: &Project) -> Result<Vec<String>> {
    tidy::run(project, &[])?;
    Ok(Vec::new())
}

fn dashboard_step(project: &Project) -> Result<Vec<String>> {
    npm::ensure_installed(project, dashboard::FOLDER)?;
    shell::run("checking the dashboard's types", npm::npm(project, dashboard::FOLDER).args(["run", "check"]))?;
    let lines = shell::run_keeping(
        "the dashboard's unit tests",
        npm::npm(project, dashboard::FOLDER).args(["run", "test"]),
        is_summary,
    )?;
    dashboard::ensure_built(project)?;
    Ok(lines)
}

fn python_step(project: &Project) -> Result<Vec<String>> {
    let python = python::ensure(project)?;
    println!("==> side tools in Python: {}", python.display());
    Ok(Vec::new())
}

fn servers_step(project: &Project) -> Result<Vec<String>> {
    let kinesis = servers::ensure_kinesis(project)?;
    let ministack = python::ensure_ministack(project)?;
    let seaweedfs = python::ensure_seaweedfs(project)?;
    println!("==> servers for tests: {}, {}, {}", kinesis.display(), ministack.display(), seaweedfs.display());
    Ok(Vec::new())
}

fn clippy(project: &Project) -> Result<Vec<String>> {
    dashboard::ensure_built(project)?;
    let mut command = project.cargo();
    command.args(["clippy", "--workspace", "--all-targets"]).args(FEATURES).args(["--", "--deny", "warnings"]);
    shell::run("linting", &mut command)?;
    let mut command = project.cargo();
    // What most people run has none of these features; in the same selection only the binary itself is looked at again.
    command.args(["clippy", "--workspace", "--bins", "--", "--deny", "warnings"]);
    shell::run("linting what is built by default", &mut command)?;
    Ok(Vec::new())
}

fn tests(project: &Project) -> Result<Vec<String>> {
    dashboard::ensure_built(project)?;
    if !shell::is_present("psql") {
        shell::apt_install(&["postgresql-client"], "the PostgreSQL door is tested with psql")?;
    }
    let python = python::ensure(project)?;
    let (kinesis, ministack) = (servers::ensure_kinesis(project)?, python::ensure_ministack(project)?);
    let mut command = project.cargo();
    if shell::is_present("cargo-nextest") {
        command.args(["nextest", "run", "--workspace"]).args(FEATURES);
    } else {
        // nextest runs no doc tests, and neither does --all-targets: they have a command of their own below.
        command.args(["test", "--workspace", "--lib", "--bins", "--tests"]).args(FEATURES);
    }
    command.env("CLOUDPING_TEST_PYTHON", &python).env("CLOUDPING_TEST_KINESIS", &kinesis);
    command.env("CLOUDPING_TEST_MINISTACK", &ministack);
    command.env("CLOUDPING_TEST_SEAWEEDFS", python::ensure_seaweedfs(project)?);
    if std::env::var_os("CI").is_some() && std::env::var_os(RNG_SEED).is_none() {
        command.env(RNG_SEED, "1");
    }
    let mut lines = shell::run_keeping("unit, contract and golden tests", &mut command, is_summary)?;
    if doctests::any(project)? {
        let mut command = project.cargo();
        lines.extend(shell::run_keeping(
            "doc tests",
            command.args(["test", "--workspace", "--doc"]).args(FEATURES),
            is_summary,
        )?);
    }
    Ok(lines)
}

/// The closing lines of nextest, of cargo test and of vitest.
fn is_summary(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("Summary [") || line.starts_with("FLAKY ") || is_cargo_total(line) || line.starts_with("Tests  ")
}

/// Cargo closes each test binary with such a line: those of binaries without tests say nothing.
fn is_cargo_total(line: &str) -> bool {
    line.starts_with("test result:") && !line.contains(" 0 passed; 0 failed;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn all_steps_or_the_one_asked_for() {
        let names = |line| select(&words(line)).expect("valid").iter().map(|step| step.name).collect::<Vec<_>>();
        assert_eq!(names(""), step_names());
        assert_eq!(names("--only clippy"), ["clippy"]);
        for wrong in ["--only", "--only speed", "clippy", "--only fmt tidy"] {
            assert!(select(&words(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn summaries_are_told_from_noise() {
        for line in [
            "     Summary [   0.012s] 12 tests run: 12 passed, 0 skipped",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "      Tests  12 passed (12)",
            "   FLAKY 2/2 [   0.051s] cloudping-producers::outage the_log_is_away",
        ] {
            assert!(is_summary(line), "{line}");
        }
        for line in
            ["        PASS [   0.005s] xtask", "test result: ok. 0 passed; 0 failed; 0 ignored", "   Compiling a"]
        {
            assert!(!is_summary(line), "{line}");
        }
    }

    #[test]
    fn the_table_marks_the_step_that_failed() {
        let shown = table(&[("fmt", Duration::from_millis(500), true), ("tidy", Duration::from_secs(75), false)]);
        assert_eq!(
            shown,
            "step             time\nfmt             0.5 s  ok\ntidy             75 s  FAILED\ntotal            76 s\n"
        );
    }
}
