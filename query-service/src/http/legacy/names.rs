//! The words of the API, and its numbers and times.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use cloudping_model::UtcMicros;

use super::error::Refusal;
use crate::statistic::Statistic;

pub(super) const DAY_US: i64 = 86_400_000_000;

/// The percentiles by the names that the API has for them.
pub(super) const PERCENTILES: [(&str, Statistic); 8] = [
    ("p_10", Statistic::Quantile(0.10)),
    ("p_25", Statistic::Quantile(0.25)),
    ("p_50", Statistic::Quantile(0.50)),
    ("p_75", Statistic::Quantile(0.75)),
    ("p_90", Statistic::Quantile(0.90)),
    ("p_98", Statistic::Quantile(0.98)),
    ("p_99", Statistic::Quantile(0.99)),
    ("latency", Statistic::Mean),
];
/// The timeframes and their days.
pub(super) const TIMEFRAMES: [(&str, i64); 4] = [("1D", 1), ("1W", 7), ("1M", 30), ("1Y", 365)];

/// The choice that a parameter names.
pub(super) fn choose<T: Copy>(
    name: &str,
    wanted: &str,
    choices: &[(&'static str, T)],
) -> Result<(&'static str, T), Refusal> {
    let found = choices.iter().find(|(choice, _)| *choice == wanted);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
        Refusal::bad_request(format!("Invalid {name}. Must be one of: {}", names.join(", ")))
    })
}

/// Rounded as the API always did.
pub(super) fn two_decimals(rtt_ms: f64) -> f64 {
    (rtt_ms * 100.0).round() / 100.0
}

/// The moment that a text names: by RFC 3339, or without an offset, in UTC, or a day, its start.
pub(super) fn moment(name: &str, text: &str) -> Result<UtcMicros, Refusal> {
    let zoned = DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros());
    let unzoned = || text.parse::<NaiveDateTime>().ok().map(|time| time.and_utc().timestamp_micros());
    let day = || text.parse::<NaiveDate>().ok().map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp_micros());
    zoned.or_else(unzoned).or_else(day).map(UtcMicros).ok_or_else(|| {
        Refusal::bad_request(format!("Invalid {name}. Must be a time by ISO 8601, such as 2026-01-01T00:00:00Z"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::rfc3339;

    #[test]
    fn times_are_utc_unless_they_say_otherwise() {
        for (text, expected) in [
            ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000Z"),
            ("2026-01-01T00:00:00.250Z", "2026-01-01T00:00:00.250Z"),
            ("2026-01-01T00:00:00", "2026-01-01T00:00:00.000Z"),
            ("2026-01-01", "2026-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(moment("end", text).map(rfc3339).unwrap(), expected, "{text}");
        }
        for bad in ["", "yesterday", "1767225600", "2026-13-01", "2026-01-01T25:00:00Z"] {
            assert!(moment("end", bad).is_err(), "{bad}");
        }
    }
}
