//! The wall clock: the one place where the process reads it.

use std::time::SystemTime;

use cloudping_model::UtcMicros;

/// The present moment.
pub fn now() -> UtcMicros {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UtcMicros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
}

/// A moment as RFC 3339 in UTC, to the microsecond.
pub fn rfc3339(at: UtcMicros) -> String {
    let since_1970 = std::time::Duration::from_micros(u64::try_from(at.0).unwrap_or(0));
    humantime::format_rfc3339_micros(SystemTime::UNIX_EPOCH + since_1970).to_string()
}
