//! Whose credentials these are, and which regions are prepared.

use std::process::Command;

use serde::Deserialize;

use super::plan::Settings;
use super::{CDK, Options};
use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::shell;

/// What AWS says of the credentials.
#[derive(Debug, Deserialize)]
pub struct Account {
    /// The 12 digits.
    pub account: String,
    /// The user or role.
    pub arn: String,
    /// The regions of those asked for that `cdk bootstrap` has prepared.
    pub bootstrapped: Vec<String>,
}

impl Account {
    /// # Errors
    /// When the settings are for another account.
    pub fn require(&self, settings: &Settings) -> Result<()> {
        if self.account == settings.account {
            return Ok(());
        }
        let (own, arn, wanted) = (&self.account, &self.arn, &settings.account);
        Err(Failure::usage(format!(
            "the credentials are of account {own} ({arn}), and the settings are for account {wanted}: \
             choose others with --profile NAME, or correct `account`"
        )))
    }
}

/// Asks STS and CloudFormation.
///
/// # Errors
/// When there are no credentials, or they may not ask.
pub fn ask(project: &Project, options: &Options, regions: &[String]) -> Result<Account> {
    let mut command = Command::new("node");
    command.current_dir(project.root.join(CDK)).arg("scripts/account.mjs").args(regions);
    options.apply(&mut command);
    // What the SDK has to say of Node's age would hide what it says of the credentials.
    command.env("NODE_NO_WARNINGS", "1");
    let json = shell::capture(&mut command).map_err(|failure| {
        Failure::usage(format!(
            "{failure}\nthere are no credentials that AWS takes: sign in (`aws sso login`, `aws configure`) and name them with \
             --profile NAME, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ))
    })?;
    serde_json::from_str(&json)
        .map_err(|error| Failure::new(format!("scripts/account.mjs: {error}, expected account, arn, bootstrapped")))
}
