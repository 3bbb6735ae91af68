//! The wall clock: the one place where the process reads it.

use std::time::SystemTime;

use cloudping_model::UtcMicros;

/// The present moment.
pub fn now() -> UtcMicros {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UtcMicros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
}
