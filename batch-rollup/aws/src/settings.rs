//! The function's settings: environment variables, all faults named at once.

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
    /// One line for each variable that is missing or wrong, with what was expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut name = |of: &str, expected: &str| {
            variable(of).filter(|name| !name.is_empty()).unwrap_or_else(|| {
                faults.push(format!("{of} is missing, expected the name of {expected}"));
                String::new()
            })
        };
        let stream = name("CLOUDPING_STREAM", "a Kinesis stream");
        let bucket = name("CLOUDPING_BUCKET", "an S3 bucket");
        let prefix = variable("CLOUDPING_PREFIX").unwrap_or_else(|| "tables".to_owned());
        if !is_plain(&prefix) {
            let expected = "expected letters, digits, -, _, . and / with something on both sides";
            faults.push(format!("CLOUDPING_PREFIX is {prefix:?}, {expected}"));
        }
        let stream_region = variable("CLOUDPING_STREAM_REGION").filter(|region| !region.is_empty());
        if faults.is_empty() { Ok(Self { stream, stream_region, bucket, prefix }) } else { Err(faults) }
    }

    /// Where the tables are, such as `s3://bucket/tables`.
    #[must_use]
    pub fn tables_url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }
}

/// Whether a prefix means the same in a key and in an address.
fn is_plain(prefix: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    prefix.split('/').all(|part| plain(part) && part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::read(find)
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
        let odd = ["", "a//b", "..", "a/../b", "a b", "a%20b", "a?b"];
        assert_eq!(odd.map(is_plain), [false; 7]);
        assert!(is_plain("a/b_c-d.e"));
    }
}
