//! The search for route steps: where it stands, and what was measured since the last step.

use cloudping_digest::SeriesSummary;
use cloudping_model::{RouteChange, UtcMicros};
use prost::Message;

use super::{StoredError, check_version, message, wire, wrong};
use crate::event::{decode_change, encode_change};

const VERSION: u32 = 1;

/// Where the search for route steps stands, for all series of a vantage point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WatchItem {
    /// Minutes before this one were observed.
    pub observed_until: UtcMicros,
    /// For each series that was observed: places passed over (varint), then its detector. The stream processor's own encoding.
    pub detectors: Vec<u8>,
}

impl WatchItem {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (observed_until_us, detectors) = (self.observed_until.0, self.detectors.clone());
        wire::Watch { schema_version: VERSION, observed_until_us, detectors }.encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::Watch = message("watch", bytes)?;
        check_version("watch", item.schema_version, VERSION)?;
        Ok(Self { observed_until: UtcMicros(item.observed_until_us), detectors: item.detectors })
    }
}

/// The route steps of one minute of a vantage point that were found at once. One item, since a path that all series share may step
/// for all of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChangesItem {
    /// The changes.
    pub changes: Vec<RouteChange>,
}

impl ChangesItem {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let changes = self.changes.iter().map(encode_change).collect();
        wire::Changes { schema_version: VERSION, changes }.encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::Changes = message("changes", bytes)?;
        check_version("changes", item.schema_version, VERSION)?;
        let changes = item.changes.iter().map(|bytes| decode_change(bytes));
        Ok(Self { changes: changes.collect::<Result<_, _>>()? })
    }
}

/// What was measured of one series since its last route step.
#[derive(Debug, Clone, PartialEq)]
pub struct Regime {
    /// Place in the series table.
    pub series: u32,
    /// Start of the first minute of the level that the series is at.
    pub since: UtcMicros,
    /// The minutes from there on that are folded.
    pub summary: SeriesSummary,
}

/// The regimes of all series of a vantage point, ascending by series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RegimesItem {
    /// One entry a series.
    pub regimes: Vec<Regime>,
}

impl RegimesItem {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let regimes = self.regimes.iter().map(|regime| {
            let mut summary = Vec::new();
            regime.summary.put(regime.since.0, &mut summary);
            wire::Regime { series: regime.series, since_us: regime.since.0, summary }
        });
        wire::Regimes { schema_version: VERSION, regimes: regimes.collect() }.encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::Regimes = message("regimes", bytes)?;
        check_version("regimes", item.schema_version, VERSION)?;
        let regimes = item.regimes.into_iter().map(|regime| {
            let mut bytes = regime.summary.as_slice();
            let of = || format!("series {}", regime.series);
            let summary = SeriesSummary::take(&mut bytes, regime.since_us);
            let summary = summary.map_err(|source| StoredError::Summary { of: of(), source })?;
            if !bytes.is_empty() {
                return Err(wrong("regimes", "summary", format_args!("{} bytes more", bytes.len()), "one summary"));
            }
            Ok(Regime { series: regime.series, since: UtcMicros(regime.since_us), summary })
        });
        Ok(Self { regimes: regimes.collect::<Result<_, StoredError>>()? })
    }
}
