//! What is deployed, and what the region manager may do: the same `settings.json` as the stacks of `cdk/`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The part of `settings.json` that the region manager needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What names of streams, tables and functions begin with.
    pub name: String,
    /// The 12 digits of the account.
    pub account: String,
    /// Where the stream is.
    pub home_region: String,
    /// `x86_64` or `arm64`, as the package was built.
    pub architecture: String,
    /// From one round to the next, seconds: a divisor of 60.
    pub interval_seconds: u32,
    /// How long a probe waits for its answer, milliseconds.
    pub timeout_ms: u32,
    /// All numbers of `producers`, by their fields: what is handed to the program as it is.
    pub numbers: BTreeMap<String, u64>,
    /// The opt-in regions that may be enabled. No others ever are.
    pub enable: Vec<String>,
    /// The regions that get no producer, though they are enabled.
    pub leave_out: Vec<String>,
}

/// Why a text is no settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not the JSON that was expected; the message names line and field.
    #[error("{0}")]
    Json(String),
    /// Fields hold what they must not: each fault names its field and what was expected.
    #[error("{}", .0.join("; "))]
    Fields(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    name: String,
    account: String,
    home_region: String,
    architecture: String,
    producers: Producers,
    region_manager: Option<Manager>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Producers {
    interval_seconds: u32,
    timeout_ms: u32,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Manager {
    enable: Vec<String>,
    leave_out: Vec<String>,
}

impl Settings {
    /// Reads `settings.json`. Fields that only the stacks need are passed over. Without `regionManager` no region is enabled, none left out.
    ///
    /// # Errors
    /// [`SettingsError`]: of the fields, all faults at once.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let file: File = serde_json::from_str(text).map_err(|error| SettingsError::Json(error.to_string()))?;
        let Producers { interval_seconds, timeout_ms, others } = file.producers;
        let numbers = others.into_iter().filter_map(|(field, value)| Some((field, value.as_u64()?)));
        let own = [("intervalSeconds", interval_seconds), ("timeoutMs", timeout_ms)];
        let own = own.map(|(field, number)| (field.to_owned(), u64::from(number)));
        let Manager { enable, leave_out } = file.region_manager.unwrap_or_default();
        let settings = Self {
            name: file.name,
            account: file.account,
            home_region: file.home_region,
            architecture: file.architecture,
            interval_seconds,
            timeout_ms,
            numbers: numbers.chain(own).collect(),
            enable,
            leave_out,
        };
        let faults = settings.faults();
        if faults.is_empty() { Ok(settings) } else { Err(SettingsError::Fields(faults)) }
    }

    /// The ARN of the role that producers run in: the stack `NAME-region-manager` makes it.
    #[must_use]
    pub fn role(&self) -> String {
        format!("arn:aws:iam::{}:role/{}-producer", self.account, self.name)
    }

    /// The ARN of the role in which a region's rule hands alarms to the home region's bus: the same stack makes it.
    #[must_use]
    pub fn report_role(&self) -> String {
        format!("{}-report", self.role())
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut require = |holds: bool, field: &str, found: &dyn std::fmt::Debug, expected: &str| {
            if !holds {
                faults.push(format!("{field} is {found:?}, expected {expected}"));
            }
        };
        let first = self.name.starts_with(|c: char| c.is_ascii_lowercase());
        let name = first && self.name.len() <= 20 && is_plain(&self.name);
        require(name, "name", &self.name, "up to 20 lower-case letters, digits and -, a letter first");
        let account = self.account.len() == 12 && self.account.bytes().all(|byte| byte.is_ascii_digit());
        require(account, "account", &self.account, "the 12 digits of an AWS account");
        let known = ["x86_64", "arm64"].contains(&self.architecture.as_str());
        require(known, "architecture", &self.architecture, "x86_64 or arm64");
        require(is_region(&self.home_region), "homeRegion", &self.home_region, A_REGION);
        let divides = self.interval_seconds != 0 && 60 % self.interval_seconds == 0;
        require(divides, "producers.intervalSeconds", &self.interval_seconds, "a divisor of 60");
        let waits = (100..=10_000).contains(&self.timeout_ms);
        require(waits, "producers.timeoutMs", &self.timeout_ms, "a whole number from 100 to 10000");
        for (field, list) in [("enable", &self.enable), ("leaveOut", &self.leave_out)] {
            for (nth, region) in list.iter().enumerate() {
                require(is_region(region), &format!("regionManager.{field}[{nth}]"), region, A_REGION);
            }
        }
        faults
    }

    /// Some, for tests.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        let text = r#"{"name": "cloudping", "account": "000000000000", "homeRegion": "us-east-1", "architecture": "x86_64",
            "producers": {"intervalSeconds": 60, "timeoutMs": 2000}}"#;
        Self::parse(text).unwrap()
    }
}

const A_REGION: &str = "a region such as eu-west-1";

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether it may stand in host names and ARNs: new regions come in shapes that nobody has seen.
fn is_region(id: &str) -> bool {
    is_plain(id) && id.split('-').count() >= 3 && id.split('-').all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_the_stacks_are_read() {
        Settings::parse(include_str!("../../cdk/settings.json")).unwrap();
        let settings = Settings::example();
        assert_eq!((settings.name.as_str(), settings.interval_seconds), ("cloudping", 60));
        assert_eq!((settings.enable.len(), settings.leave_out.len()), (0, 0), "nothing is enabled unless it is said");
        assert_eq!(settings.role(), "arn:aws:iam::000000000000:role/cloudping-producer");
        assert_eq!(settings.report_role(), "arn:aws:iam::000000000000:role/cloudping-producer-report");
    }

    #[test]
    fn every_fault_names_its_field() {
        let text = r#"{"name": "A", "account": "1", "homeRegion": "here", "architecture": "mips",
            "producers": {"intervalSeconds": 7, "timeoutMs": 1}, "regionManager": {"enable": ["all"], "leaveOut": ["*"]}}"#;
        let SettingsError::Fields(faults) = Settings::parse(text).unwrap_err() else { panic!("fields") };
        let fields =
            ["name", "account", "architecture", "homeRegion", "producers.intervalSeconds", "producers.timeoutMs"];
        let fields = fields.into_iter().chain(["regionManager.enable[0]", "regionManager.leaveOut[0]"]);
        assert_eq!(faults.len(), 8);
        for (fault, field) in faults.iter().zip(fields) {
            assert!(fault.starts_with(&format!("{field} is ")) && fault.contains("expected"), "{fault}");
        }
        let error = Settings::parse("{}").unwrap_err().to_string();
        assert!(error.contains("missing field `name`"), "{error}");
        let slip = text.replace("leaveOut", "leaveout");
        assert!(Settings::parse(&slip).unwrap_err().to_string().contains("unknown field `leaveout`"));
    }
}
