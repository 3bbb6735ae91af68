//! Who may ask the dashboard and the API how much.

use clap::Args;
use cloudping_agent::failure::Failure;
use cloudping_query_service::access::{AccessSettings, Budget, ClientHeader, Proxies};

/// Who may ask how much; docs/access.md says more. `cloudping key` makes keys.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub struct AccessArgs {
    /// History and downloads only with a key that has the scope
    #[arg(long, env = "CLOUDPING_HISTORY_NEEDS_KEY")]
    history_needs_key: bool,
    /// `/history` of the legacy API only with a key, as at CloudPing.co
    #[arg(long, env = "CLOUDPING_LEGACY_HISTORY_NEEDS_KEY")]
    legacy_history_needs_key: bool,
    /// SQL only with a key that has the scope
    #[arg(long, env = "CLOUDPING_SQL_NEEDS_KEY")]
    sql_needs_key: bool,
    /// Light requests of an address without a key; this machine's own are not limited [default: 1200/1m]
    #[arg(long, env = "CLOUDPING_RATE", value_name = "COUNT/TIME")]
    rate: Option<Budget>,
    /// Heavy requests (SQL, samples, downloads) of an address without a key [default: 60/1m]
    #[arg(long, env = "CLOUDPING_HEAVY_RATE", value_name = "COUNT/TIME")]
    heavy_rate: Option<Budget>,
    /// Light requests by a key without a rate of its own [default: 12000/1m]
    #[arg(long, env = "CLOUDPING_KEY_RATE", value_name = "COUNT/TIME")]
    key_rate: Option<Budget>,
    /// Heavy requests by a key without a rate of its own [default: 600/1m]
    #[arg(long, env = "CLOUDPING_KEY_HEAVY_RATE", value_name = "COUNT/TIME")]
    key_heavy_rate: Option<Budget>,
    /// Networks of the proxies before this, which are believed about who asks; separated by commas
    #[arg(long, env = "CLOUDPING_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORK,…")]
    trusted_proxies: Vec<String>,
    /// The header in which they say it: x-forwarded-for, forwarded or cloudfront-viewer-address
    #[arg(long, env = "CLOUDPING_CLIENT_HEADER", default_value_t, value_name = "NAME")]
    client_header: ClientHeader,
    /// Log a line for each request
    #[arg(long, env = "CLOUDPING_ACCESS_LOG")]
    access_log: bool,
}

impl AccessArgs {
    /// The settings.
    ///
    /// # Errors
    /// What is no network.
    pub fn settings(&self) -> Result<AccessSettings, Failure> {
        let networks = self.trusted_proxies.iter().map(String::as_str);
        let proxies = Proxies::of(networks, self.client_header);
        let default = AccessSettings::default();
        Ok(AccessSettings {
            history_needs_key: self.history_needs_key,
            legacy_history_needs_key: self.legacy_history_needs_key,
            sql_needs_key: self.sql_needs_key,
            light: self.rate.unwrap_or(default.light),
            heavy: self.heavy_rate.unwrap_or(default.heavy),
            key_light: self.key_rate.unwrap_or(default.key_light),
            key_heavy: self.key_heavy_rate.unwrap_or(default.key_heavy),
            proxies: proxies.map_err(|error| Failure::setting(format!("--trusted-proxies: {error}")))?,
            log: self.access_log,
            ..default
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn settings(arguments: &[&str]) -> Result<AccessSettings, String> {
        let arguments = [&["cloudping", "up"], arguments].concat();
        let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
        let Command::Up(args) = cli.command else { unreachable!("the command is up") };
        args.access.settings().map_err(|failure| failure.to_string())
    }

    #[test]
    fn reading_is_open_unless_it_is_not() {
        let open = settings(&[]).unwrap();
        assert!(!open.history_needs_key && !open.sql_needs_key && !open.log && open.proxies.trusted.is_empty());
        let closed = settings(&[
            "--history-needs-key",
            "--sql-needs-key",
            "--rate=10/s",
            "--heavy-rate=5/1h",
            "--trusted-proxies=10.0.0.0/8,192.0.2.1",
            "--client-header=forwarded",
            "--access-log",
        ])
        .unwrap();
        assert!(closed.history_needs_key && closed.sql_needs_key && closed.log);
        assert_eq!([closed.light, closed.heavy].map(|budget| budget.to_string()), ["10/1s", "5/1h"]);
        let networks: Vec<String> = closed.proxies.trusted.iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["10.0.0.0/8", "192.0.2.1/32"]);
        assert_eq!(closed.proxies.header, ClientHeader::Forwarded);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = settings(&["--trusted-proxies=cloudfront"]).unwrap_err();
        assert_eq!(
            error,
            "--trusted-proxies: \"cloudfront\" is no network, expected such as 10.0.0.0/8 or 2001:db8::/32"
        );
        let error = settings(&["--rate=fast"]).unwrap_err();
        assert!(error.contains("--rate") && error.contains("such as 600/1m"), "{error}");
        assert!(settings(&["--client-header=x-real-ip"]).unwrap_err().contains("x-forwarded-for, forwarded"));
    }
}
