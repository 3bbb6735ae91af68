//! Where each item lives in the live store.

use std::ops::Range;

use cloudping_model::{Pane, UtcMicros, VantageId};

/// Every sort key that an item may have.
pub const ALL: Range<&str> = "!".."\u{10FFFF}";

/// The partition that lists the vantage points: one head each, under the vantage point's id.
pub const HEADS: &str = "heads";
/// The partition of the series tables, one under each vantage point's id.
pub const SERIES: &str = "series";
/// The partition of the watches, one under each vantage point's id.
pub const WATCHES: &str = "watches";
/// The partition of the regimes, one item under each vantage point's id.
pub const REGIMES: &str = "regimes";
/// The partition of the route changes that the event log has not acknowledged yet.
pub const OUTBOX: &str = "outbox";
/// The partition of the audits, one under each hour's start.
pub const AUDITS: &str = "audits";
/// The partition of the processor's checkpoints: one item a shard.
pub const CHECKPOINTS: &str = "checkpoints";
/// The partition of the dead letters.
pub const DEAD_LETTERS: &str = "dead-letters";

/// The partition of a vantage point's panes of one size.
#[must_use]
pub fn panes(vantage: &VantageId, pane: Pane) -> String {
    format!("panes/{}/{vantage}", pane.name())
}

/// The partition of a vantage point's route changes.
#[must_use]
pub fn changes(vantage: &VantageId) -> String {
    format!("changes/{vantage}")
}

/// The sort key of the route changes of a minute that were found at another; sort keys order as the minutes of the changes do.
#[must_use]
pub fn change(minute: UtcMicros, found: UtcMicros) -> String {
    format!("{}/{}", pane_start(minute), pane_start(found))
}

/// The sort key of the pane that starts then; sort keys order as times do.
///
/// Events before 1970 have no panes: their start is clamped to 0.
#[must_use]
pub fn pane_start(start: UtcMicros) -> String {
    format!("{:019}", start.0.max(0))
}

/// The sort key of a dead letter.
#[must_use]
pub fn dead_letter(shard: &str, sequence: &str) -> String {
    format!("{shard}/{sequence:0>64}")
}
