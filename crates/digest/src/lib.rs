//! What a window of latencies is remembered as: counts that are exact and a distribution that can be merged.
//!
//! - [`LatencyDigest`]: the distribution. Exact while it is small, t-digests of its levels beyond.
//! - [`SeriesSummary`]: everything a window of one series holds, loss apart from latency.
//! - [`encoding`]: both as compact, versioned bytes.
//! - [`trino`]: the digest as bytes that Trino and Athena cast to `tdigest`.
//!
//! Round-trip times (RTTs) are whole microseconds in a `u32`, hence at most 71 minutes. Nothing here reads a clock or does I/O.
//!
//! ```
//! use cloudping_digest::SeriesSummary;
//!
//! let mut minute = SeriesSummary::new();
//! minute.record_rtt(1_773_238_981_412_000, 70_125);
//! minute.record_rtt(1_773_238_982_412_000, 70_375);
//! minute.record_loss(1_773_238_983_412_000, false);
//! assert_eq!(minute.quantile(0.5), Some(70_250.0));
//! assert_eq!(minute.loss(), Some(1.0 / 3.0));
//! assert!(!minute.supports(0.5), "a median of two values says little");
//!
//! let stored = minute.encode();
//! assert_eq!(SeriesSummary::decode(&stored), Ok(minute));
//! ```

mod body;
mod bytes;
mod compress;
mod counts;
pub mod encoding;
mod latency_digest;
mod quantile;
mod rank;
mod sketch;
mod sorting;
mod summary;
pub mod trino;
mod version1;

pub use body::STORED_EXACT_LIMIT;
pub use bytes::DecodeError;
pub use counts::{Counts, Parts};
pub use latency_digest::{COMPRESSION, EXACT_LIMIT, LatencyDigest};
pub use quantile::linear_quantile;
pub use rank::RankBounds;
pub use sketch::MAX_CENTROIDS;
pub use sorting::sort;
pub use summary::SeriesSummary;
