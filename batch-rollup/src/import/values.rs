//! Values that every format has: times, round-trip times, names.

use std::net::IpAddr;

use chrono::{DateTime, NaiveDateTime};
use cloudping_model::{Family, Outcome, Pane, Protocol, Sample, TargetId, UtcMicros, VantageId};

use super::fault::Fault;

/// Times that have a date of four digits: 1970 to 9998, in µs.
const TIMES: std::ops::Range<i64> = 0..253_370_764_800_000_000;

/// A time: RFC 3339, the same without an offset (UTC then), or a number since 1970: of seconds up to 11 digits, of milliseconds up to 14, else
/// of microseconds.
pub(super) fn time(field: &str, text: &str) -> Result<UtcMicros, Fault> {
    let expected = "a time of the years 1970 to 9998 such as 2026-03-01T10:00:00Z, or a number since 1970";
    let micros = match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => number_of_micros(text),
        false => DateTime::parse_from_rfc3339(text)
            .map(|time| time.timestamp_micros())
            .or_else(|_| {
                let time = text.replacen('T', " ", 1);
                NaiveDateTime::parse_from_str(&time, "%Y-%m-%d %H:%M:%S%.f")
                    .map(|time| time.and_utc().timestamp_micros())
            })
            .ok(),
    };
    let micros = micros.filter(|micros| TIMES.contains(micros));
    micros.map(UtcMicros).ok_or_else(|| Fault::new(field, text, expected))
}

/// What was measured lies behind us: a time later than a day from `now` is refused. The day is for clocks that are ahead.
pub(super) fn past(field: &str, time: UtcMicros, now: UtcMicros) -> Result<(), Fault> {
    match time.0.saturating_sub(Pane::Day.micros()) <= now.0 {
        true => Ok(()),
        false => {
            let found = DateTime::from_timestamp_micros(time.0).map_or(time.0.to_string(), |time| time.to_rfc3339());
            Err(Fault::new(field, found, "a time that is past, or a day from now at most"))
        }
    }
}

fn number_of_micros(digits: &str) -> Option<i64> {
    let number: i64 = digits.parse().ok()?;
    let unit = match digits.len() {
        ..=11 => 1_000_000,
        12..=14 => 1_000,
        _ => 1,
    };
    number.checked_mul(unit)
}

/// A round-trip time in µs out of one in ms. Less than a microsecond counts as one: 0 would mean that it is unknown.
pub(super) fn rtt_us(field: &str, ms: f64) -> Result<u32, Fault> {
    let micros = (ms * 1000.0).round().max(1.0);
    let holds = ms > 0.0 && micros <= f64::from(i32::MAX);
    let expected = || Fault::new(field, ms, "milliseconds, more than 0 and less than 2147483");
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie within")]
    if holds { Ok(micros as u32) } else { Err(expected()) }
}

pub(super) fn vantage(field: &str, text: &str) -> Result<VantageId, Fault> {
    VantageId::new(text).map_err(|_| Fault::new(field, text, NAME))
}

pub(super) fn target(field: &str, text: &str) -> Result<TargetId, Fault> {
    TargetId::new(text).map_err(|_| Fault::new(field, text, NAME))
}

const NAME: &str = "1 to 64 characters out of a-z, 0-9 and . _ : -";

/// A probe of which nothing is known but this.
pub(super) fn sample(target: &TargetId, protocol: Protocol, offset_us: u32, to: (Family, Option<IpAddr>)) -> Sample {
    Sample {
        target: target.clone(),
        offset_us,
        protocol,
        outcome: Outcome::Timeout,
        rtt_us: None,
        connect_us: None,
        retransmits: 0,
        family: to.0,
        address: to.1,
    }
}

/// The probe, answered.
pub(super) fn answered(sample: Sample, rtt_us: u32) -> Sample {
    Sample { outcome: Outcome::Answered, rtt_us: Some(rtt_us), ..sample }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_and_machines_write_them() {
        let ten = 1_772_359_200_000_000;
        for (text, micros) in [
            ("2026-03-01T10:00:00Z", ten),
            ("2026-03-01T10:00:00.123Z", ten + 123_000),
            ("2026-03-01T12:00:00+02:00", ten),
            ("2026-03-01 10:00:00", ten),
            ("2026-03-01T10:00:00.5", ten + 500_000),
            ("1772359200", ten),
            ("1772359200123", ten + 123_000),
            ("1772359200123456", ten + 123_456),
        ] {
            assert_eq!(time("ts", text), Ok(UtcMicros(micros)), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01T10:00:00Z", "-5", "99999999999999999999", "10000-01-01T00:00:00Z"] {
            let fault = time("ts", text).unwrap_err();
            assert_eq!((fault.field.as_str(), fault.found.as_str()), ("ts", text));
        }
    }

    #[test]
    fn a_time_to_come_is_refused() {
        let (now, day) = (UtcMicros(1_772_359_200_000_000), 86_400_000_000);
        assert_eq!(past("ts", now + day, now), Ok(()));
        assert_eq!(past("ts", UtcMicros(0), now), Ok(()));
        let fault = past("ts", now + day + 1, now).unwrap_err();
        assert_eq!((fault.field.as_str(), fault.found.as_str()), ("ts", "2026-03-02T10:00:00.000001+00:00"));
    }

    #[test]
    fn milliseconds_become_microseconds_and_never_none() {
        assert_eq!(rtt_us("time", 68.4105), Ok(68_411));
        assert_eq!(rtt_us("time", 0.0001), Ok(1));
        for ms in [0.0, -1.0, f64::NAN, f64::INFINITY, 2_147_484.0] {
            assert!(rtt_us("time", ms).is_err(), "{ms}");
        }
    }
}
