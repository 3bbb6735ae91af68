//! The words of the project as types: vantage points, targets, samples, rounds and windows.
//!
//! Nothing here knows a clock, a wire format, a store or a runtime; boundary crates convert.

mod change;
mod geography;
mod id;
mod round;
mod time;
mod window;

pub use change::{Addresses, Level, RouteChange};
pub use geography::{LatLon, fibre_floor_ms, great_circle_km};
pub use id::{IdError, TargetId, VantageId};
pub use round::{Family, Gap, GapReason, Outcome, Protocol, Round, RoundId, Sample};
pub use time::UtcMicros;
pub use window::{Pane, Rolling};
