//! A point in time, as a command line names it.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use cloudping_model::{Pane, UtcMicros};

/// A moment, or how long ago it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The moment.
    At(UtcMicros),
    /// So long before now.
    Ago(Duration),
}

impl Since {
    /// The start of the UTC day that it is in.
    pub fn start_of_day(self, now: UtcMicros) -> UtcMicros {
        let at = match self {
            Self::At(at) => at,
            Self::Ago(ago) => now - i64::try_from(ago.as_micros()).unwrap_or(i64::MAX),
        };
        Pane::Day.start_of(at)
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ago) = humantime::parse_duration(text) {
            return Ok(Self::Ago(ago));
        }
        let time = if text.contains(['T', ' ']) { text.to_owned() } else { format!("{text}T00:00:00Z") };
        let since_1970 = humantime::parse_rfc3339_weak(&time)
            .ok()
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_micros()).ok());
        let expected =
            "expected a date such as 2026-03-01, a time such as 2026-03-01T10:00:00Z, or a time ago such as 30d";
        since_1970.map(|micros| Self::At(UtcMicros(micros))).ok_or_else(|| expected.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_a_time_or_a_time_ago_is_the_start_of_its_day() {
        let now = UtcMicros(1_772_359_200_000_000);
        let start = |text: &str| text.parse::<Since>().map(|since| since.start_of_day(now).0);
        let first_of_march = 1_772_323_200_000_000;
        for same in ["2026-03-01", "2026-03-01T10:00:00Z", "2026-03-01 23:59:59", "9h"] {
            assert_eq!(start(same), Ok(first_of_march), "{same}");
        }
        assert_eq!(start("11h"), Ok(first_of_march - Pane::Day.micros()));
        assert!(start("soon").unwrap_err().starts_with("expected a date"));
    }
}
