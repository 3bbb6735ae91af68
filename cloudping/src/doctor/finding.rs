//! What a check found, and how that is shown.

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
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, found: found.into(), next: None }
    }

    /// It works, but.
    pub fn warn(check: &'static str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, status: Status::Warn, found: found.into(), next: Some(next.into()) }
    }

    /// It will not work.
    pub fn fail(check: &'static str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, status: Status::Fail, found: found.into(), next: Some(next.into()) }
    }
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The worst of the checks.
    status: Status,
    /// In the order in which they were made.
    checks: Vec<Finding>,
}

impl Report {
    /// The report of these findings.
    pub fn new(checks: Vec<Finding>) -> Self {
        Self { status: checks.iter().map(|finding| finding.status).max().unwrap_or(Status::Ok), checks }
    }

    /// Prints it.
    ///
    /// # Errors
    /// When it cannot be printed, and when a check failed: exit code 1.
    pub fn conclude(&self, format: Format) -> Result<(), Failure> {
        match format {
            Format::Table => output::print(self.lines())?,
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
}
