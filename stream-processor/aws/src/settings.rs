//! The function's settings: environment variables, all faults named at once.

use cloudping_environment::{Faults, Variables};
use cloudping_stream_processor::{ALLOWED_LATENESS_US, MAX_ALLOWED_LATENESS_US};

const SECOND_US: i64 = 1_000_000;

/// What the function was deployed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `CLOUDPING_STREAM`: the Kinesis stream of the event log, to which route changes go.
    pub stream: String,
    /// `CLOUDPING_STREAM_REGION`: where that stream is; the region of the AWS settings unless given.
    pub stream_region: Option<String>,
    /// `CLOUDPING_TABLE`: the DynamoDB table of the live store.
    pub table: String,
    /// `CLOUDPING_ALLOWED_LATENESS_S`: how late rounds may be, given in seconds, kept in µs. Default 900 s.
    pub allowed_lateness_us: i64,
}

impl Settings {
    /// Reads the settings with a look-up of variables.
    ///
    /// # Errors
    /// [`Faults`]: each variable that is missing or wrong, with what was expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Faults> {
        let mut variables = Variables::new(variable);
        let most = MAX_ALLOWED_LATENESS_US / SECOND_US;
        let stream = variables.required("CLOUDPING_STREAM", "the name of a Kinesis stream");
        let table = variables.required("CLOUDPING_TABLE", "the name of a DynamoDB table");
        let default = ALLOWED_LATENESS_US / SECOND_US;
        let lateness = variables.number("CLOUDPING_ALLOWED_LATENESS_S", default, 0..=most, "whole seconds");
        let stream_region = variables.given("CLOUDPING_STREAM_REGION");
        variables.settings(Self { stream, stream_region, table, allowed_lateness_us: lateness * SECOND_US })
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
    fn lateness_is_the_processors_own_unless_given() {
        let names = [("CLOUDPING_STREAM", "events"), ("CLOUDPING_TABLE", "live")];
        let settings = read(&names).unwrap();
        assert_eq!((settings.stream.as_str(), settings.table.as_str()), ("events", "live"));
        assert_eq!(settings.allowed_lateness_us, ALLOWED_LATENESS_US);
        let given = [names[0], names[1], ("CLOUDPING_ALLOWED_LATENESS_S", "60")];
        assert_eq!(read(&given).unwrap().allowed_lateness_us, 60_000_000);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults = read(&[("CLOUDPING_TABLE", ""), ("CLOUDPING_ALLOWED_LATENESS_S", "1501")]).unwrap_err();
        let starts = ["CLOUDPING_STREAM is", "CLOUDPING_TABLE is", "CLOUDPING_ALLOWED_LATENESS_S is \"1501\""];
        assert_eq!(faults.len(), starts.len(), "{faults:?}");
        assert!(faults.iter().zip(starts).all(|(fault, start)| fault.starts_with(start)), "{faults:?}");
    }
}
