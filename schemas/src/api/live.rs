//! Answers that compare pairs of the live view, and events of the stream.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Data of the event `gap` of `GET /api/v1/stream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gaps {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// What was reported since the event before.
    pub gaps: Vec<Gap>,
}

/// Rounds that a vantage point itself reports missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// Vantage point.
    pub source: String,
    /// Start of the hour of the round that reports them.
    pub hour: String,
    /// `clock_step`, `suspended`, `overload` or `spool_full`.
    pub reason: String,
    /// How many reports are new.
    pub count: u64,
    /// How many there are of that hour and reason.
    pub total: u64,
}

/// Answer of `GET /api/v1/rank`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ranking {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// The rolling window: `5m`, `1h`, `1d`, `7d`, `30d` or `365d`.
    pub window: String,
    /// The percentile, such as `p50`.
    pub percentile: String,
    /// How the probes were made: `tcp`, `tls`, `https`, `icmp` or `udp`.
    pub protocol: String,
    /// The state of the live view that the answer shows.
    pub as_of: Option<String>,
    /// What is ranked: `targets`, as seen from `members`, or `sources`, as they see `members`.
    pub ranked: String,
    /// The vantage points or targets that were asked for.
    pub members: Vec<String>,
    /// What orders: `max` or `mean` of the members' numbers.
    pub by: String,
    /// The closest first. Only those that have a number for every member.
    pub ranking: Vec<Ranked>,
    /// Those that were measured with some member, but have no number for all.
    pub incomplete: Vec<String>,
}

/// One that is ranked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ranked {
    /// From 1.
    pub rank: u64,
    /// Target or vantage point.
    pub id: String,
    /// The provider of the region of that id; null where it is no region.
    pub provider: Option<String>,
    /// The greatest of the members' numbers, ms.
    pub max_ms: f64,
    /// Their mean, ms.
    pub mean_ms: f64,
    /// The least count of round-trip times that a member's number is of.
    pub count: u64,
    /// Whether `count` is too small to carry the percentile of some member (n < 10/(1-q)).
    pub low_count: bool,
    /// The greatest loss of the members, 0 to 1.
    pub loss: f64,
    /// The numbers of the members, in their order.
    pub members: Vec<RankedMember>,
}

/// One member's number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RankedMember {
    /// Target or vantage point.
    pub id: String,
    /// The percentile of the round-trip times, ms.
    pub rtt_ms: f64,
    /// How many round-trip times the percentile is of.
    pub count: u64,
    /// Probes sent.
    pub sent: u64,
    /// Probes lost.
    pub lost: u64,
    /// Whether `count` is too small to carry the percentile.
    pub low_count: bool,
}

/// Answer of `GET /api/v1/nearest`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Nearest {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// Vantage point or region.
    pub source: String,
    /// `from_source`, or `to_source` where nothing was measured from there: then the candidates' own probes of it are used.
    pub measured: String,
    /// The rolling window.
    pub window: String,
    /// The percentile, such as `p50`.
    pub percentile: String,
    /// How the probes were made.
    pub protocol: String,
    /// The state of the live view that the answer shows.
    pub as_of: Option<String>,
    /// The greatest loss of a healthy candidate, 0 to 1.
    pub max_loss: f64,
    /// The greatest age of a healthy candidate's newest probe, seconds.
    pub max_age: f64,
    /// The closest healthy candidate; null when none is healthy.
    pub nearest: Option<String>,
    /// The healthy ones first, each group with the closest first.
    pub candidates: Vec<Candidate>,
}

/// How close a candidate is, and whether it can be relied upon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// Target.
    pub target: String,
    /// Whether it was probed lately and answers.
    pub healthy: bool,
    /// Why it is not healthy: `no_data`, `stale`, `unanswered` or `loss`; null when it is.
    pub reason: Option<String>,
    /// The percentile of the round-trip times, ms; null when no probe was answered.
    pub rtt_ms: Option<f64>,
    /// How many round-trip times the percentile is of.
    pub count: u64,
    /// Whether `count` is too small to carry the percentile.
    pub low_count: bool,
    /// Probes sent in the window.
    pub sent: u64,
    /// Probes lost.
    pub lost: u64,
    /// `lost / sent`; null when nothing was sent.
    pub loss: Option<f64>,
    /// When the newest probe left.
    pub last: Option<String>,
    /// Seconds since then.
    pub age_seconds: Option<f64>,
}

/// Answer of `GET /api/v1/diff`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Diff {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// The state of the live view that the answer shows.
    pub as_of: Option<String>,
    /// What is compared.
    pub a: DiffSide,
    /// With what.
    pub b: DiffSide,
    /// The pairs that both sides have, the greatest growth first.
    pub pairs: Vec<Difference>,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiffSide {
    /// The length of the window: `5m`, `1h`, `1d`, `7d`, `30d` or `365d`.
    pub window: String,
    /// When it ends; null: now.
    pub at: Option<String>,
    /// The percentile, such as `p50`.
    pub percentile: String,
    /// How the probes were made.
    pub protocol: String,
    /// The provider of the targets; null: any.
    pub provider: Option<String>,
}

/// One pair on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Vantage point.
    pub source: String,
    /// Target of side a.
    pub a_target: String,
    /// Target of side b; another one in the same city where two providers are compared.
    pub b_target: String,
    /// Side a's number, ms.
    pub a_ms: f64,
    /// Side b's number, ms.
    pub b_ms: f64,
    /// `b_ms - a_ms`.
    pub delta_ms: f64,
    /// How many round-trip times side a's number is of.
    pub a_count: u64,
    /// How many round-trip times side b's number is of.
    pub b_count: u64,
    /// Whether `a_count` is too small to carry side a's number.
    pub a_low_count: bool,
    /// Whether `b_count` is too small to carry side b's number.
    pub b_low_count: bool,
    /// By how much the numbers may differ by chance (99 %), ms; null where a count is low, or a number is an extreme.
    pub noise_ms: Option<f64>,
    /// Whether `delta_ms` is greater than `noise_ms` either way; null where that is not known.
    pub exceeds_noise: Option<bool>,
}

/// Answer of `GET /api/v1/coverage/pairs`: what came of the probes of each pair in a rolling window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PairsCoverage {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// The rolling window.
    pub window: String,
    /// The state of the live view that the answer shows.
    pub as_of: Option<String>,
    /// One entry a pair, protocol and address family.
    pub pairs: Vec<PairCoverage>,
}

/// What came of the probes of one pair, protocol and address family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PairCoverage {
    /// Vantage point.
    pub source: String,
    /// Target.
    pub target: String,
    /// How the probes were made.
    pub protocol: String,
    /// Address family: 4 or 6.
    pub family: u8,
    /// Probes sent.
    pub sent: u64,
    /// Probes answered at once.
    pub received: u64,
    /// Probes lost.
    pub lost: u64,
    /// Those of the lost probes that were answered, but only after something was sent again.
    pub retransmitted: u64,
    /// Probes of which it is not known what came of them.
    pub unknown: u64,
    /// When the newest probe left.
    pub last: Option<String>,
}

/// Answer of `GET /api/v1/regions?format=geojson` (RFC 7946).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RegionFeatures {
    /// Always `FeatureCollection`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the network is simulated.
    pub simulated: bool,
    /// One feature a region.
    pub features: Vec<RegionFeature>,
}

/// A region on the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RegionFeature {
    /// Always `Feature`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The region's id.
    pub id: String,
    /// Where it is.
    pub geometry: Place,
    /// The region.
    pub properties: super::Region,
}

/// A point of GeoJSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// Always `Point`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Degrees east, degrees north.
    pub coordinates: [f64; 2],
}
