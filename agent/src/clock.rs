//! The wall clock, and how its moments are written.

use std::time::SystemTime;

use cloudping_model::UtcMicros;

pub use cloudping_environment::now;

/// A moment as RFC 3339 in UTC, to the microsecond.
pub fn rfc3339(at: UtcMicros) -> String {
    let since_1970 = std::time::Duration::from_micros(u64::try_from(at.0).unwrap_or(0));
    humantime::format_rfc3339_micros(SystemTime::UNIX_EPOCH + since_1970).to_string()
}
