//! The stored digests of an hour against the events, recounted exactly.

use cloudping_model::UtcMicros;
use prost::Message;

use super::{StoredError, check_version, message, wire};

const VERSION: u32 = 1;

/// How far the digests of one hour were off.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditItem {
    /// Start of the hour.
    pub hour: UtcMicros,
    /// When it was recounted.
    pub at: UtcMicros,
    /// How many series were recounted.
    pub series: u64,
    /// Their round-trip times.
    pub samples: u64,
    /// Series whose counts, sum or extremes are not the events'.
    pub mismatches: u64,
    /// One entry a quantile.
    pub quantiles: Vec<AuditQuantile>,
}

/// How far one quantile was off, over all series that were recounted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AuditQuantile {
    /// Which, 0 to 1.
    pub q: f64,
    /// The greatest distance in rank, 0 to 1.
    pub rank_error_max: f64,
    /// The mean distance in rank.
    pub rank_error_mean: f64,
    /// The greatest distance, µs.
    pub error_us_max: f64,
    /// The mean distance, µs.
    pub error_us_mean: f64,
}

impl AuditItem {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let quantiles = self.quantiles.iter().map(|quantile| wire::AuditQuantile {
            q: quantile.q,
            rank_error_max: quantile.rank_error_max,
            rank_error_mean: quantile.rank_error_mean,
            error_us_max: quantile.error_us_max,
            error_us_mean: quantile.error_us_mean,
        });
        wire::Audit {
            schema_version: VERSION,
            hour_us: self.hour.0,
            at_us: self.at.0,
            series: self.series,
            samples: self.samples,
            mismatches: self.mismatches,
            quantiles: quantiles.collect(),
        }
        .encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::Audit = message("audit", bytes)?;
        check_version("audit", item.schema_version, VERSION)?;
        let quantiles = item.quantiles.iter().map(|quantile| AuditQuantile {
            q: quantile.q,
            rank_error_max: quantile.rank_error_max,
            rank_error_mean: quantile.rank_error_mean,
            error_us_max: quantile.error_us_max,
            error_us_mean: quantile.error_us_mean,
        });
        Ok(Self {
            hour: UtcMicros(item.hour_us),
            at: UtcMicros(item.at_us),
            series: item.series,
            samples: item.samples,
            mismatches: item.mismatches,
            quantiles: quantiles.collect(),
        })
    }
}
