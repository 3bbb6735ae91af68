//! The function's settings: environment variables, all faults named at once.

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
        variables.settings(Self { stream, stream_region, bucket, prefix })
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
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults = read(&[("CLOUDPING_STREAM", ""), ("CLOUDPING_PREFIX", "/tables/")]).unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
        for (fault, start) in faults.iter().zip([
            "CLOUDPING_STREAM is missing, expected the name of a Kinesis stream",
            "CLOUDPING_BUCKET is missing, expected the name of an S3 bucket",
            "CLOUDPING_PREFIX is \"/tables/\", expected letters",
        ]) {
            assert!(fault.starts_with(start), "{fault}");
        }
    }
}
