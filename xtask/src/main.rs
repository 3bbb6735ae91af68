//! Project automation: `cargo xtask COMMAND`. Each command lives in a module of its own.

mod bench;
mod cost;
mod dashboard;
mod deploy;
mod failure;
mod npm;
mod package;
mod project;
mod shell;
mod test;
mod tidy;
mod up;

use std::process::ExitCode;

use crate::failure::{Failure, Result};
use crate::project::Project;

const HELP: &str = "\
Project automation.

Usage: cargo xtask COMMAND [ARGUMENTS]

Commands:
  up [ARGS...]        build what is stale, then run the simulated planet; ARGS go to `cloudping up`
  test [--only STEP]  every check there is, in order, stopping at the first that fails
  tidy                mechanical checks: layering, sizes, no unwrap, no clock in domain code
  package [NAME...] [--arch x86_64|arm64] [--profile PROFILE]
                      the programs for AWS, each as an archive to upload, in target/packages
  package --static [--binary FILE]
                      the agent's program for any host, static, and a Debian package of it; FILE is packed in place of a new build
  package --static --whole
                      all of cloudping as one static program
  deploy [--settings FILE] [--profile NAME] [--bootstrap] [--no-build] [--dry-run] [--yes]
                      the AWS deployment in one: checks, builds, deploys, says what to look at; --dry-run says what would change,
                      --no-build takes the packages that lie in target/packages
  destroy [--settings FILE] [--profile NAME] [--yes]
                      removes what `deploy` made, but for what was recorded
  cost [ARGS...]      what a deployment on AWS costs a month; ARGS as `cargo xtask cost --help` says
  bench [NAME]        run one bench and hold its figures against their bars; without NAME, list the benches

Examples:
  cargo xtask up
  cargo xtask up --listen 127.0.0.1:9000 --data /tmp/planet
  cargo xtask test
  cargo xtask test --only clippy
  cargo xtask bench planet
  cargo xtask package producer stream-processor
  cargo xtask deploy --settings cdk/staging.json --profile work --dry-run

Steps of `test`: ";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let Some((command, rest)) = args.split_first() else {
        print_help();
        return Err(Failure::usage("a command is missing"));
    };
    if wants_help(command, rest) {
        print_help();
        return Ok(());
    }
    match command.as_str() {
        "up" => up::run(&Project::discover()?, rest),
        "test" => test::run(&Project::discover()?, rest),
        "tidy" => tidy::run(&Project::discover()?, rest),
        "bench" => bench::run(&Project::discover()?, rest),
        "deploy" => deploy::run(&Project::discover()?, rest),
        "destroy" => deploy::destroy(&Project::discover()?, rest),
        "cost" => cost::run(&Project::discover()?, rest),
        "package" => package::run(&Project::discover()?, rest),
        other => Err(Failure::usage(format!(
            "unknown command `{other}`, expected up, test, tidy, package, deploy, destroy, cost or bench (see cargo xtask --help)"
        ))),
    }
}

/// `up --help` and `cost --help` are left alone: they belong to the programs that are started.
fn wants_help(command: &str, rest: &[String]) -> bool {
    let is_help = |word: &str| matches!(word, "-h" | "--help");
    is_help(command)
        || command == "help"
        || (!matches!(command, "up" | "cost") && rest.iter().any(|word| is_help(word)))
}

fn print_help() {
    println!("{HELP}{}", test::step_names().join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_unknown_or_missing_command_is_a_usage_error() {
        for line in ["", "tset"] {
            let failure = dispatch(&words(line)).expect_err("not a command");
            assert_eq!(failure.code(), 2);
        }
    }

    #[test]
    fn help_of_up_belongs_to_the_program_it_starts() {
        assert!(wants_help("--help", &[]));
        assert!(wants_help("test", &words("--help")));
        assert!(!wants_help("up", &words("--help")) && !wants_help("cost", &words("--help")));
    }
}
