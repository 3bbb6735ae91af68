//! The wall clock.

use std::time::{Duration, SystemTime};

use cloudping_model::UtcMicros;

/// The present moment; a clock before 1970 counts as 1970.
#[must_use]
pub fn now() -> UtcMicros {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UtcMicros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
}

/// What is left until a deadline, without what is kept `to_answer` in; none where the deadline has passed, as cargo-lambda's, which lies in 1970.
#[must_use]
pub fn time_left(deadline: SystemTime, to_answer: Duration) -> Option<Duration> {
    Some(deadline.duration_since(SystemTime::now()).ok()?.saturating_sub(to_answer))
}
