//! Rolling windows of one vantage point, as merges of the tumbling panes that the live store keeps. Pure: panes and a moment in, merged
//! series out.
//!
//! - [`TwoStacks`]: the sum of what is in a queue, with a constant number of merges for each part that passes through it.
//! - [`Windows`]: the six rolling windows, from [`Panes`].
//! - [`Columns`]: what one pane or window holds of every series.
//! - [`Places`]: which series those are.
//!
//! ```
//! use std::sync::Arc;
//! use cloudping_digest::Counts;
//! use cloudping_model::{Rolling, UtcMicros};
//! use cloudping_windows::{Columns, Panes, StoredPane, Windows};
//!
//! let mut panes = Panes::default();
//! for minute in 0..10 {
//!     let start = UtcMicros(minute * 60_000_000);
//!     let mut columns = Columns::default();
//!     columns.push_sorted(0, &[70_000, 71_000], &Counts { last_at_us: Some(start.0), ..Counts::default() });
//!     Arc::make_mut(&mut panes.minutes).insert(start, StoredPane::new(start, 1, columns));
//! }
//! let mut windows = Windows::default();
//! let last_five = windows.series(Rolling::FiveMinutes, &panes, UtcMicros(9 * 60_000_000 + 1));
//! assert_eq!(last_five.get(0).unwrap().received(), 10);
//! ```

mod columns;
mod panes;
mod places;
mod two_stacks;
mod windows;

pub use columns::Columns;
pub use panes::{Panes, StoredPane, StoredPanes};
pub use places::{Places, ReadError};
pub use two_stacks::{Growing, Part, TwoStacks};
pub use windows::Windows;
