//! The shapes of the HTTP API, version 1. Times are RFC 3339 in UTC, latencies milliseconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Answer of `GET /api/v1/regions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Regions {
    /// Whether the network is the planet on this machine, not the world's.
    pub simulated: bool,
    /// The catalogue.
    pub regions: Vec<Region>,
    /// Who measures.
    pub vantages: Vec<Vantage>,
}

/// A region of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vantage {
    /// Its id, as in `source`.
    pub id: String,
    /// The region it stands in, if it does.
    pub region: Option<String>,
}

/// Answer of `GET /api/v1/matrix`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// The rolling window: `5m`, `1h`, `1d`.
    pub window: String,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// `lost / sent`.
    pub loss: f64,
    /// Whether `count` is too small to carry the percentile (n < 10/(1-q)).
    pub low_count: bool,
    /// When the newest probe left.
    pub last: Option<String>,
}

/// Data of the event `cell` of `GET /api/v1/stream`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellUpdate {
    /// The state of the live view that the cells show.
    pub as_of: Option<String>,
    /// The cells that changed.
    pub cells: Vec<Cell>,
}

/// Answer of `GET /api/v1/series`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// `live` (minute windows of the live store) or `archive` (the table of samples).
    pub answered_from: String,
    /// Whether the network is simulated.
    pub simulated: bool,
    /// One entry for each window with data.
    pub points: Vec<SeriesPoint>,
}

/// One window of a series. Latencies are null when no probe was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// Start of the window.
    pub time: String,
    /// Probes sent.
    pub sent: u64,
    /// Probes lost.
    pub lost: u64,
    /// How many round-trip times the percentiles are of.
    pub count: u64,
    /// Whether `count` is too small to carry the p99 (n < 1000).
    pub low_count: bool,
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
}

/// Answer of `GET /api/v1/coverage`: the ledger of what was received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// Records of the log that could not be read.
    pub dead_letters: u64,
    /// One entry a vantage point and hour.
    pub hours: Vec<CoverageHour>,
}

/// One vantage point's hour, by the start of the rounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Rounds that came after their minute had been folded into its hour; counted like all others.
    pub late: u64,
    /// Rounds that were never received, and that the vantage point itself reports missing.
    #[serde(default)]
    pub dropped_rounds: u64,
    /// How often the vantage point reported something missing, by the reason's name; a reason that never was is absent.
    #[serde(default)]
    pub gaps: BTreeMap<String, u64>,
}

/// Answer of `GET /healthz`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}

/// Body of `POST /api/v1/sql`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlRequest {
    /// One read-only statement.
    pub query: String,
}

/// An error by RFC 9457 (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
