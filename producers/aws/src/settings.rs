//! The settings of both programs: environment variables, all faults named at once.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use cloudping_environment::{Faults, Variables};
use cloudping_model::VantageId;

/// Rounds of one invocation, at the most: an invocation lasts fifteen minutes at the most.
const MOST_ROUNDS: u64 = 900;
/// Probes to a target in one round, at the most.
const MOST_PROBES: u32 = 20;

/// What a function or an agent was deployed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where rounds go.
    pub destination: Destination,
    /// `CLOUDPING_VANTAGE`: who measures; the region (`AWS_REGION`) unless given.
    pub vantage: VantageId,
    /// `CLOUDPING_ROUNDS`: rounds that an invocation of the function makes; the agent goes on for ever. Default 1.
    pub rounds: u64,
    /// `CLOUDPING_INTERVAL_MS`: from one round to the next, milliseconds. Default 10,000.
    pub interval: Duration,
    /// `CLOUDPING_SPREAD_MS`: in which time the probes of a round leave, milliseconds; nearly the whole interval unless given. A function is
    /// paid for as long.
    pub spread: Option<Duration>,
    /// `CLOUDPING_PROBES`: probes to each target in a round, 10 ms apart. Default 1.
    pub probes: NonZeroU32,
    /// `CLOUDPING_TIMEOUT_MS`: how long a probe waits for its answer, milliseconds. Default 2,000.
    pub timeout: Duration,
    /// `CLOUDPING_ALSO`: AWS regions that are measured beside the catalogue's, separated by commas: the region manager names those that are too new
    /// for it. Default none.
    pub also: Vec<String>,
    /// `CLOUDPING_SPOOL`: where the agent keeps rounds while the stream cannot be reached. Default `/var/lib/cloudping`.
    pub spool: PathBuf,
    /// `CLOUDPING_SPOOL_MIB`: how much it keeps, MiB. Default 256.
    pub spool_bytes: u64,
}

/// Where rounds go: straight into the event log, or through the ingest door of one that cannot be reached otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A Kinesis stream.
    Stream {
        /// `CLOUDPING_STREAM`: its name.
        name: String,
        /// `CLOUDPING_STREAM_REGION`: where it is; the region of the AWS settings unless given.
        region: Option<String>,
    },
    /// An ingest door.
    Door {
        /// `CLOUDPING_INGEST_URL`: its address, such as `https://ingest.example.com`.
        url: String,
        /// `CLOUDPING_INGEST_KEY_FILE`: the vantage point's key, as `cloudping ingest-key new` writes it.
        key: PathBuf,
    },
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream { name, .. } => write!(f, "stream {name}"),
            Self::Door { url, .. } => write!(f, "ingest door {url}"),
        }
    }
}

impl Destination {
    fn read<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<Self, &'static str> {
        let given = |name| variables.given(name);
        let door = (given("CLOUDPING_INGEST_URL"), given("CLOUDPING_INGEST_KEY_FILE"));
        match (given("CLOUDPING_STREAM"), door) {
            (Some(name), (None, None)) => Ok(Self::Stream { name, region: given("CLOUDPING_STREAM_REGION") }),
            (None, (Some(url), Some(key))) => Ok(Self::Door { url, key: key.into() }),
            (None, (None, None)) => Err("CLOUDPING_STREAM is missing, expected the name of a Kinesis stream; \
                 or CLOUDPING_INGEST_URL and CLOUDPING_INGEST_KEY_FILE, for an ingest door"),
            (None, (Some(_), None)) => {
                Err("CLOUDPING_INGEST_KEY_FILE is missing, expected the file of this vantage point's key")
            }
            (None, (None, Some(_))) => Err("CLOUDPING_INGEST_URL is missing, expected the address of an ingest door"),
            (Some(_), _) => Err("CLOUDPING_STREAM is given beside an ingest door, expected one of them"),
        }
    }
}

impl Settings {
    /// Reads the settings with a look-up of variables.
    ///
    /// # Errors
    /// [`Faults`]: each variable that is missing or wrong, with what was expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Faults> {
        let mut variables = Variables::new(variable);
        let destination = Destination::read(&variables);
        let destination = destination.map_err(|fault| variables.fault(fault.to_owned())).ok();
        let own = variables.given("CLOUDPING_VANTAGE").or_else(|| variables.given("AWS_REGION"));
        let vantage = VantageId::new(&own.unwrap_or_default());
        let vantage = vantage.map_err(|error| variables.fault(format!("CLOUDPING_VANTAGE: {error}"))).ok();
        let rounds = variables.number("CLOUDPING_ROUNDS", 1, 1..=MOST_ROUNDS, "a whole number");
        let interval = variables.number("CLOUDPING_INTERVAL_MS", 10_000, 1..=540_000, "milliseconds");
        let timeout = variables.number("CLOUDPING_TIMEOUT_MS", 2_000, 1..=60_000, "milliseconds");
        let spread = variables.number("CLOUDPING_SPREAD_MS", 0, 1..=540_000, "milliseconds");
        let probes = variables.number("CLOUDPING_PROBES", 1, 1..=MOST_PROBES, "a whole number");
        let spool_mib = variables.number("CLOUDPING_SPOOL_MIB", 256, 1..=1 << 20, "MiB");
        let also = variables.given("CLOUDPING_ALSO").unwrap_or_default();
        let also: Vec<String> = also.split(',').filter(|region| !region.is_empty()).map(str::to_owned).collect();
        if let Some(region) = also.iter().find(|region| !is_region(region)) {
            variables
                .fault(format!("CLOUDPING_ALSO: {region:?}, expected regions such as eu-west-1, separated by commas"));
        }
        let spool = variables.given("CLOUDPING_SPOOL").unwrap_or_else(|| "/var/lib/cloudping".to_owned());
        let (Some(destination), Some(vantage)) = (destination, vantage) else { return Err(variables.faults()) };
        variables.settings(Self {
            destination,
            vantage,
            rounds,
            interval: Duration::from_millis(interval),
            spread: (spread > 0).then(|| Duration::from_millis(spread)),
            probes: NonZeroU32::new(probes).unwrap_or(NonZeroU32::MIN),
            timeout: Duration::from_millis(timeout),
            also,
            spool: spool.into(),
            spool_bytes: spool_mib << 20,
        })
    }
}

/// Whether it may stand in a host name.
fn is_region(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use cloudping_environment::list;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        Settings::read(list(variables)).map_err(|Faults(faults)| faults)
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
    fn a_round_can_be_short_and_hold_several_probes_of_a_target() {
        let names = [("CLOUDPING_STREAM", "events"), ("AWS_REGION", "eu-west-1")];
        let of = |given: &[(&str, &str)]| read(&[&names, given].concat()).map(|read| (read.spread, read.probes.get()));
        assert_eq!(of(&[]), Ok((None, 1)));
        let given = [("CLOUDPING_SPREAD_MS", "1000"), ("CLOUDPING_PROBES", "5")];
        assert_eq!(of(&given), Ok((Some(Duration::from_secs(1)), 5)));
        let faults = of(&[("CLOUDPING_SPREAD_MS", "0"), ("CLOUDPING_PROBES", "21")]).unwrap_err();
        assert!(faults.len() == 2 && faults[1].starts_with("CLOUDPING_PROBES is \"21\""), "{faults:?}");
    }

    #[test]
    fn regions_beside_the_catalogue_are_named() {
        let of = |also: &str| {
            read(&[("CLOUDPING_STREAM", "events"), ("AWS_REGION", "eu-west-1"), ("CLOUDPING_ALSO", also)])
                .map(|settings| settings.also)
        };
        assert_eq!(of("xx-new-1,xx-new-2"), Ok(vec!["xx-new-1".to_owned(), "xx-new-2".to_owned()]));
        assert_eq!(of(""), Ok(Vec::new()));
        assert!(of("xx-new-1,x.evil").unwrap_err()[0].starts_with("CLOUDPING_ALSO: \"x.evil\""));
    }

    #[test]
    fn rounds_go_to_a_stream_or_through_a_door() {
        let to = |variables: &[(&str, &str)]| {
            read(&[&[("AWS_REGION", "eu-west-1")], variables].concat()).map(|settings| settings.destination)
        };
        let (stream, region) = (("CLOUDPING_STREAM", "events"), ("CLOUDPING_STREAM_REGION", "us-east-1"));
        let (url, key) = (("CLOUDPING_INGEST_URL", "https://door"), ("CLOUDPING_INGEST_KEY_FILE", "/key"));
        let name = "events".to_owned();
        assert_eq!(to(&[stream]), Ok(Destination::Stream { name: name.clone(), region: None }));
        let elsewhere = Destination::Stream { name, region: Some("us-east-1".to_owned()) };
        assert_eq!(to(&[stream, region]), Ok(elsewhere));
        assert_eq!(to(&[url, key]), Ok(Destination::Door { url: "https://door".to_owned(), key: "/key".into() }));
        for (variables, fault) in [
            (&[][..], "CLOUDPING_STREAM is missing"),
            (&[url], "CLOUDPING_INGEST_KEY_FILE is missing"),
            (&[key], "CLOUDPING_INGEST_URL is missing"),
            (&[stream, key], "CLOUDPING_STREAM is given beside"),
            (&[stream, url, key], "CLOUDPING_STREAM is given beside"),
        ] {
            let faults = to(variables).unwrap_err();
            assert!(faults.len() == 1 && faults[0].starts_with(fault), "{faults:?}");
        }
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
