//! The function's settings: environment variables, all faults named at once.

use cloudping_environment::{Faults, Variables};
use cloudping_region_manager::Settings as Deployed;

/// An object of S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
}

/// What the function was deployed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `CLOUDPING_SETTINGS`: the deployment's `settings.json`, or the part of it that the region manager needs.
    pub deployed: Deployed,
    /// `CLOUDPING_PRODUCER`: the producer's package, as `s3://BUCKET/KEY`, in the region of the AWS settings.
    pub producer: Object,
    /// `CLOUDPING_REPORT`: where what was found of each region is kept, as `s3://BUCKET/KEY`.
    pub report: Object,
}

impl Settings {
    /// Reads the settings with a look-up of variables.
    ///
    /// # Errors
    /// [`Faults`]: each variable that is missing or wrong, with what was expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Faults> {
        let mut variables = Variables::new(variable);
        let text = variables.required("CLOUDPING_SETTINGS", "the JSON of a settings.json");
        let deployed = match Deployed::parse(&text) {
            Ok(deployed) => Some(deployed),
            Err(_missing) if text.is_empty() => None,
            Err(error) => {
                variables.fault(format!("CLOUDPING_SETTINGS: {error}"));
                None
            }
        };
        let mut object = |name: &str| {
            let text = variables.required(name, "s3://BUCKET/KEY");
            let found = parse(&text);
            if found.is_none() && !text.is_empty() {
                variables.fault(format!("{name} is {text:?}, expected s3://BUCKET/KEY"));
            }
            found
        };
        match (deployed, object("CLOUDPING_PRODUCER"), object("CLOUDPING_REPORT")) {
            (Some(deployed), Some(producer), Some(report)) => variables.settings(Self { deployed, producer, report }),
            _ => Err(variables.faults()),
        }
    }
}

fn parse(text: &str) -> Option<Object> {
    let (bucket, key) = text.strip_prefix("s3://")?.split_once('/')?;
    let whole = !bucket.is_empty() && !key.is_empty() && !key.ends_with('/');
    whole.then(|| Object { bucket: bucket.to_owned(), key: key.to_owned() })
}

#[cfg(test)]
mod tests {
    use cloudping_environment::list;

    use super::*;

    const DEPLOYED: &str = r#"{"name": "cloudping", "account": "000000000000", "homeRegion": "us-east-1", "architecture": "x86_64",
        "producers": {"intervalSeconds": 60, "timeoutMs": 2000}}"#;

    #[test]
    fn objects_are_named_by_their_addresses() {
        let given = [
            ("CLOUDPING_SETTINGS", DEPLOYED),
            ("CLOUDPING_PRODUCER", "s3://a/b/c.zip"),
            ("CLOUDPING_REPORT", "s3://d/e"),
        ];
        let settings = Settings::read(list(&given)).unwrap();
        assert_eq!((settings.producer.bucket.as_str(), settings.producer.key.as_str()), ("a", "b/c.zip"));
        assert_eq!(settings.deployed.name, "cloudping");
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faulty = DEPLOYED.replace("x86_64", "mips");
        let given = [("CLOUDPING_SETTINGS", faulty.as_str()), ("CLOUDPING_PRODUCER", "b/c.zip")];
        let Faults(faults) = Settings::read(list(&given)).unwrap_err();
        assert_eq!(
            faults,
            [
                "CLOUDPING_SETTINGS: architecture is \"mips\", expected x86_64 or arm64",
                "CLOUDPING_PRODUCER is \"b/c.zip\", expected s3://BUCKET/KEY",
                "CLOUDPING_REPORT is missing, expected s3://BUCKET/KEY",
            ]
        );
    }
}
