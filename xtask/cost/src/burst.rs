//! Whether a table of provisioned capacity gets through its bursts: once an hour every vantage point's minutes are folded, and read anew.

use serde::Serialize;

/// For so long DynamoDB keeps capacity that was not used, s: "up to 5 minutes", and no promise.
const KEPT_S: f64 = 300.0;

/// How a day's requests fare.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Burst {
    /// The most that is asked for in one window, units.
    pub most: u64,
    /// What is left of the unused capacity at the worst moment, units. Below 0 requests are refused until so much has become free.
    pub least_left: f64,
    /// By how much what was refused comes late at the most, s; 0 where nothing is refused.
    pub late_s: f64,
}

/// A day of requests, in units by windows of so many seconds, against a capacity of so many units a second.
///
/// What is refused is asked for again until it is taken, so it waits for free capacity, before all that comes later.
#[must_use]
pub fn burst(asked: &[u64], window_s: u32, units_a_second: f64) -> Burst {
    let (kept, each) = (KEPT_S * units_a_second, f64::from(window_s) * units_a_second);
    let (mut left, mut least_left) = (kept, kept);
    // The second time round the day begins as days do.
    for units in asked.iter().chain(asked) {
        left = (left + each).min(kept) - *units as f64;
        least_left = least_left.min(left);
    }
    let late_s = if units_a_second > 0.0 { (-least_left).max(0.0) / units_a_second } else { f64::INFINITY };
    Burst { most: asked.iter().copied().max().unwrap_or(0), least_left, late_s }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_five_minutes_pays_for_a_burst() {
        let hour = |burst: u64| -> Vec<u64> { std::iter::once(burst).chain(std::iter::repeat_n(100, 359)).collect() };
        // 20 a second, of which 10 are used: the other 10 fill 6,000 within ten minutes.
        let held = burst(&hour(5_000), 10, 20.0);
        assert_eq!((held.most, held.late_s), (5_000, 0.0));
        assert!((held.least_left - 1_000.0).abs() < 1e-9, "{held:?}");
        // What is beyond waits until it has become free.
        let late = burst(&hour(8_000), 10, 20.0);
        assert!((late.late_s - 100.0).abs() < 1e-9, "{late:?}");
        // And without any left over it never does.
        assert!(burst(&[250; 8_640], 10, 20.0).late_s > 2.0 * 86_400.0 * 0.2);
        assert_eq!(burst(&[1], 10, 0.0).late_s, f64::INFINITY);
    }

    #[test]
    fn a_day_begins_as_the_day_before_ended() {
        let mut asked = vec![0; 60];
        asked[59] = 6_000;
        asked[0] = 3_000;
        let found = burst(&asked, 10, 20.0);
        assert!((found.late_s - 140.0).abs() < 1e-9, "3,000 are asked for 10 s after all was spent: {found:?}");
    }
}
