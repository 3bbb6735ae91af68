//! Alerts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of `GET /api/v1/alerts`: the rules, and where each of their pairs stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alerts {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// When the rules were held against the live view last; null before the first time, and where there are no rules.
    pub evaluated_at: Option<String>,
    /// Why the file of rules, as it is now, is not followed; the last good one is.
    pub file_error: Option<String>,
    /// Notices that no receiver has taken yet.
    pub undelivered: u64,
    /// The rules, in the order of their file.
    pub rules: Vec<AlertRule>,
    /// One entry a rule and pair, in the order of the rules, then by source and target.
    pub alerts: Vec<Alert>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertRule {
    /// Its name.
    pub name: String,
    /// Which vantage points, as a pattern.
    pub source: String,
    /// Which targets, as a pattern.
    pub target: String,
    /// The provider of the targets, where only one is meant.
    pub provider: Option<String>,
    /// How the probes are made: `tcp`, `tls`, `https`, `icmp` or `udp`.
    pub protocol: String,
    /// `p0` to `p100`, `mean`, `min`, `max`, `jitter`, `loss` or `step`.
    pub statistic: String,
    /// `ms`, or `share` (0 to 1) for `loss`.
    pub unit: String,
    /// The rolling window that it is of.
    pub window: String,
    /// `above` or `below`: on which side of the threshold it fires.
    pub fires: String,
    /// The threshold.
    pub threshold: f64,
    /// From where on a value counts as back.
    pub clear: f64,
    /// For how long it must be beyond the threshold, seconds.
    pub for_seconds: f64,
    /// For how long it must be back, seconds.
    pub clear_for_seconds: f64,
    /// Who is told: kinds and hosts, without what may be secret in an address.
    pub notify: Vec<String>,
}

/// One rule's pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// The rule's name.
    pub rule: String,
    /// Vantage point.
    pub source: String,
    /// Target.
    pub target: String,
    /// `ok`, `pending`, `firing` or `no_data`.
    pub state: String,
    /// Since when; null where it has been so since before this service started.
    pub since: Option<String>,
    /// When the episode began that has not been resolved yet.
    pub fired_at: Option<String>,
    /// The newest value; null where nothing was measured.
    pub value: Option<f64>,
    /// How many probes (for `step`: how many steps) the value is of.
    pub count: u64,
    /// Whether they are too few for the rule, which then leaves the state as it is.
    pub low_count: bool,
}
