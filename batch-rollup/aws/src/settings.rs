//! The function's settings: environment variables, all faults named at once.

use std::time::Duration;

use cloudping_environment::{Faults, Variables};

/// What the function was deployed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `CLOUDPING_STREAM`: the Kinesis stream of the event log.
    pub stream: String,
    /// `CLOUDPING_STREAM_REGION`: where that stream is; the region of the AWS settings unless given.
    pub stream_region: Option<String>,
    /// `CLOUDPING_BUCKET`: the S3 bucket of the archive, in the region of the AWS settings.
    pub bucket: String,
    /// `CLOUDPING_PREFIX`: what the keys of the tables begin with, without slashes at its ends. Default `tables`.
    pub prefix: String,
    /// `CLOUDPING_UPKEEP`: `yes`, or `no` where something else compacts and vacuums the tables. Default `yes`.
    pub upkeep: bool,
    /// `CLOUDPING_KEEP_HOURS`: how long a vacuum keeps what was replaced, for readers that began before; whole hours, 1 to 168. Default 168.
    pub keep: Duration,
}

impl Settings {
    /// Reads the settings with a look-up of variables.
    ///
    /// # Errors
    /// [`Faults`]: each variable that is missing or wrong, with what was expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Faults> {
        let mut variables = Variables::new(variable);
        let stream = variables.required("CLOUDPING_STREAM", "the name of a Kinesis stream");
        let bucket = variables.required("CLOUDPING_BUCKET", "the name of an S3 bucket");
        let prefix = variables.prefix("CLOUDPING_PREFIX", "tables");
        let stream_region = variables.given("CLOUDPING_STREAM_REGION");
        let upkeep = variables.given("CLOUDPING_UPKEEP").unwrap_or_else(|| "yes".to_owned());
        if !["yes", "no"].contains(&upkeep.as_str()) {
            variables.fault(format!("CLOUDPING_UPKEEP is {upkeep:?}, expected yes or no"));
        }
        let keep = variables.number("CLOUDPING_KEEP_HOURS", 168, 1..=168, "whole hours");
        let (upkeep, keep) = (upkeep == "yes", Duration::from_secs(keep * 3_600));
        variables.settings(Self { stream, stream_region, bucket, prefix, upkeep, keep })
    }

    /// Where the tables are, such as `s3://bucket/tables`.
    #[must_use]
    pub fn tables_url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use cloudping_environment::list;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        Settings::read(list(variables)).map_err(|Faults(faults)| faults)
    }

    #[test]
    fn a_stream_and_a_bucket_are_enough() {
        let settings = read(&[("CLOUDPING_STREAM", "events"), ("CLOUDPING_BUCKET", "archive")]).unwrap();
        assert_eq!(settings.tables_url(), "s3://archive/tables");
        assert_eq!((settings.stream.as_str(), settings.stream_region), ("events", None));
        assert_eq!((settings.upkeep, settings.keep), (true, Duration::from_secs(7 * 86_400)));
        let given = [("CLOUDPING_UPKEEP", "no"), ("CLOUDPING_KEEP_HOURS", "2")];
        let settings = read(&[&[("CLOUDPING_STREAM", "events"), ("CLOUDPING_BUCKET", "archive")], &given[..]].concat());
        let settings = settings.unwrap();
        assert_eq!((settings.upkeep, settings.keep), (false, Duration::from_secs(7_200)));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults = read(&[
            ("CLOUDPING_STREAM", ""),
            ("CLOUDPING_PREFIX", "/tables/"),
            ("CLOUDPING_UPKEEP", "1"),
            ("CLOUDPING_KEEP_HOURS", "0"),
        ])
        .unwrap_err();
        assert_eq!(faults.len(), 5, "{faults:?}");
        for (fault, start) in faults.iter().zip([
            "CLOUDPING_STREAM is missing, expected the name of a Kinesis stream",
            "CLOUDPING_BUCKET is missing, expected the name of an S3 bucket",
            "CLOUDPING_PREFIX is \"/tables/\", expected letters",
            "CLOUDPING_UPKEEP is \"1\", expected yes or no",
            "CLOUDPING_KEEP_HOURS is \"0\", expected whole hours from 1 to 168",
        ]) {
            assert!(fault.starts_with(start), "{fault}");
        }
    }
}
