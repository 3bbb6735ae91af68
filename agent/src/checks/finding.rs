//! What a check found, and how that is shown.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cli::Format;
use crate::failure::Failure;
use crate::output;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could, or was not checked.
    Warn,
    /// It will not work.
    Fail,
}

/// A statement of an IAM policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// `Allow`.
    pub effect: &'static str,
    /// What is allowed.
    pub action: Vec<String>,
    /// On what, as an ARN.
    pub resource: String,
}

/// A permission on AWS that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// As IAM names it, such as `kinesis:PutRecords`.
    pub action: String,
    /// On what, as an ARN.
    pub resource: String,
    /// Who needs it, and for what.
    pub purpose: String,
    /// Why AWS refused, in its words, where it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What would allow it; none where a policy denies it, against which no other helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<Statement>,
}

/// A policy document with what is missing.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

impl Policy {
    /// All that is missing, a statement for each resource.
    fn of<'a>(missing: impl Iterator<Item = &'a Permission>) -> Option<Self> {
        let mut actions = BTreeMap::<&str, BTreeSet<&str>>::new();
        for statement in missing.filter_map(|permission| permission.statement.as_ref()) {
            actions.entry(&statement.resource).or_default().extend(statement.action.iter().map(String::as_str));
        }
        let statement = |(resource, actions): (&str, BTreeSet<&str>)| Statement {
            effect: "Allow",
            action: actions.into_iter().map(str::to_owned).collect(),
            resource: resource.to_owned(),
        };
        let statement: Vec<_> = actions.into_iter().map(statement).collect();
        (!statement.is_empty()).then_some(Self { version: "2012-10-17", statement })
    }
}

/// The answer of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked.
    pub check: &'static str,
    /// How it ended.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do next, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The permission on AWS that is missing, where that is what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<Box<Permission>>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, found: found.into(), next: None, permission: None }
    }

    /// It works, but.
    pub fn warn(check: &'static str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { status: Status::Warn, next: Some(next.into()), ..Self::ok(check, found) }
    }

    /// It will not work.
    pub fn fail(check: &'static str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { status: Status::Fail, next: Some(next.into()), ..Self::ok(check, found) }
    }

    /// It will not work for want of a permission.
    pub fn denied(check: &'static str, found: impl Into<String>, permission: Permission) -> Self {
        let Permission { action, resource, purpose, .. } = &permission;
        let next = match &permission.statement {
            Some(_) => format!("allow {action} on {resource}: {purpose}"),
            None => format!("take {action} on {resource} out of what denies it, no other policy helps: {purpose}"),
        };
        Self { permission: Some(Box::new(permission)), ..Self::fail(check, found, next) }
    }

    /// The same, where the work goes on all the same.
    pub fn lenient(self) -> Self {
        Self { status: Status::Warn, found: format!("not checked: {}", self.found), ..self }
    }
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The worst of the checks.
    status: Status,
    /// In the order in which they were made.
    checks: Vec<Finding>,
    /// What is missing on AWS, as a policy for who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Policy>,
}

impl Report {
    /// The report of these findings.
    pub fn new(checks: Vec<Finding>) -> Self {
        let status = checks.iter().map(|finding| finding.status).max().unwrap_or(Status::Ok);
        let policy = Policy::of(checks.iter().filter_map(|finding| finding.permission.as_deref()));
        Self { status, checks, policy }
    }

    /// Prints it.
    ///
    /// # Errors
    /// When it cannot be printed, and when a check failed: exit code 1.
    pub fn conclude(&self, format: Format) -> Result<(), Failure> {
        match format {
            Format::Table => {
                output::print(self.lines())?;
                if let Some(policy) = &self.policy {
                    output::print("\nWhat is missing, as an IAM policy for who asks:\n")?;
                    output::json(policy)?;
                }
            }
            Format::Json => output::json(self)?,
        }
        match self.count(Status::Fail) {
            0 => Ok(()),
            1 => Err(Failure::runtime("1 check failed")),
            count => Err(Failure::runtime(format!("{count} checks failed"))),
        }
    }

    fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|finding| finding.status == status).count()
    }

    /// A line for each check.
    fn lines(&self) -> String {
        let widest = self.checks.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        let line = |finding: &Finding| {
            let status = match finding.status {
                Status::Ok => "ok",
                Status::Warn => "warn",
                Status::Fail => "FAIL",
            };
            let next = finding.next.as_ref().map(|next| format!(" -> {next}")).unwrap_or_default();
            format!("{status:<4}  {:<widest$}  {}{next}", finding.check, finding.found)
        };
        self.checks.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_check_and_the_worst_decides() {
        let ok = Finding::ok("disk", "47 GB free");
        let warn = Finding::warn("clock", "unsynchronised", "start chrony");
        let report = Report::new(vec![ok.clone(), warn.clone()]);
        assert_eq!(report.lines(), "ok    disk   47 GB free\nwarn  clock  unsynchronised -> start chrony");
        assert_eq!((report.status, report.conclude(Format::Json).is_ok()), (Status::Warn, true));
        let report = Report::new(vec![Finding::fail("probes", "none", "a real kernel"), ok, warn]);
        assert_eq!(report.status, Status::Fail);
        assert_eq!(report.conclude(Format::Table).unwrap_err().to_string(), "1 check failed");
    }

    #[test]
    fn what_is_missing_makes_one_policy() {
        let permission = |action: &str, resource: &str, allowed: bool| {
            let (action, resource) = (action.to_owned(), resource.to_owned());
            let statement = Statement { effect: "Allow", action: vec![action.clone()], resource: resource.clone() };
            let statement = allowed.then_some(statement);
            Permission { action, resource, purpose: String::new(), because: None, statement }
        };
        let missing = [
            permission("s3:PutObject", "objects", true),
            permission("s3:ListBucket", "bucket", true),
            permission("s3:DeleteObject", "objects", true),
            permission("s3:GetObject", "objects", false),
        ];
        let policy = serde_json::to_value(Policy::of(missing.iter())).unwrap();
        let expected = serde_json::json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": "bucket" },
            { "Effect": "Allow", "Action": ["s3:DeleteObject", "s3:PutObject"], "Resource": "objects" },
        ] });
        assert_eq!(policy, expected);
        assert_eq!(Policy::of(missing[3..].iter()), None);
    }
}
