//! What was measured in a range of time, in windows: from the rollups where they have whole windows, from the samples at the edges and where
//! rollups are missing, and from the live store's minutes for what the archive does not hold yet.
//!
//! - `plan`: which part of a range comes from where, decided without looking at a row.
//! - `window`: what the parts of a window add up to, and its percentiles with how far off they may be.
//! - `read`: the rows.
//!
//! Percentiles are of samples: exact where every value is at hand, or where a window is one row of a rollup, which has them. Else they come
//! from merged digests, and each says by how much its rank may be off (`window::Quantile::rank_error`).

mod plan;
mod read;
mod window;

use std::collections::BTreeMap;

use cloudping_model::{Pane, Protocol, UtcMicros};

pub(crate) use plan::live_from;
pub(crate) use read::{from_archive, from_minutes};
pub(crate) use window::{Measured, Window};

pub(crate) const HOUR_US: i64 = 3_600_000_000;
pub(crate) const DAY_US: i64 = 24 * HOUR_US;

/// Windows of `step_us` each from `start` on; the last one ends at `end`, exclusive, even where it is shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: UtcMicros,
    pub(crate) end: UtcMicros,
    pub(crate) step_us: i64,
}

impl Span {
    /// One window.
    pub(crate) fn whole(start: UtcMicros, end: UtcMicros) -> Self {
        Self { start, end, step_us: (end.0 - start.0).max(1) }
    }

    /// The start of the window that a moment lies in.
    pub(crate) fn window_of(&self, at: UtcMicros) -> UtcMicros {
        self.start + UtcMicros(at.0 - self.start.0).floor(self.step_us).0
    }
}

/// Of what the windows are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Subject {
    pub(crate) source: String,
    /// `None`: all that the source has measured.
    pub(crate) target: Option<String>,
    pub(crate) protocol: Protocol,
}

/// How a range is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// From single round-trip times only.
    pub(crate) exact: bool,
    /// Whether the service shows a simulated network.
    pub(crate) simulated: bool,
    pub(crate) now: UtcMicros,
}

/// Windows by their start, each by address family.
pub(crate) type Windows = BTreeMap<UtcMicros, BTreeMap<i32, Window>>;
/// The windows of each target.
pub(crate) type ByTarget = BTreeMap<String, Windows>;

/// Of a window that was measured over both address families IPv4; where there was none in it, IPv6.
pub(crate) fn preferred(families: BTreeMap<i32, Window>) -> Option<(i32, Window)> {
    families.into_iter().find(|(_, window)| window.sent() > 0)
}

/// A range in whole minutes, which is what the live store can answer.
pub(crate) fn whole_minutes(start: UtcMicros, end: UtcMicros) -> (UtcMicros, UtcMicros) {
    let minute = Pane::Minute.micros();
    (start.floor(minute), (end + (minute - 1)).floor(minute))
}
