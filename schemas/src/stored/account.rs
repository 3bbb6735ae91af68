//! What the region manager found of the account's regions: a JSON object beside the archive's tables, written anew by each run.

use serde::{Deserialize, Serialize};

/// The regions of the account, as the last run left them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountRegions {
    /// When that was, µs since 1970.
    pub checked_at_us: i64,
    /// Each region that the account knows of, in the order of their codes.
    pub regions: Vec<AccountRegion>,
}

/// A region of the account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountRegion {
    /// Its code.
    pub id: String,
    /// Whether the account may use it, in AWS's word: `ENABLED_BY_DEFAULT`, `ENABLED`, `ENABLING`, `DISABLING`, `DISABLED`.
    pub status: String,
    /// Whether the catalogue that the run had knows where it is.
    pub catalogued: bool,
    /// What became of it: `unchanged`, `created`, `updated`, `removed`, `none`, `enabling` or `failed`.
    pub outcome: String,
    /// The SHA-256 (base64) of the package that its producer has; none without a producer, or where it could not be asked.
    pub producer_sha256: Option<String>,
    /// Why it failed and what to do next, or what is to be known.
    pub note: Option<String>,
}
