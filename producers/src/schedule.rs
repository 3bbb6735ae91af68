//! When probes leave: open loop, spread over the round, never in step with another vantage point.

use std::time::Duration;

/// Which part of the interval probes are spread over; the rest lets the last answers of a round come in before the next.
const SPREAD: f64 = 0.9;

/// When round `number` starts, after the start of the producer. It does not depend on what became of the rounds before.
///
/// `phase` in 0..1 is drawn once a producer: it keeps vantage points that were started together out of step.
#[must_use]
pub fn round_start(number: u64, interval: Duration, phase: f64) -> Duration {
    let interval_us = interval.as_micros() as f64;
    let whole = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(whole.saturating_mul(number)) + Duration::from_micros((interval_us * phase) as u64)
}

/// When the probe in slot `slot` of `slots` leaves, after the start of its round. `jitter` in 0..1 is drawn for each probe:
/// it keeps probes from beating against whatever is periodic on the way.
#[must_use]
pub fn probe_offset(slot: usize, slots: usize, interval: Duration, jitter: f64) -> Duration {
    let share = (slot as f64 + jitter) / slots.max(1) as f64;
    interval.mul_f64(SPREAD * share)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rounds_start_on_time_for_ever() {
        let interval = Duration::from_millis(100);
        let far = round_start(10_000_000_000, interval, 0.25);
        assert_eq!(far, Duration::from_millis(1_000_000_000_025));
    }

    proptest! {
        #[test]
        fn each_probe_leaves_within_its_own_slot(
            slots in 1..500_usize, jitter in 0.0..1.0_f64, interval_ms in 10..100_000_u64,
        ) {
            let interval = Duration::from_millis(interval_ms);
            for slot in 0..slots {
                let offset = probe_offset(slot, slots, interval, jitter);
                let bound = |edge: usize| interval.mul_f64(SPREAD * edge as f64 / slots as f64);
                prop_assert!(bound(slot) <= offset && offset <= bound(slot + 1));
            }
        }
    }
}
