//! Times and rows as text.

use chrono::{DateTime, SecondsFormat, Utc};
use cloudping_model::UtcMicros;

/// The moment as the calendar's; 1970 where it is beyond the calendar.
pub(crate) fn utc(at: UtcMicros) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.0).unwrap_or_default()
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(at: UtcMicros) -> String {
    utc(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The moment that an RFC 3339 text names.
pub(crate) fn parse_rfc3339(text: &str) -> Option<UtcMicros> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(UtcMicros(time.timestamp_micros()))
}

/// Microseconds as milliseconds, to the microsecond.
pub(crate) fn millis(micros: f64) -> f64 {
    micros.round() / 1000.0
}

/// Appends a CSV field (RFC 4180); quotes only where it must.
pub(crate) fn push_csv(out: &mut String, field: &str) {
    if field.contains([',', '"', '\n', '\r']) {
        out.push('"');
        out.push_str(&field.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(field);
    }
}

/// Appends a CSV row.
pub(crate) fn push_csv_row<'a>(out: &mut String, fields: impl IntoIterator<Item = &'a str>) {
    for (at, field) in fields.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_csv(out, field);
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_their_own_inverse_to_the_millisecond() {
        let at = UtcMicros(1_767_225_600_123_000);
        assert_eq!(rfc3339(at), "2026-01-01T00:00:00.123Z");
        assert_eq!(parse_rfc3339(&rfc3339(at)), Some(at));
        assert_eq!(parse_rfc3339("2026-01-01T01:00:00+01:00"), parse_rfc3339("2026-01-01T00:00:00Z"));
        assert_eq!(parse_rfc3339("1767225600"), None);
    }

    #[test]
    fn csv_quotes_only_where_it_must() {
        let mut out = String::new();
        push_csv_row(&mut out, ["plain", "a,b", "say \"x\"", ""]);
        assert_eq!(out, "plain,\"a,b\",\"say \"\"x\"\"\",\r\n");
    }
}
