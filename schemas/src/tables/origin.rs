//! Where a sample comes from.

use std::fmt;
use std::str::FromStr;

/// Where the rows of a sample come from, as the column `origin` of the samples says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A producer of this archive measured it. Stored as null.
    Measured,
    /// A producer of this archive measured it on a simulated network.
    Simulated,
    /// Imported: one ping of a run of CloudPing.co.
    CloudPing,
    /// Imported: the average of a run of CloudPing.co whose single pings are not known. No rollup counts it: percentiles are of samples.
    CloudPingAverage,
    /// Imported: a ping of RIPE Atlas.
    RipeAtlas,
    /// Imported from a table in CSV.
    Csv,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Self; 6] =
        [Self::Measured, Self::Simulated, Self::CloudPing, Self::CloudPingAverage, Self::RipeAtlas, Self::Csv];

    /// What the column holds; `None` for null.
    #[must_use]
    pub fn stored(self) -> Option<&'static str> {
        match self {
            Self::Measured => None,
            Self::Simulated => Some("simulated"),
            Self::CloudPing => Some("cloudping.co"),
            Self::CloudPingAverage => Some("cloudping.co/average"),
            Self::RipeAtlas => Some("ripe-atlas"),
            Self::Csv => Some("csv"),
        }
    }

    /// What the column holds, as an origin.
    ///
    /// # Errors
    /// [`UnknownOrigin`] when it is none.
    pub fn from_stored(stored: Option<&str>) -> Result<Self, UnknownOrigin> {
        let found = Self::ALL.into_iter().find(|origin| origin.stored() == stored);
        found.ok_or_else(|| UnknownOrigin(stored.unwrap_or_default().to_owned()))
    }

    /// Whether its rows are single probes, which is what percentiles are of.
    #[must_use]
    pub fn is_of_samples(self) -> bool {
        self != Self::CloudPingAverage
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stored().unwrap_or("measured"))
    }
}

impl FromStr for Origin {
    type Err = UnknownOrigin;

    fn from_str(name: &str) -> Result<Self, UnknownOrigin> {
        let found = Self::ALL.into_iter().find(|origin| origin.to_string() == name);
        found.ok_or_else(|| UnknownOrigin(name.to_owned()))
    }
}

/// A text that is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("origin {0:?}, expected measured, simulated, cloudping.co, cloudping.co/average, ripe-atlas or csv")]
pub struct UnknownOrigin(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_origin_comes_back() {
        for origin in Origin::ALL {
            assert_eq!(Origin::from_stored(origin.stored()), Ok(origin));
            assert_eq!(origin.to_string().parse(), Ok(origin));
        }
        let unknown = Origin::from_stored(Some("hearsay")).unwrap_err();
        assert!(unknown.to_string().starts_with(r#"origin "hearsay""#), "{unknown}");
    }
}
