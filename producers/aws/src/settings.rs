//! The settings of both programs: environment variables, all faults named at once.

use std::path::PathBuf;
use std::time::Duration;

use cloudping_model::VantageId;

/// Rounds of one invocation, at the most: an invocation lasts fifteen minutes at the most.
const MOST_ROUNDS: u64 = 900;

/// What a function or an agent was deployed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `CLOUDPING_STREAM`: the Kinesis stream of the event log.
    pub stream: String,
    /// `CLOUDPING_STREAM_REGION`: where that stream is; the region of the AWS settings unless given.
    pub stream_region: Option<String>,
    /// `CLOUDPING_VANTAGE`: who measures; the region (`AWS_REGION`) unless given.
    pub vantage: VantageId,
    /// `CLOUDPING_ROUNDS`: rounds that an invocation of the function makes; the agent goes on for ever. Default 1.
    pub rounds: u64,
    /// `CLOUDPING_INTERVAL_MS`: from one round to the next, milliseconds. Default 10,000.
    pub interval: Duration,
    /// `CLOUDPING_TIMEOUT_MS`: how long a probe waits for its answer, milliseconds. Default 2,000.
    pub timeout: Duration,
    /// `CLOUDPING_SPOOL`: where the agent keeps rounds while the stream cannot be reached. Default `/var/lib/cloudping`.
    pub spool: PathBuf,
    /// `CLOUDPING_SPOOL_MIB`: how much it keeps, MiB. Default 256.
    pub spool_bytes: u64,
}

impl Settings {
    /// Reads the settings with a look-up of variables.
    ///
    /// # Errors
    /// One line for each variable that is missing or wrong, with what was expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let stream = variable("CLOUDPING_STREAM").filter(|name| !name.is_empty()).unwrap_or_else(|| {
            faults.push("CLOUDPING_STREAM is missing, expected the name of a Kinesis stream".to_owned());
            String::new()
        });
        let own = variable("CLOUDPING_VANTAGE").or_else(|| variable("AWS_REGION")).unwrap_or_default();
        let vantage = VantageId::new(&own).map_err(|error| faults.push(format!("CLOUDPING_VANTAGE: {error}"))).ok();
        let mut number = |name: &str, default: u64, most: u64| {
            let text = variable(name).unwrap_or_else(|| default.to_string());
            match text.parse() {
                Ok(value) if (1..=most).contains(&value) => value,
                _ => {
                    faults.push(format!("{name} is {text:?}, expected a whole number from 1 to {most}"));
                    default
                }
            }
        };
        let rounds = number("CLOUDPING_ROUNDS", 1, MOST_ROUNDS);
        let interval = Duration::from_millis(number("CLOUDPING_INTERVAL_MS", 10_000, 540_000));
        let timeout = Duration::from_millis(number("CLOUDPING_TIMEOUT_MS", 2_000, 60_000));
        let spool_bytes = number("CLOUDPING_SPOOL_MIB", 256, 1 << 20) << 20;
        match vantage.filter(|_| faults.is_empty()) {
            Some(vantage) => Ok(Self {
                stream,
                stream_region: variable("CLOUDPING_STREAM_REGION"),
                vantage,
                rounds,
                interval,
                timeout,
                spool: variable("CLOUDPING_SPOOL").unwrap_or_else(|| "/var/lib/cloudping".to_owned()).into(),
                spool_bytes,
            }),
            None => Err(faults),
        }
    }
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
    fn the_region_is_the_vantage_point_unless_one_is_named() {
        let settings = read(&[("CLOUDPING_STREAM", "events"), ("AWS_REGION", "eu-west-1")]).unwrap();
        assert_eq!((settings.vantage.as_str(), settings.rounds), ("eu-west-1", 1));
        assert_eq!((settings.interval, settings.timeout), (Duration::from_secs(10), Duration::from_secs(2)));
        let named = [("CLOUDPING_STREAM", "events"), ("AWS_REGION", "eu-west-1"), ("CLOUDPING_VANTAGE", "euw1-az2")];
        assert_eq!(read(&named).unwrap().vantage.as_str(), "euw1-az2");
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults = read(&[("CLOUDPING_ROUNDS", "0"), ("CLOUDPING_TIMEOUT_MS", "soon")]).unwrap_err();
        assert_eq!(faults.len(), 4, "{faults:?}");
        for (fault, start) in faults.iter().zip([
            "CLOUDPING_STREAM",
            "CLOUDPING_VANTAGE",
            "CLOUDPING_ROUNDS is \"0\"",
            "CLOUDPING_TIMEOUT_MS is \"soon\"",
        ]) {
            assert!(fault.starts_with(start), "{fault}");
        }
    }
}
