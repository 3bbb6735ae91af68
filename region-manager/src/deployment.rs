//! What each region should have.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::producer::{
    Alarm, Configuration, Fires, Function, LogGroup, Names, Permission, Producer, Rule, Tags, Target,
};
use crate::{AccountRegion, Settings};

/// What the stacks of `cdk/` read too, so that both ways lead to the same function.
const SHARED: &str = include_str!("../producer.json");
/// The id of our target of the schedule.
const TARGET: &str = "producer";
/// The id of our target of the report.
const HOME: &str = "home";
/// A package that Lambda takes in a request, bytes; larger ones would have to lie in a bucket of each region.
const LARGEST_PACKAGE: usize = 50 << 20;

/// A producer's package, as `cargo xtask package` makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    zip: Vec<u8>,
    sha256: String,
}

/// Why bytes are no package, or what the program was built with cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// They do not begin as a zip does.
    #[error("it is no zip archive, expected the package that `cargo xtask package` makes")]
    NoZip,
    /// They are more than Lambda takes.
    #[error("it has {0} bytes, expected {LARGEST_PACKAGE} at the most")]
    Large(usize),
    /// Never in a tested build.
    #[error("region-manager/producer.json: {0}")]
    Shared(String),
}

impl Code {
    /// A package by its bytes.
    ///
    /// # Errors
    /// [`CodeError::NoZip`] and [`CodeError::Large`].
    pub fn new(zip: Vec<u8>) -> Result<Self, CodeError> {
        if !zip.starts_with(b"PK") {
            return Err(CodeError::NoZip);
        }
        if zip.len() > LARGEST_PACKAGE {
            return Err(CodeError::Large(zip.len()));
        }
        let sha256 = STANDARD.encode(Sha256::digest(&zip));
        Ok(Self { zip, sha256 })
    }

    /// Its bytes.
    #[must_use]
    pub fn zip(&self) -> &[u8] {
        &self.zip
    }

    /// Its SHA-256 in base64, as Lambda says it of a function.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Shared {
    runtime: String,
    handler: String,
    #[serde(rename = "memoryMiB")]
    memory_mib: i32,
    slack_seconds: u32,
    schedule: String,
    retries: i32,
    log_retention_days: i32,
    /// Variables that are the same everywhere.
    environment: BTreeMap<String, String>,
    /// Variables that are a number of the settings' `producers`, by its field.
    environment_from_settings: BTreeMap<String, String>,
    alarm: SharedAlarm,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SharedAlarm {
    period_seconds: i32,
    /// More invocations of a period than these must fail, or none take place.
    errors: i32,
}

/// What each region should have: a function of the settings, the package and the regions that the catalogue does not know.
#[derive(Debug, Clone)]
pub struct Deployment {
    settings: Settings,
    code_sha256: String,
    also: Vec<String>,
    shared: Shared,
}

impl Deployment {
    /// Of this package by these settings. `also` are regions beside the catalogue's that producers measure.
    ///
    /// # Errors
    /// [`CodeError::Shared`].
    pub fn new(settings: Settings, code: &Code, also: Vec<String>) -> Result<Self, CodeError> {
        let shared = serde_json::from_str(SHARED).map_err(|error| CodeError::Shared(error.to_string()))?;
        Ok(Self { settings, code_sha256: code.sha256.clone(), also, shared })
    }

    /// What a region should have.
    #[must_use]
    pub fn producer(&self, region: &AccountRegion) -> Producer {
        let Settings { name, account, .. } = &self.settings;
        let Shared { schedule, retries, log_retention_days, .. } = &self.shared;
        let tags = Tags::from([("application".to_owned(), name.clone())]);
        let producer = Names::new(name).producer;
        let arn = |service: &str, what: &str| format!("arn:aws:{service}:{}:{account}:{what}{producer}", region.id);
        let target = Target { arn: arn("lambda", "function:"), role: None, retries: Some(*retries) };
        Producer {
            log: Some(LogGroup { retention_days: Some(*log_retention_days), tags: tags.clone() }),
            function: Some(Function {
                code_sha256: self.code_sha256.clone(),
                architecture: self.settings.architecture.clone(),
                configuration: self.configuration(&region.id),
                tags: tags.clone(),
            }),
            retries: Some(*retries),
            schedule: Some(Rule {
                fires: Fires::By(schedule.clone()),
                enabled: true,
                tags: tags.clone(),
                targets: BTreeMap::from([(TARGET.to_owned(), target)]),
            }),
            permission: Some(Permission {
                principal: "events.amazonaws.com".to_owned(),
                action: "lambda:InvokeFunction".to_owned(),
                source_arn: arn("events", "rule/"),
            }),
            alarm: Some(self.alarm(&region.id, tags.clone())),
            report: (region.id != self.settings.home_region).then(|| self.report(tags)),
        }
    }

    /// An invocation fails when the stream does not take its rounds; a region that does not invoke has no data at all.
    fn alarm(&self, region: &str, tags: Tags) -> Alarm {
        let SharedAlarm { period_seconds, errors } = self.shared.alarm;
        let function = Names::new(&self.settings.name).producer;
        Alarm {
            description: format!("{region} has sent nothing for most of {} minutes", period_seconds / 60),
            namespace: "AWS/Lambda".to_owned(),
            metric: "Errors".to_owned(),
            dimensions: BTreeMap::from([("FunctionName".to_owned(), function)]),
            statistic: "Sum".to_owned(),
            period_s: period_seconds,
            periods: 1,
            threshold: Some(errors),
            comparison: "GreaterThanThreshold".to_owned(),
            missing: "breaching".to_owned(),
            acts: true,
            tells: Default::default(),
            tags,
        }
    }

    /// What hands the alarm's changes to the home region, whose rule tells the one topic.
    fn report(&self, tags: Tags) -> Rule {
        let Settings { name, account, home_region, .. } = &self.settings;
        let pattern = json!({
            "source": ["aws.cloudwatch"],
            "detail-type": ["CloudWatch Alarm State Change"],
            "detail": { "alarmName": [{ "prefix": format!("{}-", Names::new(name).producer) }] },
        });
        let home = Target {
            arn: format!("arn:aws:events:{home_region}:{account}:event-bus/default"),
            role: Some(self.settings.report_role()),
            retries: None,
        };
        let targets = BTreeMap::from([(HOME.to_owned(), home)]);
        Rule { fires: Fires::at(&pattern), enabled: true, tags, targets }
    }

    fn configuration(&self, region: &str) -> Configuration {
        let Settings { name, home_region, interval_seconds, timeout_ms, numbers, .. } = &self.settings;
        let Shared { runtime, handler, memory_mib, slack_seconds, environment, environment_from_settings, .. } =
            &self.shared;
        let mut environment = environment.clone();
        let number = |(variable, field): (&String, &String)| Some((variable.clone(), numbers.get(field)?.to_string()));
        environment.extend(environment_from_settings.iter().filter_map(number));
        environment.extend(
            [
                ("CLOUDPING_STREAM", format!("{name}-events")),
                ("CLOUDPING_STREAM_REGION", home_region.clone()),
                ("CLOUDPING_VANTAGE", region.to_owned()),
                ("CLOUDPING_ROUNDS", (60 / interval_seconds).to_string()),
                ("CLOUDPING_INTERVAL_MS", (interval_seconds * 1_000).to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        if !self.also.is_empty() {
            environment.insert("CLOUDPING_ALSO".to_owned(), self.also.join(","));
        }
        Configuration {
            runtime: runtime.clone(),
            handler: handler.clone(),
            role: self.settings.role(),
            memory_mib: *memory_mib,
            timeout_s: i32::try_from(60 + timeout_ms.div_ceil(1_000) + slack_seconds).unwrap_or(i32::MAX),
            environment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OptStatus;

    #[test]
    fn a_package_is_known_by_its_sha256() {
        let code = Code::new(b"PK\x03\x04".to_vec()).unwrap();
        assert_eq!(code.sha256(), "jcx+YBYGIX87dUdmURGCqRaxfpomqUydiHEE66kum7I=");
        assert_eq!(Code::new(b"#!/bin/sh".to_vec()), Err(CodeError::NoZip));
    }

    #[test]
    fn regions_that_the_catalogue_does_not_know_are_measured_too() {
        let code = Code::new(b"PK".to_vec()).unwrap();
        let region = AccountRegion { id: "eu-west-1".to_owned(), status: OptStatus::EnabledByDefault };
        let environment = |also: &[&str]| {
            let also = also.iter().map(|id| (*id).to_owned()).collect();
            let deployment = Deployment::new(Settings::example(), &code, also).unwrap();
            deployment.producer(&region).function.unwrap().configuration.environment.get("CLOUDPING_ALSO").cloned()
        };
        assert_eq!(environment(&[]), None);
        assert_eq!(environment(&["xx-new-1", "xx-new-2"]).as_deref(), Some("xx-new-1,xx-new-2"));
    }
}
