//! The shapes of what is told of the past.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A percentile of round-trip times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Percentile {
    /// Which, such as `p99.9`.
    pub percentile: String,
    /// The round-trip time, ms; null when no probe was answered.
    pub rtt_ms: Option<f64>,
    /// Whether there are too few round-trip times to carry it (n < 10/(1-q), below the median 10/q).
    pub low_count: bool,
    /// By how much of the round-trip times its rank is off at most, 0 to 1; 0 where it is exact, null where that is not known.
    pub rank_error: Option<f64>,
}

/// The range of a [`Matrix`](super::Matrix) that was asked for by its ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MatrixRange {
    /// Its start.
    pub start: String,
    /// Its end, exclusive.
    pub end: String,
    /// By how much of a cell's round-trip times the rank of its percentile is off at most, 0 to 1; 0 where all are exact, null where that is not known.
    pub error_bound: Option<f64>,
}

/// Answer of `GET /api/v1/distribution`: all round-trip times of one pair in one range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Distribution {
    /// Vantage point.
    pub source: String,
    /// Target.
    pub target: String,
    /// How the probes were made: `tcp`, `tls`, `https`, `icmp` or `udp`.
    pub protocol: String,
    /// The address family that was measured: 4 or 6, 4 where both were; null when nothing was sent.
    pub family: Option<u8>,
    /// Start of the range.
    pub start: String,
    /// End of the range, exclusive.
    pub end: String,
    /// `live` (the live store) or `archive` (the tables of samples and rollups).
    pub answered_from: String,
    /// Whether the network is simulated.
    pub simulated: bool,
    /// Whether each round-trip time was at hand, so that the histogram counts them one by one.
    pub exact: bool,
    /// By how much of the round-trip times the rank of any percentile here is off at most, 0 to 1; 0 where all are exact, null where that is not known.
    pub error_bound: Option<f64>,
    /// Probes sent.
    pub sent: u64,
    /// Probes lost.
    pub lost: u64,
    /// Those of the lost probes that were answered, but only after something was sent again.
    pub retransmitted: u64,
    /// `lost / sent`; null when nothing was sent.
    pub loss: Option<f64>,
    /// How many round-trip times the numbers are of.
    pub count: u64,
    /// Least, ms.
    pub min_ms: Option<f64>,
    /// Greatest, ms.
    pub max_ms: Option<f64>,
    /// Mean, ms.
    pub mean_ms: Option<f64>,
    /// Population standard deviation, ms.
    pub stddev_ms: Option<f64>,
    /// Mean packet delay variation (RFC 5481), ms: `mean_ms` less `min_ms`.
    pub jitter_ms: Option<f64>,
    /// The quantile function at the percentiles that were asked for.
    pub percentiles: Vec<Percentile>,
    /// How many round-trip times lie where, from the least to the greatest; every one is in a bin.
    pub bins: Vec<Bin>,
}

/// Answer of `GET /api/v1/samples`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SamplesAnswer {
    /// A page.
    Page(Samples),
    /// With `download=true` all samples of the range.
    Download(Vec<Sample>),
}

/// A page of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Samples {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// Start of the range.
    pub start: String,
    /// End of the range, exclusive.
    pub end: String,
    /// The parameter `cursor` of the next page; null at the end.
    pub next: Option<String>,
    /// One entry a probe, in order of time.
    pub samples: Vec<Sample>,
}

/// A row of the table of samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    /// When the probe left, to the microsecond.
    pub ts: String,
    /// Vantage point.
    pub source: String,
    /// Target.
    pub target: String,
    /// How it was made: `tcp`, `tls`, `https`, `icmp` or `udp`.
    pub protocol: String,
    /// Address family: 4 or 6.
    pub family: i32,
    /// What became of it.
    pub outcome: String,
    /// The round-trip time, microseconds; null where there is none.
    pub rtt_us: Option<i32>,
    /// What user space saw of the same exchange, microseconds; null where `rtt_us` is user space's.
    pub connect_us: Option<i32>,
    /// SYN retransmits.
    pub retransmits: i32,
    /// The resolved address that was used.
    pub address: Option<String>,
    /// The producer's epoch.
    pub epoch: i64,
    /// The round within the epoch.
    pub round: i64,
}

/// A part of a histogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Bin {
    /// Where it begins, ms.
    pub from_ms: f64,
    /// Where it ends, exclusive, ms.
    pub to_ms: f64,
    /// How many round-trip times lie in it.
    pub count: u64,
}

/// Answer of `GET /api/v1/exports`: the files of the export that the service hands out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportFiles {
    /// Whether any row was measured on a simulated network.
    pub simulated: bool,
    /// `cloudping-export/1`.
    pub format: String,
    /// The SPDX identifier of the data's licence.
    pub license: String,
    /// One entry a file, table by table, in the order of time.
    pub files: Vec<ExportFile>,
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportFile {
    /// The table's name.
    pub table: String,
    /// Its folder below the table's, such as `date=2026-03-01`; empty where the table has no partitions.
    pub partition: String,
    /// `parquet` or `csv.gz`.
    pub format: String,
    /// 1, and one more each time that its rows had changed when they were exported again.
    pub revision: u32,
    /// Its path below the export's folder.
    pub path: String,
    /// Where it is, from the service's root.
    pub url: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The least time of its rows; null in a table without a time.
    pub first_ts: Option<String>,
    /// The greatest time of its rows.
    pub last_ts: Option<String>,
    /// The SHA-256 of its bytes, in hexadecimal: also its ETag.
    pub sha256: String,
}
