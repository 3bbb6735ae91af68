//! The shapes of the HTTP API, version 1. Times are RFC 3339 in UTC, latencies milliseconds.

mod alerts;

pub use alerts::{Alert, AlertRule, Alerts};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod sql;

pub use sql::{SqlRequest, SqlValue};
mod live;
pub use live::*;

mod history;

pub use history::*;
mod gateways;

pub use gateways::*;

/// Answer of `GET /api/v1/regions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Regions {
    /// Whether the network is the planet on this machine, not the world's.
    pub simulated: bool,
    /// The catalogue.
    pub regions: Vec<Region>,
    /// Who measures.
    pub vantages: Vec<Vantage>,
}

/// A region of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Region {
    /// Its id, as in `source` and `target`.
    pub id: String,
    /// The provider.
    pub provider: String,
    /// The provider's partition.
    pub partition: String,
    /// The provider's name for it.
    pub name: String,
    /// The metropolitan area.
    pub city: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// AF, AN, AS, EU, NA, OC or SA.
    pub continent: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// When it opened, `YYYY-MM-DD` or `YYYY-MM`; absent where not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched: Option<String>,
    /// The ids of its availability zones; absent where not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// Whether a vantage point measures from there.
    pub vantage: bool,
}

/// A vantage point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Vantage {
    /// Its id, as in `source`.
    pub id: String,
    /// The region it stands in, if it does.
    pub region: Option<String>,
}

/// Answer of `GET /api/v1/matrix`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Matrix {
    /// The rolling window: `5m`, `1h`, `1d`, `7d`, `30d` or `365d`; `range` where a range was asked for.
    pub window: String,
    /// The range that was asked for, in whole minutes; absent for a rolling window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<MatrixRange>,
    /// The percentile, such as `p50`.
    pub percentile: String,
    /// How the probes were made: `tcp`, `tls`, `https`, `icmp` or `udp`.
    pub protocol: String,
    /// Always `ms`.
    pub unit: String,
    /// The state of the live view that the answer shows.
    pub as_of: Option<String>,
    /// Whether the network is simulated.
    pub simulated: bool,
    /// Vantage points that have data, ordered.
    pub sources: Vec<String>,
    /// Targets that have data, ordered.
    pub targets: Vec<String>,
    /// One entry for each pair that was measured in the window.
    pub cells: Vec<Cell>,
}

/// One pair of the matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Cell {
    /// Vantage point.
    pub source: String,
    /// Target.
    pub target: String,
    /// The percentile of the round-trip times, ms; null when no probe was answered.
    pub rtt_ms: Option<f64>,
    /// How many round-trip times the percentile is of.
    pub count: u64,
    /// Probes sent.
    pub sent: u64,
    /// Probes lost.
    pub lost: u64,
    /// Those of the lost probes that were answered, but only after something was sent again.
    #[serde(default)]
    pub retransmitted: u64,
    /// `lost / sent`.
    pub loss: f64,
    /// The population standard deviation of the round-trip times, ms; null when no probe was answered.
    #[serde(default)]
    pub stddev_ms: Option<f64>,
    /// The mean packet delay variation (RFC 5481), ms: the mean round-trip time less the least one.
    #[serde(default)]
    pub jitter_ms: Option<f64>,
    /// Whether `count` is too small to carry the percentile (n < 10/(1-q)).
    pub low_count: bool,
    /// When the newest probe left.
    pub last: Option<String>,
}

/// Data of the event `cell` of `GET /api/v1/stream`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CellUpdate {
    /// The state of the live view that the cells show.
    pub as_of: Option<String>,
    /// The cells that changed.
    pub cells: Vec<Cell>,
}

/// Answer of `GET /api/v1/series`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// Vantage point.
    pub source: String,
    /// Target.
    pub target: String,
    /// How the probes were made: `tcp`, `tls`, `https`, `icmp` or `udp`.
    pub protocol: String,
    /// First window's start.
    pub start: String,
    /// End of the range, exclusive.
    pub end: String,
    /// Length of a window in seconds.
    pub step_seconds: i64,
    /// `live` (minute windows of the live store) or `archive` (the tables of samples and rollups).
    pub answered_from: String,
    /// By how much of a window's round-trip times the rank of any percentile here is off at most, 0 to 1; 0 where all are exact, null where that is not known.
    #[serde(default)]
    pub error_bound: Option<f64>,
    /// Whether the network is simulated.
    pub simulated: bool,
    /// One entry for each window with data.
    pub points: Vec<SeriesPoint>,
}

/// One window of a series. Latencies are null when no probe was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesPoint {
    /// Start of the window.
    pub time: String,
    /// Probes sent.
    pub sent: u64,
    /// Probes lost.
    pub lost: u64,
    /// Those of the lost probes that were answered, but only after something was sent again.
    #[serde(default)]
    pub retransmitted: u64,
    /// How many round-trip times the percentiles are of.
    pub count: u64,
    /// Whether `count` is too small to carry the p99 (n < 1000).
    pub low_count: bool,
    /// The address family that was measured: 4 or 6. Where a window has both, 4.
    #[serde(default)]
    pub family: u8,
    /// Least, ms.
    pub min_ms: Option<f64>,
    /// 10th percentile, ms.
    pub p10_ms: Option<f64>,
    /// 25th percentile, ms.
    pub p25_ms: Option<f64>,
    /// Median, ms.
    pub p50_ms: Option<f64>,
    /// 75th percentile, ms.
    pub p75_ms: Option<f64>,
    /// 90th percentile, ms.
    pub p90_ms: Option<f64>,
    /// 99th percentile, ms.
    pub p99_ms: Option<f64>,
    /// Greatest, ms.
    pub max_ms: Option<f64>,
    /// Mean, ms.
    pub mean_ms: Option<f64>,
    /// Population standard deviation, ms.
    #[serde(default)]
    pub stddev_ms: Option<f64>,
    /// Mean packet delay variation (RFC 5481), ms: `mean_ms` less `min_ms`.
    #[serde(default)]
    pub jitter_ms: Option<f64>,
    /// The percentiles that were asked for, in that order.
    #[serde(default)]
    pub percentiles: Vec<Percentile>,
}

/// Answer of `GET /api/v1/coverage`: the ledger of what was received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Coverage {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// Records of the log that could not be read.
    pub dead_letters: u64,
    /// One entry a vantage point and hour.
    pub hours: Vec<CoverageHour>,
}

/// Answer of `GET /api/v1/regions/account`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AccountRegions {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// When the region manager last looked; null where none has.
    pub checked_at: Option<String>,
    /// Each region that the account knows of, in the order of their codes; empty where no region manager has looked.
    pub regions: Vec<AccountRegion>,
}

/// A region of the account that measures, as the region manager last found it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AccountRegion {
    /// Its code.
    pub id: String,
    /// Whether the account may use it, in AWS's word: `ENABLED_BY_DEFAULT`, `ENABLED`, `ENABLING`, `DISABLING`, `DISABLED`.
    pub status: String,
    /// Whether the catalogue says where it is. One that it does not know is measured all the same, and has no coordinates.
    pub catalogued: bool,
    /// What the last run made of it: `unchanged`, `created`, `updated`, `removed`, `none` (it should have no producer), `enabling` or `failed`.
    pub outcome: String,
    /// The SHA-256 (base64) of its producer's package; null without a producer.
    pub producer_sha256: Option<String>,
    /// The start of the oldest data of it that the live store keeps, about a year; null where it has not measured.
    pub first_data_at: Option<String>,
    /// Its newest data; null where it has not measured.
    pub last_data_at: Option<String>,
}

/// One vantage point's hour, by the start of the rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CoverageHour {
    /// Vantage point.
    pub source: String,
    /// Start of the hour.
    pub hour: String,
    /// Distinct rounds.
    pub rounds: u64,
    /// Probes sent.
    pub sent: u64,
    /// Probes answered at once.
    pub received: u64,
    /// Probes lost.
    pub lost: u64,
    /// Probes that never left: no socket, or no address for the name.
    pub not_sent: u64,
    /// Deliveries of rounds that had been counted before; they changed no number.
    pub duplicates: u64,
    /// Rounds that came later than the allowed lateness; counted like all others.
    pub late: u64,
    /// Probes that should have been made so far: those of the rounds that came and, by their average, of those that did not.
    #[serde(default)]
    pub due: u64,
    /// Probes that are counted in the live view: those sent, but for rounds that came when all their windows had gone.
    #[serde(default)]
    pub counted: u64,
    /// `counted` as percent of `due`, 0 to 100; null when nothing was due.
    #[serde(default)]
    pub completeness: Option<f64>,
    /// Rounds that should have come by now and did not: by the numbers of those that did, and by what the vantage point reports.
    #[serde(default)]
    pub missing_rounds: u64,
    /// Rounds that were never received, and that the vantage point itself reports missing.
    #[serde(default)]
    pub dropped_rounds: u64,
    /// How often the vantage point reported something missing, by the reason's name; a reason that never was is absent.
    #[serde(default)]
    pub gaps: BTreeMap<String, u64>,
}

/// Answer of `GET /healthz`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, `starting` (no data yet) or `degraded` (see `reasons`).
    pub status: String,
    /// Of the program.
    pub version: String,
    /// Whether the network is simulated.
    pub simulated: bool,
    /// When the newest round started.
    pub latest: Option<String>,
    /// What is wrong.
    pub reasons: Vec<String>,
    /// How far the live view's digests were off in the newest hour that was recounted; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<HealthAudit>,
}

/// The worst figures of an [`Audit`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HealthAudit {
    /// Start of the hour.
    pub hour: String,
    /// Series whose counts, sum or extremes are not the events'.
    pub mismatches: u64,
    /// The greatest distance in rank of any percentile of any series, 0 to 1.
    pub rank_error_max: f64,
    /// The greatest distance of any percentile of any series, ms.
    pub error_ms_max: f64,
}

/// Answer of `GET /api/v1/changes`, and data of the event `change` of `GET /api/v1/stream`: route steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RouteChanges {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// The newest first.
    pub changes: Vec<RouteChange>,
}

/// A lasting step in the level of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RouteChange {
    /// Vantage point.
    pub source: String,
    /// Target.
    pub target: String,
    /// How the probes were made: `tcp`, `tls`, `https`, `icmp` or `udp`.
    pub protocol: String,
    /// Address family: 4 or 6.
    pub family: u8,
    /// Start of the first minute at the new level.
    pub minute: String,
    /// The newest start of a round when the step was found.
    pub found_at: String,
    /// The level before: mean of the minutes' medians of the last half an hour or so, without wild ones, ms.
    pub before_ms: f64,
    /// The level since, ms.
    pub after_ms: f64,
    /// `after_ms - before_ms`.
    pub delta_ms: f64,
    /// How clear the step is: 1 is just clear enough.
    pub score: f64,
    /// What was measured on the level that ended.
    pub ended: Regime,
    /// The target's resolved address before the step; left out, as `after_address`, where one of them is unknown or was no single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_address: Option<String>,
    /// Its address since: another than `before_address` where the target moved, else the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_address: Option<String>,
}

impl RouteChange {
    /// The target's address before and since, where it changed with the step.
    #[must_use]
    pub fn moved(&self) -> Option<(&str, &str)> {
        let both = self.before_address.as_deref().zip(self.after_address.as_deref());
        both.filter(|(before, after)| before != after)
    }
}

/// Answer of `GET /api/v1/regimes`: a pair's levels, each from one route step to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Regimes {
    /// Vantage point.
    pub source: String,
    /// Target.
    pub target: String,
    /// How the probes were made: `tcp`, `tls`, `https`, `icmp` or `udp`.
    pub protocol: String,
    /// Whether the network is simulated.
    pub simulated: bool,
    /// The oldest first; the last one is the current one.
    pub regimes: Vec<Regime>,
}

/// All round-trip times of a series on one level. Percentiles are null without any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Regime {
    /// Start of its first minute.
    pub since: String,
    /// End of its last minute; null while it lasts.
    pub until: Option<String>,
    /// How many round-trip times the percentiles are of.
    pub count: u64,
    /// 10th percentile, ms.
    pub p10_ms: Option<f64>,
    /// Median, ms.
    pub p50_ms: Option<f64>,
    /// 90th percentile, ms.
    pub p90_ms: Option<f64>,
    /// 99th percentile, ms.
    pub p99_ms: Option<f64>,
}

/// Answer of `GET /api/v1/audit`: the live view's digests against the events, recounted exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Audits {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// One entry an hour, the newest first.
    pub audits: Vec<Audit>,
}

/// How far the digests of one hour were off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// Start of the hour.
    pub hour: String,
    /// When it was recounted.
    pub at: String,
    /// How many series were recounted.
    pub series: u64,
    /// Their round-trip times.
    pub samples: u64,
    /// Series whose counts, sum or extremes are not the events'.
    pub mismatches: u64,
    /// One entry a percentile.
    pub percentiles: Vec<AuditPercentile>,
}

/// How far one percentile was off, over all series that were recounted. Distances in rank are 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditPercentile {
    /// Which, such as `p99`.
    pub percentile: String,
    /// The greatest distance in rank.
    pub rank_error_max: f64,
    /// The mean distance in rank.
    pub rank_error_mean: f64,
    /// The greatest distance, ms.
    pub error_ms_max: f64,
    /// The mean distance, ms.
    pub error_ms_mean: f64,
}

/// An error by RFC 9457 (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`, or a URI reference that names the kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong here, and what to do.
    pub detail: String,
}
