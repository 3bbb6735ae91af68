//! Who may ask how much: environment variables.

use cloudping_environment::Variables;
use cloudping_query_service::access::{AccessSettings, Budget, ClientHeader, Proxies};

const BUDGET: &str = "requests and a time such as 600/1m";
const SWITCH: &str = "true or false";

/// Reads
/// - `CLOUDPING_HISTORY_NEEDS_KEY`, `CLOUDPING_LEGACY_HISTORY_NEEDS_KEY`, `CLOUDPING_SQL_NEEDS_KEY`: `true` or `false` (default).
/// - `CLOUDPING_RATE`, `CLOUDPING_HEAVY_RATE`: what an address without a key may ask. Default `1200/1m` and `60/1m`.
/// - `CLOUDPING_KEY_RATE`, `CLOUDPING_KEY_HEAVY_RATE`: what a key without numbers of its own may. Default `12000/1m` and `600/1m`.
/// - `CLOUDPING_TRUSTED_PROXIES`: networks, separated by commas. Default none.
/// - `CLOUDPING_CLIENT_HEADER`: `x-forwarded-for` (default), `forwarded` or `cloudfront-viewer-address`.
/// - `CLOUDPING_ACCESS_LOG`: `true` (default) or `false`.
pub fn read<F: Fn(&str) -> Option<String>>(variables: &mut Variables<F>) -> AccessSettings {
    let default = AccessSettings::default();
    let mut budget = |name: &str, default: Budget| variables.parsed(name, default, BUDGET);
    let light = budget("CLOUDPING_RATE", default.light);
    let heavy = budget("CLOUDPING_HEAVY_RATE", default.heavy);
    let key_light = budget("CLOUDPING_KEY_RATE", default.key_light);
    let key_heavy = budget("CLOUDPING_KEY_HEAVY_RATE", default.key_heavy);
    let header = "x-forwarded-for, forwarded or cloudfront-viewer-address";
    let header = variables.parsed("CLOUDPING_CLIENT_HEADER", ClientHeader::default(), header);
    let networks = variables.given("CLOUDPING_TRUSTED_PROXIES").unwrap_or_default();
    let proxies = Proxies::of(networks.split(',').filter(|network| !network.is_empty()), header);
    let proxies = proxies.unwrap_or_else(|error| {
        variables.fault(format!("CLOUDPING_TRUSTED_PROXIES: {error}"));
        Proxies::default()
    });
    AccessSettings {
        history_needs_key: variables.parsed("CLOUDPING_HISTORY_NEEDS_KEY", false, SWITCH),
        legacy_history_needs_key: variables.parsed("CLOUDPING_LEGACY_HISTORY_NEEDS_KEY", false, SWITCH),
        sql_needs_key: variables.parsed("CLOUDPING_SQL_NEEDS_KEY", false, SWITCH),
        log: variables.parsed("CLOUDPING_ACCESS_LOG", true, SWITCH),
        light,
        heavy,
        key_light,
        key_heavy,
        proxies,
        ..default
    }
}

#[cfg(test)]
mod tests {
    use cloudping_environment::{Faults, list};

    use super::*;

    #[test]
    fn every_variable_is_read_and_every_fault_named() {
        let given = [
            ("CLOUDPING_HISTORY_NEEDS_KEY", "true"),
            ("CLOUDPING_RATE", "5/s"),
            ("CLOUDPING_TRUSTED_PROXIES", "10.0.0.0/8,2001:db8::/32"),
            ("CLOUDPING_CLIENT_HEADER", "cloudfront-viewer-address"),
            ("CLOUDPING_ACCESS_LOG", "false"),
        ];
        let mut variables = Variables::new(list(&given));
        let settings = read(&mut variables);
        assert!(variables.settings(()).is_ok());
        assert!(settings.history_needs_key && !settings.sql_needs_key && !settings.log);
        assert_eq!((settings.light.to_string().as_str(), settings.proxies.trusted.len()), ("5/1s", 2));
        assert_eq!(settings.proxies.header, ClientHeader::CloudFront);

        let wrong = [
            ("CLOUDPING_KEY_RATE", "much"),
            ("CLOUDPING_CLIENT_HEADER", "x"),
            ("CLOUDPING_TRUSTED_PROXIES", "cloudfront"),
            ("CLOUDPING_SQL_NEEDS_KEY", "perhaps"),
        ];
        let mut variables = Variables::new(list(&wrong));
        read(&mut variables);
        let Faults(faults) = variables.faults();
        for (fault, (name, _)) in faults.iter().zip(wrong) {
            assert!(fault.starts_with(name), "{fault}");
        }
        assert_eq!(faults.len(), 4, "{faults:?}");
    }
}
