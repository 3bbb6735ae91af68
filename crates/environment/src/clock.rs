//! The wall clock.

use std::time::SystemTime;

use cloudping_model::UtcMicros;

/// The present moment; a clock before 1970 counts as 1970.
#[must_use]
pub fn now() -> UtcMicros {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UtcMicros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
}
