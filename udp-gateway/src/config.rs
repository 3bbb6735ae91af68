//! The gateway's configuration: TOML. Reading it is pure; every fault is told at once, with its field and what was expected.

mod file;

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::gateway::Formatter;
use ipnet::IpNet;

use crate::batch::BatchLimits;
use crate::breaker::BreakerPolicy;
use crate::destination::Handling;
use crate::route::EVERYWHERE;
use crate::senders::SenderRate;
use crate::targets::TargetAddress;

/// Where the control API listens unless told otherwise.
pub const DEFAULT_CONTROL: &str = "127.0.0.1:8090";

/// What a gateway is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The region in which it receives.
    pub region: String,
    /// Where the control API listens, if it does.
    pub control: Option<SocketAddr>,
    /// A file with the token that the control API asks for. Without one it listens on a loopback address only.
    pub token_file: Option<PathBuf>,
    /// A file in which targets that were set by the control API outlive the process.
    pub state_file: Option<PathBuf>,
    /// Whose latency matrix to route by.
    pub matrix: Option<MatrixSource>,
    /// How senders are held to account.
    pub senders: SenderLimits,
    /// The sockets.
    pub listeners: Vec<ListenerConfig>,
    /// Where batches go.
    pub destinations: Vec<DestinationConfig>,
}

/// A query service.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixSource {
    /// Its address, such as `http://127.0.0.1:8080`.
    pub url: String,
    /// How often it is asked.
    pub every: Duration,
    /// The key that it wants, if it wants one. Never read from the file.
    pub key: Option<String>,
}

/// What senders may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderLimits {
    /// How many are known at a time.
    pub table: usize,
    /// How much each may send; without a rate, as much as it can.
    pub rate: Option<SenderRate>,
}

/// A UDP socket.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenerConfig {
    /// The address and port; port 0 is any that is free.
    pub address: SocketAddr,
    /// The domain name that destinations are told.
    pub domain: String,
    /// Whose datagrams are taken; empty for everybody's.
    pub allowed: Vec<IpNet>,
    /// Who gets them: places in the list of destinations.
    pub destinations: Vec<usize>,
    /// The kernel's buffer, in bytes.
    pub receive_buffer: usize,
}

/// A destination.
#[derive(Debug, Clone, PartialEq)]
pub struct DestinationConfig {
    /// Its name.
    pub name: String,
    /// When a batch goes out.
    pub batching: BatchLimits,
    /// How batches are treated.
    pub handling: Handling,
    /// Batches that are with a target elsewhere at a time.
    pub in_flight: usize,
    /// What may wait for delivery, in bytes.
    pub waiting: u64,
    /// Whether its metrics stand in `/metrics`.
    pub metrics: bool,
    /// By region, or `*` for all that have none of their own.
    pub targets: BTreeMap<String, TargetAddress>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found}, expected {expected}")]
pub struct Fault {
    /// Which field, such as `destination "counter": batching.count`.
    pub field: String,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub expected: String,
}

/// Why a text is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not the TOML that is expected; the message names line and field.
    #[error("{0}")]
    Toml(String),
    /// Fields hold what they must not.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<Fault>),
}

impl Config {
    /// Reads a configuration; regions are those of the catalogue.
    ///
    /// # Errors
    /// [`ConfigError`], with every fault there is.
    pub fn parse(text: &str, catalogue: &Catalogue) -> Result<Self, ConfigError> {
        let file: file::File = toml::from_str(text).map_err(|error| ConfigError::Toml(error.to_string()))?;
        let mut check = Check { catalogue, faults: Vec::new() };
        let config = check.config(file);
        if check.faults.is_empty() { Ok(config) } else { Err(ConfigError::Faults(check.faults)) }
    }
}

/// Says whether a target may be set for a region: the region must be one of the catalogue's or `*`, and so must that of an ARN.
///
/// # Errors
/// [`Fault`], whose field is `region` or `target`.
pub fn check_target(region: &str, target: &str, catalogue: &Catalogue) -> Result<TargetAddress, Fault> {
    if region != EVERYWHERE && catalogue.get(region).is_none() {
        let expected = "* or a region of the catalogue (`cloudping targets` lists them)".to_owned();
        return Err(Fault { field: "region".to_owned(), found: format!("{region:?}"), expected });
    }
    let fault = |found: String, expected: String| Fault { field: "target".to_owned(), found, expected };
    let address = TargetAddress::parse(target).map_err(|error| {
        let text = error.to_string();
        let (found, expected) = text.split_once(", expected ").unwrap_or((&text, "a target"));
        fault(found.to_owned(), expected.to_owned())
    })?;
    match address.region() {
        Some(region) if catalogue.get(region).is_none() => {
            Err(fault(format!("{target:?} in the unknown region {region:?}"), "a region of the catalogue".to_owned()))
        }
        _ => Ok(address),
    }
}

/// Collects what is wrong.
struct Check<'a> {
    catalogue: &'a Catalogue,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, field: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) {
        self.faults.push(Fault { field: field.into(), found: found.into(), expected: expected.into() });
    }

    fn config(&mut self, file: file::File) -> Config {
        if self.catalogue.get(&file.region).is_none() {
            let expected = "a region of the catalogue (`cloudping targets` lists them)";
            self.fault("region", format!("{:?}", file.region), expected);
        }
        let control = match file.control.as_deref() {
            Some("off") => None,
            text => self.address("control", text.unwrap_or(DEFAULT_CONTROL)),
        };
        if file.token_file.is_none() && control.is_some_and(|address| !address.ip().is_loopback()) {
            let found = file.control.clone().unwrap_or_default();
            self.fault("control", format!("{found:?} without a token_file"), "a loopback address, or a token_file");
        }
        let names: Vec<String> = file.destination.iter().map(|row| row.name.clone()).collect();
        if file.listener.is_empty() {
            self.fault("listener", "missing", "at least one [[listener]]");
        }
        let listeners = file.listener.iter().enumerate().map(|(at, row)| self.listener(at, row, &names)).collect();
        let mut seen = HashSet::new();
        let destinations = file.destination.iter().map(|row| self.destination(row, &mut seen)).collect();
        Config {
            region: file.region,
            control,
            token_file: file.token_file,
            state_file: file.state_file,
            matrix: file.matrix.and_then(|row| self.matrix(row)),
            senders: self.senders(&file.senders),
            listeners,
            destinations,
        }
    }

    fn address(&mut self, field: &str, text: &str) -> Option<SocketAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            self.fault(field, format!("{text:?}"), "off, or ADDRESS:PORT such as 127.0.0.1:8090");
        }
        address
    }

    fn matrix(&mut self, row: file::Matrix) -> Option<MatrixSource> {
        let every = self.seconds("matrix.refresh_seconds", row.refresh_seconds, 0.1, 3_600.0);
        if !url::Url::parse(&row.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            self.fault("matrix.url", format!("{:?}", row.url), "http://HOST:PORT or https://HOST");
        }
        Some(MatrixSource { url: row.url.trim_end_matches('/').to_owned(), every, key: None })
    }

    fn senders(&mut self, row: &file::Senders) -> SenderLimits {
        let table = self.number("senders.table", row.table as u64, 4, 1 << 24);
        let most = u64::from(u32::MAX);
        let rate = row.packets_per_second.map(|per_second| {
            let per_second = self.number("senders.packets_per_second", per_second, 1, most);
            let burst = self.number("senders.burst", row.burst.unwrap_or(per_second), 1, most);
            let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
            SenderRate { per_second: small(per_second), burst: small(burst) }
        });
        if rate.is_none() && row.burst.is_some() {
            self.fault("senders.burst", "given without packets_per_second", "both or none");
        }
        SenderLimits { table: usize::try_from(table).unwrap_or(usize::MAX), rate }
    }

    fn listener(&mut self, at: usize, row: &file::Listener, names: &[String]) -> ListenerConfig {
        let of = |field: &str| format!("listener {}: {field}", at + 1);
        let ip = row.bind.parse::<IpAddr>().unwrap_or_else(|_| {
            self.fault(of("bind"), format!("{:?}", row.bind), "an IP address; :: takes IPv4 and IPv6");
            IpAddr::from([0; 4])
        });
        for protocol in row.protocols.iter().filter(|protocol| *protocol != "udp") {
            self.fault(of("protocols"), format!("{protocol:?}"), "\"udp\"");
        }
        if row.protocols.is_empty() {
            self.fault(of("protocols"), "empty", "[\"udp\"]");
        }
        if row.domain.is_empty() || row.domain.len() > 253 {
            self.fault(of("domain"), format!("{:?}", row.domain), "1 to 253 characters");
        }
        if row.destinations.is_empty() {
            self.fault(of("destinations"), "empty", "names of destinations");
        }
        let allowed = row.allowed.iter().filter_map(|text| self.network(&of("allowed"), text)).collect();
        let mut destinations = Vec::new();
        for name in &row.destinations {
            match names.iter().position(|known| known == name) {
                Some(at) if destinations.contains(&at) => {
                    self.fault(of("destinations"), format!("{name:?} twice"), "each destination once");
                }
                Some(at) => destinations.push(at),
                None => self.fault(of("destinations"), format!("{name:?}"), format!("one of {names:?}")),
            }
        }
        let buffer = self.bytes(&of("receive_buffer_mb"), row.receive_buffer_mb, 0.01, 1_024.0);
        let address = SocketAddr::new(ip, row.port);
        ListenerConfig { address, domain: row.domain.clone(), allowed, destinations, receive_buffer: buffer }
    }

    fn network(&mut self, field: &str, text: &str) -> Option<IpNet> {
        let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        if network.is_none() {
            self.fault(field, format!("{text:?}"), "networks such as 203.0.113.0/24 or 2001:db8::/32");
        }
        network
    }

    fn destination(&mut self, row: &file::Destination, seen: &mut HashSet<String>) -> DestinationConfig {
        let of = |field: &str| format!("destination {:?}: {field}", row.name);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if row.name.is_empty() || row.name.len() > 64 || !row.name.bytes().all(fits) {
            self.fault(of("name"), format!("{:?}", row.name), "1 to 64 letters, digits and . _ -");
        }
        if !seen.insert(row.name.clone()) {
            self.fault(of("name"), "given twice", "another name for each destination");
        }
        let formatter = row.formatter.parse::<Formatter>().unwrap_or_else(|_| {
            self.fault(of("formatter"), format!("{:?}", row.formatter), "base64, hex, ascii or utf8");
            Formatter::default()
        });
        let breaker = &row.breaker;
        let pause = self.seconds(&of("breaker.pause_seconds"), breaker.pause_seconds, 0.01, 3_600.0);
        let longest = self.seconds(&of("breaker.longest_pause_seconds"), breaker.longest_pause_seconds, 0.01, 86_400.0);
        let failures = self.number(&of("breaker.failures"), breaker.failures, 1, 1_000);
        let handling = Handling {
            formatter,
            timeout: self.seconds(&of("timeout_seconds"), row.timeout_seconds, 0.01, 900.0),
            retry_unknown: row.retry_unknown,
            breaker: BreakerPolicy {
                failures: u32::try_from(failures).unwrap_or(u32::MAX),
                pause,
                longest_pause: longest.max(pause),
            },
        };
        let in_flight = self.number(&of("in_flight"), row.in_flight, 1, 10_000);
        DestinationConfig {
            name: row.name.clone(),
            batching: self.batching(&of, &row.batching),
            handling,
            in_flight: usize::try_from(in_flight).unwrap_or(1),
            waiting: self.bytes(&of("waiting_mb"), row.waiting_mb, 0.1, 1_048_576.0) as u64,
            metrics: row.metrics,
            targets: self.targets(&of, row),
        }
    }

    fn batching(&mut self, of: &dyn Fn(&str) -> String, row: &file::Batching) -> BatchLimits {
        let count = self.number(&of("batching.count"), row.count, 1, 10_000);
        BatchLimits {
            count: usize::try_from(count).unwrap_or(1),
            bytes: self.bytes(&of("batching.size_mb"), row.size_mb, 0.001, 6.0),
            wait: self.seconds(&of("batching.timeout_seconds"), row.timeout_seconds, 0.001, 30.0),
        }
    }

    fn targets(&mut self, of: &dyn Fn(&str) -> String, row: &file::Destination) -> BTreeMap<String, TargetAddress> {
        let everywhere = row.target.iter().map(|target| (EVERYWHERE, target));
        if row.target.is_some() && !row.targets.is_empty() {
            self.fault(of("target"), "given with targets", "one of the two");
        }
        let mut targets = BTreeMap::new();
        for (region, target) in everywhere.chain(row.targets.iter().map(|(region, target)| (&**region, target))) {
            match check_target(region, target, self.catalogue) {
                Ok(address) => {
                    targets.insert(region.to_owned(), address);
                }
                Err(fault) => self.fault(of(&format!("targets: {}", fault.field)), fault.found, fault.expected),
            }
        }
        targets
    }

    fn number(&mut self, field: &str, found: u64, least: u64, most: u64) -> u64 {
        if !(least..=most).contains(&found) {
            self.fault(field, found.to_string(), format!("{least} to {most}"));
        }
        found
    }

    fn within(&mut self, field: &str, found: f64, least: f64, most: f64) -> f64 {
        if (least..=most).contains(&found) {
            return found;
        }
        self.fault(field, found.to_string(), format!("{least} to {most}"));
        least
    }

    fn seconds(&mut self, field: &str, found: f64, least: f64, most: f64) -> Duration {
        Duration::from_secs_f64(self.within(field, found, least, most))
    }

    /// Megabytes (10^6) as bytes.
    fn bytes(&mut self, field: &str, found: f64, least: f64, most: f64) -> usize {
        (self.within(field, found, least, most) * 1e6) as usize
    }
}

#[cfg(test)]
mod tests;
