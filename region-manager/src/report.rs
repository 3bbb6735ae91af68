//! What a run did, region by region.

use cloudping_model::UtcMicros;
use cloudping_schemas::stored::{AccountRegion, AccountRegions};
use serde::Serialize;

use crate::{CloudError, OptStatus};

/// What became of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has what it should have, and had it before.
    Unchanged,
    /// It has a producer now.
    Created,
    /// Its producer was changed.
    Updated,
    /// Its producer was removed.
    Removed,
    /// It has no producer, and should have none.
    None,
    /// It was asked for, and has no producer until AWS is done with that.
    Enabling,
    /// What should be done was found, and not done: the run was a dry one.
    Planned,
    /// It was not brought to what it should have.
    Failed,
}

/// What became of a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionReport {
    /// Its code.
    pub region: String,
    /// Whether the account may use it.
    pub status: OptStatus,
    /// Whether the catalogue knows where it is.
    pub catalogued: bool,
    /// What became of it.
    pub outcome: Outcome,
    /// The steps that were taken, or that a dry run would take, in their order.
    pub steps: Vec<String>,
    /// The SHA-256 (base64) of the package that its producer has; none without a producer, or where it could not be asked.
    pub code_sha256: Option<String>,
    /// Why it failed and what to do next, or what is to be known.
    pub note: Option<String>,
}

impl Outcome {
    /// Its word, as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Removed => "removed",
            Self::None => "none",
            Self::Enabling => "enabling",
            Self::Planned => "planned",
            Self::Failed => "failed",
        }
    }
}

impl RegionReport {
    pub(crate) fn failed(mut self, error: &CloudError) -> Self {
        self.outcome = Outcome::Failed;
        self.note = Some(format!("{error}; {}", error.fault.advice()));
        self
    }
}

/// What became of all regions, in the order of their codes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Each of them.
    pub regions: Vec<RegionReport>,
}

impl Report {
    /// How many regions came to this.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.regions.iter().filter(|region| region.outcome == outcome).count()
    }

    /// The regions that failed.
    pub fn failed(&self) -> impl Iterator<Item = &RegionReport> {
        self.regions.iter().filter(|region| region.outcome == Outcome::Failed)
    }

    /// What is kept of a run of this time.
    #[must_use]
    pub fn stored(&self, checked_at: UtcMicros) -> AccountRegions {
        let region = |region: &RegionReport| AccountRegion {
            id: region.region.clone(),
            status: region.status.to_string(),
            catalogued: region.catalogued,
            outcome: region.outcome.word().to_owned(),
            producer_sha256: region.code_sha256.clone(),
            note: region.note.clone(),
        };
        AccountRegions { checked_at_us: checked_at.0, regions: self.regions.iter().map(region).collect() }
    }
}
