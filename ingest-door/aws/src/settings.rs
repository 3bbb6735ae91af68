//! The function's settings: environment variables, all faults named at once.

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
    /// One line for each variable that is missing or wrong, with what was expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut name = |of: &str, expected: &str| {
            variable(of).filter(|name| !name.is_empty()).unwrap_or_else(|| {
                faults.push(format!("{of} is missing, expected the name of a {expected}"));
                String::new()
            })
        };
        let (stream, table) = (name("CLOUDPING_STREAM", "Kinesis stream"), name("CLOUDPING_TABLE", "DynamoDB table"));
        let mut limits = Limits::default();
        let mut number = |name: &str, default: u32, most: u32| {
            let text = variable(name).unwrap_or_else(|| default.to_string());
            text.parse().ok().filter(|number| (1..=most).contains(number)).unwrap_or_else(|| {
                faults.push(format!("{name} is {text:?}, expected a whole number from 1 to {most}"));
                default
            })
        };
        limits.rounds_per_second = number("CLOUDPING_INGEST_ROUNDS_PER_SECOND", limits.rounds_per_second, 100_000);
        let requests = u32::try_from(limits.requests_per_minute).unwrap_or(u32::MAX);
        // Each is remembered with 16 bytes in one item, which has 400 KB at most and is written anew for each.
        let requests = number("CLOUDPING_INGEST_REQUESTS_PER_MINUTE", requests, 6_000);
        limits.requests_per_minute = usize::try_from(requests).unwrap_or(usize::MAX);
        let stream_region = variable("CLOUDPING_STREAM_REGION").filter(|region| !region.is_empty());
        if faults.is_empty() { Ok(Self { stream, stream_region, table, limits }) } else { Err(faults) }
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
