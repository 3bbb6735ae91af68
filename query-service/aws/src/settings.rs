//! The program's settings: environment variables, all faults named at once.

use std::net::SocketAddr;
use std::time::Duration;

use cloudping_model::VantageId;

/// What the program was deployed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `CLOUDPING_TABLE`: the DynamoDB table of the live store.
    pub table: String,
    /// `CLOUDPING_BUCKET`: the S3 bucket of the archive, in the region of the AWS settings.
    pub bucket: String,
    /// `CLOUDPING_PREFIX`: what the keys of the tables begin with, without slashes at its ends. Default `tables`.
    pub prefix: String,
    /// `CLOUDPING_LISTEN`: where it listens, address and port. Default `0.0.0.0:8080`; port 0 is any that is free.
    pub listen: SocketAddr,
    /// `CLOUDPING_VANTAGES`: who is meant to measure, separated by commas. Default none; whoever has measured is shown all the same.
    pub vantages: Vec<VantageId>,
    /// `CLOUDPING_INTERVAL_MS`: from one round to the next, milliseconds, as the producers have it. Default 10,000.
    pub interval: Duration,
    /// `CLOUDPING_REFRESH_MS`: from one reading of the live store to the next, milliseconds. Default 1,000; each reading is paid for.
    pub refresh: Duration,
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
        let (table, bucket) = (name("CLOUDPING_TABLE", "a DynamoDB table"), name("CLOUDPING_BUCKET", "an S3 bucket"));
        let prefix = variable("CLOUDPING_PREFIX").unwrap_or_else(|| "tables".to_owned());
        if !is_plain(&prefix) {
            let expected = "expected letters, digits, -, _, . and / with something on both sides";
            faults.push(format!("CLOUDPING_PREFIX is {prefix:?}, {expected}"));
        }
        let listen = variable("CLOUDPING_LISTEN").unwrap_or_else(|| "0.0.0.0:8080".to_owned());
        let listen = listen.parse().map_err(|_| {
            faults.push(format!("CLOUDPING_LISTEN is {listen:?}, expected an address and a port such as 0.0.0.0:8080"));
        });
        let mut vantages = Vec::new();
        for id in variable("CLOUDPING_VANTAGES").unwrap_or_default().split(',').filter(|id| !id.is_empty()) {
            match VantageId::new(id) {
                Ok(id) => vantages.push(id),
                Err(error) => faults.push(format!("CLOUDPING_VANTAGES: {error}")),
            }
        }
        let mut millis = |of: &str, default: u64, most: u64| {
            let text = variable(of).unwrap_or_else(|| default.to_string());
            let valid = text.parse().ok().filter(|value| (100..=most).contains(value));
            Duration::from_millis(valid.unwrap_or_else(|| {
                faults.push(format!("{of} is {text:?}, expected milliseconds from 100 to {most}"));
                default
            }))
        };
        let interval = millis("CLOUDPING_INTERVAL_MS", 10_000, 540_000);
        let refresh = millis("CLOUDPING_REFRESH_MS", 1_000, 5_000);
        match listen {
            Ok(listen) if faults.is_empty() => Ok(Self { table, bucket, prefix, listen, vantages, interval, refresh }),
            _ => Err(faults),
        }
    }
}

/// Whether a prefix means the same in a key and in an address.
fn is_plain(prefix: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    prefix.split('/').all(|part| !["", ".", ".."].contains(&part) && part.bytes().all(plain))
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
    fn a_table_and_a_bucket_are_enough() {
        let settings = read(&[("CLOUDPING_TABLE", "live"), ("CLOUDPING_BUCKET", "archive")]).unwrap();
        assert_eq!((settings.prefix.as_str(), settings.listen), ("tables", "0.0.0.0:8080".parse().unwrap()));
        assert_eq!((settings.interval, settings.refresh), (Duration::from_secs(10), Duration::from_secs(1)));
        assert!(settings.vantages.is_empty());
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults = read(&[
            ("CLOUDPING_PREFIX", "a/../b"),
            ("CLOUDPING_LISTEN", "8080"),
            ("CLOUDPING_VANTAGES", "eu-west-1,a b"),
            ("CLOUDPING_REFRESH_MS", "60000"),
        ])
        .unwrap_err();
        assert_eq!(faults.len(), 6, "{faults:?}");
        for (fault, start) in faults.iter().zip([
            "CLOUDPING_TABLE is missing",
            "CLOUDPING_BUCKET is missing",
            "CLOUDPING_PREFIX is \"a/../b\"",
            "CLOUDPING_LISTEN is \"8080\"",
            "CLOUDPING_VANTAGES: ",
            "CLOUDPING_REFRESH_MS is \"60000\"",
        ]) {
            assert!(fault.starts_with(start), "{fault}");
        }
        let odd = ["", "/a", "a/", "a//b", "..", "a b", "a%20b", "a?b"];
        assert_eq!(odd.map(is_plain), [false; 8]);
        assert!(is_plain("a/b_c-d.e"));
    }
}
