//! Route steps: what the search for changes of level found.

use std::net::IpAddr;

use crate::{Family, Protocol, TargetId, UtcMicros, VantageId};

/// A step in the level of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteChange {
    /// Who measured.
    pub vantage: VantageId,
    /// What was measured.
    pub target: TargetId,
    /// How.
    pub protocol: Protocol,
    /// Over which address family.
    pub family: Family,
    /// Start of the first minute at the new level.
    pub minute: UtcMicros,
    /// The newest start of a round when the step was found.
    pub found_at: UtcMicros,
    /// The median of the minute medians before, µs.
    pub before_us: u32,
    /// The median of the minute medians since, µs.
    pub after_us: u32,
    /// By how much the test's threshold was passed: 1 is just enough.
    pub score: f32,
    /// The level that ended.
    pub ended: Level,
    /// Where the target was measured; `None` where that is not known, or was no single address, on either side of the step.
    pub addresses: Option<Addresses>,
}

/// The resolved addresses of a target on both sides of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Before the step.
    pub before: IpAddr,
    /// Since; the same one unless the target moved.
    pub after: IpAddr,
}

impl Addresses {
    /// Whether the step came with another address: then it is another machine that is reached, and not only another way to it.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.before != self.after
    }
}

/// All round-trip times between two route steps. Percentiles are `None` without any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Start of its first minute.
    pub since: UtcMicros,
    /// How many round-trip times.
    pub count: u64,
    /// 10th, 50th, 90th and 99th percentile, µs.
    pub percentiles_us: Option<[f64; 4]>,
}

impl Level {
    /// What [`Level::percentiles_us`] are percentiles of.
    pub const QUANTILES: [f64; 4] = [0.10, 0.50, 0.90, 0.99];
}
