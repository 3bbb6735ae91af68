//! The clients of one region.

use aws_config::{Region, SdkConfig};
use cloudping_region_manager::{Names, RuleKind, Settings};

/// A region's services, and what our parts are called there. The names of the fields are those of IAM: a test of the deployment reads the calls
/// of these out of this crate's source.
pub struct Clients {
    pub lambda: aws_sdk_lambda::Client,
    pub events: aws_sdk_eventbridge::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub names: Names,
    pub producer: String,
    pub log_group: String,
    region: String,
    account: String,
}

impl Clients {
    pub fn new(config: &SdkConfig, settings: &Settings, region: &str) -> Self {
        let names = Names::new(&settings.name);
        let config = config.to_builder().region(Region::new(region.to_owned())).build();
        Self {
            lambda: aws_sdk_lambda::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            log_group: names.log_group(),
            producer: names.producer.clone(),
            names,
            region: region.to_owned(),
            account: settings.account.clone(),
        }
    }

    pub fn function_arn(&self) -> String {
        self.arn("lambda", "function:", &self.producer)
    }

    pub fn rule_arn(&self, kind: RuleKind) -> String {
        self.arn("events", "rule/", self.names.rule(kind))
    }

    pub fn alarm_arn(&self) -> String {
        self.arn("cloudwatch", "alarm:", &self.names.alarm)
    }

    pub fn log_arn(&self) -> String {
        self.arn("logs", "log-group:", &self.log_group)
    }

    fn arn(&self, service: &str, kind: &str, name: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{kind}{name}", self.region, self.account)
    }
}
