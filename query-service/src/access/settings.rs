//! Who may ask how much, as the operator has it.

use super::budget::Budget;
use super::client::Proxies;

/// Who may ask how much.
#[derive(Debug, Clone)]
pub struct AccessSettings {
    /// History and downloads are for those who have a key with these scopes. Default no: reading is open.
    pub history_needs_key: bool,
    /// `/history` of the legacy API is for those who have a key with the scope `history`, as it is at CloudPing.co. Default no.
    pub legacy_history_needs_key: bool,
    /// SQL is for those who have a key with this scope. Default no.
    pub sql_needs_key: bool,
    /// Light requests of an address that has no key. Default 1,200 a minute.
    pub light: Budget,
    /// Heavy ones: SQL, samples, downloads. Default 60 a minute.
    pub heavy: Budget,
    /// Light requests by a key that has no number of its own. Default 12,000 a minute.
    pub key_light: Budget,
    /// Heavy ones. Default 600 a minute.
    pub key_heavy: Budget,
    /// So many addresses are told apart, in each of the two budgets; 8 bytes each. Default 131,072.
    pub addresses: usize,
    /// Who asks from this machine without a proxy is not limited. Default yes: it is whoever runs the service.
    pub loopback_is_free: bool,
    /// The proxies that stand before the service.
    pub proxies: Proxies,
    /// A line in the log for each request. Default yes.
    pub log: bool,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self {
            history_needs_key: false,
            legacy_history_needs_key: false,
            sql_needs_key: false,
            light: Budget::of(1_200, 60),
            heavy: Budget::of(60, 60),
            key_light: Budget::of(12_000, 60),
            key_heavy: Budget::of(600, 60),
            addresses: 1 << 17,
            loopback_is_free: true,
            proxies: Proxies::default(),
            log: true,
        }
    }
}
