//! The function's settings: environment variables, all faults named at once.

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
        let most = MAX_ALLOWED_LATENESS_US / SECOND_US;
        let allowed_lateness_us = match variable("CLOUDPING_ALLOWED_LATENESS_S") {
            None => ALLOWED_LATENESS_US,
            Some(text) => match text.parse() {
                Ok(seconds) if (0..=most).contains(&seconds) => seconds * SECOND_US,
                _ => {
                    let expected = format!("expected whole seconds from 0 to {most}");
                    faults.push(format!("CLOUDPING_ALLOWED_LATENESS_S is {text:?}, {expected}"));
                    ALLOWED_LATENESS_US
                }
            },
        };
        let stream_region = variable("CLOUDPING_STREAM_REGION").filter(|region| !region.is_empty());
        if faults.is_empty() { Ok(Self { stream, stream_region, table, allowed_lateness_us }) } else { Err(faults) }
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
