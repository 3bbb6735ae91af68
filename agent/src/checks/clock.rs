//! Whether the clock is right: events carry its time, and AWS refuses requests whose time is off.

use std::time::{Duration, SystemTime};

use cloudping_model::UtcMicros;

use super::finding::Finding;

/// What the kernel knows of its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discipline {
    /// A time service keeps it, within this many µs by its own estimate.
    Kept {
        /// The estimate, µs.
        error_us: i64,
    },
    /// Nobody does.
    Free,
    /// The kernel does not say.
    Unknown,
}

/// How far this clock is from another's: `ahead_us` more, give or take `within_us`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// This clock less the other, µs.
    pub ahead_us: i64,
    /// Half of the time in which the other was read, and of its resolution, µs.
    pub within_us: i64,
}

/// An HTTP date tells the second, not more, µs.
const RESOLUTION_US: i64 = 1_000_000;
/// Rounds would be shown in the wrong minute, µs.
const FAR_US: i64 = 60_000_000;
/// More than a clock that is kept has, µs.
const NEAR_US: i64 = 1_000_000;

impl Offset {
    /// From an answer's `Date` (RFC 9110) and our time before the question and after the answer.
    pub fn by_http(date: &str, before: UtcMicros, after: UtcMicros) -> Option<Self> {
        let date = httpdate::parse_http_date(date).ok()?;
        let date = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let theirs = i64::try_from(date.as_micros()).ok()? + RESOLUTION_US / 2;
        let ours = before.0 + (after.0 - before.0) / 2;
        Some(Self { ahead_us: ours - theirs, within_us: RESOLUTION_US / 2 + (after.0 - before.0) / 2 })
    }

    /// By how much it is off at the least, µs.
    fn at_least_us(self) -> i64 {
        (self.ahead_us.abs() - self.within_us).max(0)
    }
}

/// What to think of the kernel's word.
pub fn judge_discipline(discipline: Discipline) -> Finding {
    const CHECK: &str = "clock";
    const NEXT: &str = "start a time service: `systemctl enable --now chronyd` or systemd-timesyncd";
    match discipline {
        Discipline::Kept { error_us } => Finding::ok(
            CHECK,
            format!("kept by a time service, within {:.1} ms by its estimate", error_us as f64 / 1e3),
        ),
        Discipline::Free => Finding::warn(CHECK, "no time service keeps it, as far as the kernel knows", NEXT),
        Discipline::Unknown => Finding::warn(CHECK, "the kernel does not say whether a time service keeps it", NEXT),
    }
}

/// What to think of the offset to `server`'s clock; `Err` says why there is none.
pub fn judge_offset(check: &'static str, server: &str, offset: Result<Offset, String>) -> Finding {
    let offset = match offset {
        Ok(offset) => offset,
        Err(reason) => {
            let next = "see in another way that the clock is right";
            return Finding::warn(check, format!("not compared with {server}: {reason}"), next);
        }
    };
    let (off, seconds) = (offset.at_least_us(), |us: i64| format!("{:.1} s", us.abs() as f64 / 1e6));
    let side = if offset.ahead_us > 0 { "ahead of" } else { "behind" };
    let found = match off {
        0 => format!("as {server}'s, to {}", seconds(offset.within_us)),
        _ => format!("{} {side} {server}'s, give or take {}", seconds(offset.ahead_us), seconds(offset.within_us)),
    };
    let next = "set the clock; rounds are filed under its time, and AWS refuses requests that are minutes off";
    match off {
        FAR_US.. => Finding::fail(check, found, next),
        NEAR_US.. => Finding::warn(check, found, next),
        _ => Finding::ok(check, found),
    }
}

/// The offset to the `Date` of a plain HTTP server.
///
/// # Errors
/// Why there is no answer, or no date in it.
pub fn ask(url: &str, limit: Duration, now: fn() -> UtcMicros) -> Result<Offset, String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(limit)).http_status_as_error(false).build();
    let before = now();
    let answer = ureq::Agent::from(config).get(url).call().map_err(|error| error.to_string())?;
    let after = now();
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    let date = date.ok_or("its answer has no date")?;
    Offset::by_http(date, before, after).ok_or_else(|| format!("its answer has the date {date:?}"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const SECOND: i64 = 784_111_777;
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn judged(ahead_ms: i64, took_ms: i64) -> (Status, String) {
        // The other's clock is in the middle of its second when it answers.
        let middle = SECOND * 1_000_000 + 500_000 + ahead_ms * 1_000;
        let (before, after) = (UtcMicros(middle - took_ms * 500), UtcMicros(middle + took_ms * 500));
        let finding = judge_offset("time", "example", Ok(Offset::by_http(DATE, before, after).unwrap()));
        (finding.status, finding.found)
    }

    #[test]
    fn an_offset_is_told_only_beyond_what_a_date_can_tell() {
        assert_eq!(judged(0, 20), (Status::Ok, "as example's, to 0.5 s".to_owned()));
        assert_eq!(judged(-500, 20), (Status::Ok, "as example's, to 0.5 s".to_owned()));
        assert_eq!(judged(1_200, 20).0, Status::Ok);
        assert_eq!(judged(-3_000, 200), (Status::Warn, "3.0 s behind example's, give or take 0.6 s".to_owned()));
        assert_eq!(judged(3_000, 10_000).0, Status::Ok);
        assert_eq!(
            judged(86_400_000, 20),
            (Status::Fail, "86400.0 s ahead of example's, give or take 0.5 s".to_owned())
        );
    }

    #[test]
    fn what_could_not_be_compared_is_said() {
        let finding = judge_offset("time", "example", Err("no answer".to_owned()));
        assert_eq!((finding.status, &*finding.found), (Status::Warn, "not compared with example: no answer"));
        assert!(Offset::by_http("yesterday", UtcMicros(0), UtcMicros(0)).is_none());
    }

    #[test]
    fn a_clock_that_nobody_keeps_is_a_warning() {
        assert_eq!(
            judge_discipline(Discipline::Kept { error_us: 1_500 }).found,
            "kept by a time service, within 1.5 ms by its estimate"
        );
        assert_eq!(judge_discipline(Discipline::Free).status, Status::Warn);
        assert_eq!(judge_discipline(Discipline::Unknown).status, Status::Warn);
    }
}
