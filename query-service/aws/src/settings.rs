//! The program's settings: environment variables, all faults named at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cloudping_environment::{Faults, Variables};
use cloudping_model::VantageId;
use cloudping_ports::Secret;
use cloudping_query_service::access::AccessSettings;
use cloudping_query_service::gateways::{ControlAddress, controls};

use crate::access;

/// What the program was deployed with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `CLOUDPING_TABLE`: the DynamoDB table of the live store.
    pub table: String,
    /// `CLOUDPING_BUCKET`: the S3 bucket of the archive, in the region of the AWS settings.
    pub bucket: String,
    /// `CLOUDPING_PREFIX`: what the keys of the tables begin with, without slashes at its ends. Default `tables`.
    pub prefix: String,
    /// `CLOUDPING_EXPORTS`: the folder in the bucket of an export that is handed out by signed links, without slashes at its ends. Default none.
    pub exports: Option<String>,
    /// `CLOUDPING_LISTEN`: where it listens, address and port. Default `0.0.0.0:8080`; port 0 is any that is free.
    pub listen: SocketAddr,
    /// `CLOUDPING_POSTGRES`: where it takes PostgreSQL clients, address and port. Default nowhere.
    pub postgres: Option<SocketAddr>,
    /// `CLOUDPING_FLIGHT`: where it takes Arrow Flight SQL clients, address and port. Default nowhere.
    pub flight: Option<SocketAddr>,
    /// `CLOUDPING_SQL_TLS_CERT` and `CLOUDPING_SQL_TLS_KEY`: files with the certificates and the key of both, PEM. Default no TLS.
    pub sql_tls: Option<(PathBuf, PathBuf)>,
    /// `CLOUDPING_VANTAGES`: who is meant to measure, separated by commas. Default none; whoever has measured is shown all the same.
    pub vantages: Vec<VantageId>,
    /// `CLOUDPING_INTERVAL_MS`: from one round to the next, milliseconds, as the producers have it. Default 10,000.
    pub interval: Duration,
    /// `CLOUDPING_REFRESH_MS`: from one reading of the live store to the next, milliseconds. Default 1,000; each reading is paid for.
    pub refresh: Duration,
    /// `CLOUDPING_ALERTS`: the file of alert rules. Default none.
    pub alerts: Option<PathBuf>,
    /// `CLOUDPING_GATEWAY_CONTROL`: the UDP gateways to tell of, by their control APIs: `[NAME=]URL`, separated by commas. Default none.
    pub gateways: Vec<ControlAddress>,
    /// `CLOUDPING_GATEWAY_TOKEN`: the token that they want. Default none.
    pub gateway_token: Option<Secret>,
    /// Who may ask how much: the variables that [`access::read`] names.
    pub access: AccessSettings,
}

impl Settings {
    /// Reads the settings with a look-up of variables.
    ///
    /// # Errors
    /// [`Faults`]: each variable that is missing or wrong, with what was expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Faults> {
        let mut variables = Variables::new(variable);
        let table = variables.required("CLOUDPING_TABLE", "the name of a DynamoDB table");
        let bucket = variables.required("CLOUDPING_BUCKET", "the name of an S3 bucket");
        let prefix = variables.prefix("CLOUDPING_PREFIX", "tables");
        let exports = variables.given("CLOUDPING_EXPORTS").map(|folder| folder.trim_matches('/').to_owned());
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 8080));
        let listen = variables.parsed("CLOUDPING_LISTEN", everywhere, "an address and a port such as 0.0.0.0:8080");
        let [postgres, flight] = ["CLOUDPING_POSTGRES", "CLOUDPING_FLIGHT"].map(|name| {
            variables
                .given(name)
                .map(|_| variables.parsed(name, everywhere, "an address and a port such as 0.0.0.0:5432"))
        });
        let [certificates, key] =
            ["CLOUDPING_SQL_TLS_CERT", "CLOUDPING_SQL_TLS_KEY"].map(|name| variables.given(name).map(PathBuf::from));
        if certificates.is_some() != key.is_some() {
            variables.fault("CLOUDPING_SQL_TLS_CERT and CLOUDPING_SQL_TLS_KEY: expected both, or neither".to_owned());
        }
        let mut vantages = Vec::new();
        let ids = variables.given("CLOUDPING_VANTAGES").unwrap_or_default();
        for id in ids.split(',').filter(|id| !id.is_empty()) {
            match VantageId::new(id) {
                Ok(id) => vantages.push(id),
                Err(error) => variables.fault(format!("CLOUDPING_VANTAGES: {error}")),
            }
        }
        let interval = variables.number("CLOUDPING_INTERVAL_MS", 10_000, 100..=540_000, "milliseconds");
        let refresh = variables.number("CLOUDPING_REFRESH_MS", 1_000, 100..=5_000, "milliseconds");
        let [interval, refresh] = [interval, refresh].map(Duration::from_millis);
        let access = access::read(&mut variables);
        let alerts = variables.given("CLOUDPING_ALERTS").filter(|file| !file.is_empty()).map(PathBuf::from);
        let sql_tls = certificates.zip(key);
        let gateways = gateways(&mut variables);
        let gateway_token = variables.given("CLOUDPING_GATEWAY_TOKEN").filter(|token| !token.is_empty()).map(Secret);
        variables.settings(Self {
            table,
            bucket,
            prefix,
            exports,
            listen,
            postgres,
            flight,
            sql_tls,
            vantages,
            interval,
            refresh,
            alerts,
            gateways,
            gateway_token,
            access,
        })
    }
}

/// The gateways' addresses; names that are given twice are a fault too.
fn gateways<F: Fn(&str) -> Option<String>>(variables: &mut Variables<F>) -> Vec<ControlAddress> {
    let texts = variables.given("CLOUDPING_GATEWAY_CONTROL").unwrap_or_default();
    let mut addresses = Vec::new();
    for text in texts.split(',').filter(|text| !text.is_empty()) {
        match text.parse() {
            Ok(address) => addresses.push(address),
            Err(error) => variables.fault(format!("CLOUDPING_GATEWAY_CONTROL: {error}")),
        }
    }
    if let Err(error) = controls(&addresses, None) {
        variables.fault(format!("CLOUDPING_GATEWAY_CONTROL: {error}"));
    }
    addresses
}

#[cfg(test)]
mod tests {
    use cloudping_environment::list;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        Settings::read(list(variables)).map_err(|Faults(faults)| faults)
    }

    #[test]
    fn a_table_and_a_bucket_are_enough() {
        let settings = read(&[("CLOUDPING_TABLE", "live"), ("CLOUDPING_BUCKET", "archive")]).unwrap();
        assert_eq!((settings.prefix.as_str(), settings.listen), ("tables", "0.0.0.0:8080".parse().unwrap()));
        assert_eq!((settings.interval, settings.refresh), (Duration::from_secs(10), Duration::from_secs(1)));
        assert!(settings.vantages.is_empty());
        assert_eq!((settings.postgres, settings.flight, settings.sql_tls), (None, None, None));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults = read(&[
            ("CLOUDPING_PREFIX", "a/../b"),
            ("CLOUDPING_LISTEN", "8080"),
            ("CLOUDPING_POSTGRES", "5432"),
            ("CLOUDPING_SQL_TLS_KEY", "key.pem"),
            ("CLOUDPING_VANTAGES", "eu-west-1,a b"),
            ("CLOUDPING_REFRESH_MS", "60000"),
            ("CLOUDPING_GATEWAY_CONTROL", "edge=gateway"),
        ])
        .unwrap_err();
        assert_eq!(faults.len(), 9, "{faults:?}");
        for (fault, start) in faults.iter().zip([
            "CLOUDPING_TABLE is missing",
            "CLOUDPING_BUCKET is missing",
            "CLOUDPING_PREFIX is \"a/../b\"",
            "CLOUDPING_LISTEN is \"8080\"",
            "CLOUDPING_POSTGRES is \"5432\"",
            "CLOUDPING_SQL_TLS_CERT and CLOUDPING_SQL_TLS_KEY: ",
            "CLOUDPING_VANTAGES: ",
            "CLOUDPING_REFRESH_MS is \"60000\"",
            "CLOUDPING_GATEWAY_CONTROL: \"edge=gateway\" is no address",
        ]) {
            assert!(fault.starts_with(start), "{fault}");
        }
    }
}
