//! The command lines of `deploy` and `destroy`.

use std::process::Command;

use crate::failure::{Failure, Result};

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `--settings FILE`; `cdk/settings.json` unless given.
    pub settings: Option<String>,
    /// `--profile NAME`: which credentials; the standard ones unless given.
    pub profile: Option<String>,
    /// `--bootstrap`: prepare the regions that are not.
    pub bootstrap: bool,
    /// `--no-build`: deploy the packages that lie there, such as those that another machine has built.
    pub no_build: bool,
    /// `--dry-run`: say what would change, and change nothing.
    pub dry_run: bool,
    /// `--yes`: do not ask.
    pub yes: bool,
}

impl Options {
    /// Those of `deploy`.
    ///
    /// # Errors
    /// What is unexpected, or lacks its value.
    pub fn of_deploy(args: &[String]) -> Result<Self> {
        Self::parse("deploy", &["--settings", "--profile", "--bootstrap", "--no-build", "--dry-run", "--yes"], args)
    }

    /// Those of `destroy`.
    ///
    /// # Errors
    /// What is unexpected, or lacks its value.
    pub fn of_destroy(args: &[String]) -> Result<Self> {
        Self::parse("destroy", &["--settings", "--profile", "--yes"], args)
    }

    fn parse(command: &str, known: &[&str], args: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            if !known.contains(&word.as_str()) {
                return Err(Failure::usage(format!("{command}: unexpected `{word}`, expected {}", known.join(", "))));
            }
            let mut value = || {
                let value = words.next().cloned().filter(|value| !value.starts_with("--"));
                value
                    .map(Some)
                    .ok_or_else(|| Failure::usage(format!("{command}: {word} without a value, expected one")))
            };
            match word.as_str() {
                "--settings" => options.settings = value()?,
                "--profile" => options.profile = value()?,
                "--bootstrap" => options.bootstrap = true,
                "--no-build" => options.no_build = true,
                "--dry-run" => options.dry_run = true,
                _ => options.yes = true,
            }
        }
        Ok(options)
    }

    /// Names the credentials to a program.
    pub fn apply(&self, command: &mut Command) {
        if let Some(profile) = &self.profile {
            command.env("AWS_PROFILE", profile);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_command_lines() {
        let options =
            Options::of_deploy(&words("--profile work --settings a.json --bootstrap --no-build --dry-run --yes"));
        let (settings, profile) = (Some("a.json".to_owned()), Some("work".to_owned()));
        let expected = Options { settings, profile, bootstrap: true, no_build: true, dry_run: true, yes: true };
        assert_eq!(options.expect("valid"), expected);
        assert_eq!(Options::of_destroy(&[]).expect("valid"), Options::default());
        for (line, said) in [
            ("--profile", "deploy: --profile without a value, expected one"),
            ("--profile --yes", "deploy: --profile without a value, expected one"),
            (
                "staging",
                "deploy: unexpected `staging`, expected --settings, --profile, --bootstrap, --no-build, --dry-run, --yes",
            ),
        ] {
            let failure = Options::of_deploy(&words(line)).expect_err("not a command line");
            assert_eq!((failure.to_string().as_str(), failure.code()), (said, 2));
        }
        assert!(Options::of_destroy(&words("--bootstrap")).is_err());
    }
}
