//! Whose numbers a live store or an archive on AWS holds: JSON, made at the first use.

use serde::{Deserialize, Serialize};

/// The simulated network, as a mark names it.
pub const PLANET: &str = "planet";
/// The real one.
pub const WORLD: &str = "world";

/// Where numbers come from. Nothing in the tables tells simulated ones from real ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkMark {
    /// [`PLANET`] or [`WORLD`].
    pub network: String,
    /// The ARN of the stream that they came through: checkpoints are places in it.
    pub stream: String,
}
