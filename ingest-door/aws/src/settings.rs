//! The function's settings: environment variables, all faults named at once.

use cloudping_environment::{Faults, Variables};
use cloudping_ingest_door::Limits;

/// What the function was deployed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `CLOUDPING_STREAM`: the Kinesis stream of the event log.
    pub stream: String,
    /// `CLOUDPING_STREAM_REGION`: where that stream is; the region of the AWS settings unless given.
    pub stream_region: Option<String>,
    /// `CLOUDPING_TABLE`: the DynamoDB table of the live store, which holds the keys and which requests were taken.
    pub table: String,
    /// How much is taken: the door's own limits, but for
    /// - `CLOUDPING_INGEST_ROUNDS_PER_SECOND`: rounds a second that one vantage point may send through one environment, for long,
    /// - `CLOUDPING_INGEST_REQUESTS_PER_MINUTE`: requests that it may send through all of them.
    pub limits: Limits,
}

impl Settings {
    /// Reads the settings with a look-up of variables.
    ///
    /// # Errors
    /// [`Faults`]: each variable that is missing or wrong, with what was expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Faults> {
        let mut variables = Variables::new(variable);
        let stream = variables.required("CLOUDPING_STREAM", "the name of a Kinesis stream");
        let table = variables.required("CLOUDPING_TABLE", "the name of a DynamoDB table");
        let mut limits = Limits::default();
        let (rounds, requests) = (limits.rounds_per_second, limits.requests_per_minute);
        limits.rounds_per_second =
            variables.number("CLOUDPING_INGEST_ROUNDS_PER_SECOND", rounds, 1..=100_000, "a whole number");
        // Each is remembered with 16 bytes in one item, which has 400 KB at most and is written anew for each.
        limits.requests_per_minute =
            variables.number("CLOUDPING_INGEST_REQUESTS_PER_MINUTE", requests, 1..=6_000, "a whole number");
        let stream_region = variables.given("CLOUDPING_STREAM_REGION");
        variables.settings(Self { stream, stream_region, table, limits })
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
    fn limits_are_the_doors_own_unless_given() {
        let names = [("CLOUDPING_STREAM", "events"), ("CLOUDPING_TABLE", "live")];
        assert_eq!(read(&names).unwrap().limits, Limits::default());
        let given = [
            names[0],
            names[1],
            ("CLOUDPING_INGEST_ROUNDS_PER_SECOND", "7"),
            ("CLOUDPING_INGEST_REQUESTS_PER_MINUTE", "60"),
        ];
        let limits = read(&given).unwrap().limits;
        assert_eq!((limits.rounds_per_second, limits.requests_per_minute), (7, 60));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults = read(&[("CLOUDPING_TABLE", ""), ("CLOUDPING_INGEST_REQUESTS_PER_MINUTE", "6001")]).unwrap_err();
        let starts = ["CLOUDPING_STREAM is", "CLOUDPING_TABLE is", "CLOUDPING_INGEST_REQUESTS_PER_MINUTE is \"6001\""];
        assert_eq!(faults.len(), starts.len(), "{faults:?}");
        assert!(faults.iter().zip(starts).all(|(fault, start)| fault.starts_with(start)), "{faults:?}");
    }
}
