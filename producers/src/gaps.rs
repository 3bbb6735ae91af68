//! What a producer could not measure, told from its clocks: a machine that slept, a wall clock that was set, a schedule
//! that was not kept. The functions are pure; only [`now`] reads clocks.

use std::time::Duration;

use cloudping_model::{Gap, GapReason, Round, UtcMicros};

/// A machine that stood still for less did not sleep: its two clocks are read one after the other.
const SUSPENDED_FROM_US: i64 = 10_000;
/// A wall clock that moved by less against the machine's own was slewed or read late, not set.
const STEP_FROM_US: i64 = 500_000;

/// One reading of the machine's three clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// `CLOCK_REALTIME`: what the world calls the time; can be set.
    pub wall: UtcMicros,
    /// `CLOCK_MONOTONIC`, µs: stands still while the machine is suspended.
    pub monotonic_us: i64,
    /// `CLOCK_BOOTTIME`, µs: goes on while the machine is suspended.
    pub boottime_us: i64,
}

/// Reads the clocks of this machine.
#[must_use]
pub fn now() -> Clocks {
    Clocks {
        wall: UtcMicros(read(libc::CLOCK_REALTIME)),
        monotonic_us: read(libc::CLOCK_MONOTONIC),
        boottime_us: read(libc::CLOCK_BOOTTIME),
    }
}

fn read(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that outlives the call. The clocks exist on every Linux, so the call cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

/// How long the machine was suspended between two readings, µs; `None` when it ran.
#[must_use]
pub fn suspended_us(before: &Clocks, after: &Clocks) -> Option<i64> {
    let slept = (after.boottime_us - before.boottime_us) - (after.monotonic_us - before.monotonic_us);
    (slept >= SUSPENDED_FROM_US).then_some(slept)
}

/// What the clocks say happened between the starts of two rounds: a suspended machine misses as many rounds as fit into its
/// sleep; a wall clock that was set by half a second and more misses none, but its times do not fit together. Both can be.
pub fn between(before: &Clocks, after: &Clocks, interval: Duration) -> impl Iterator<Item = Gap> {
    let slept = suspended_us(before, after).map(|micros| {
        let rounds = u64::try_from(i128::from(micros) / i128::from(positive_us(interval))).unwrap_or(0);
        Gap { reason: GapReason::Suspended, rounds, micros }
    });
    let stepped = (after.wall.0 - before.wall.0) - (after.boottime_us - before.boottime_us);
    let stepped =
        (stepped.abs() >= STEP_FROM_US).then_some(Gap { reason: GapReason::ClockStep, rounds: 0, micros: stepped });
    slept.into_iter().chain(stepped)
}

/// The gap of rounds that could not start on time.
#[must_use]
pub fn overload(skipped: u64, interval: Duration) -> Option<Gap> {
    let micros = i64::try_from(skipped).unwrap_or(i64::MAX).saturating_mul(positive_us(interval));
    (skipped > 0).then_some(Gap { reason: GapReason::Overload, rounds: skipped, micros })
}

/// The gap of rounds that were measured and then dropped: the event log could not be reached for too long, or refused them for good.
#[must_use]
pub fn dropped(rounds: u64, interval: Duration) -> Option<Gap> {
    let gap = overload(rounds, interval)?;
    Some(Gap { reason: GapReason::SpoolFull, ..gap })
}

/// Whether a round can say what is missing before it: it says nothing yet, and has a probe, by whose row the archive keeps it.
#[must_use]
pub fn may_report(round: &Round) -> bool {
    round.gap.is_none() && !round.samples.is_empty()
}

/// The rounds that are missing when this one is dropped: itself, and those that it would have reported.
#[must_use]
pub fn lost_with(round: &Round) -> u64 {
    1 + round.gap.map_or(0, |gap| gap.rounds)
}

/// Gaps that no round has reported yet: a round carries one.
#[derive(Debug, Default)]
pub struct Pending(Vec<Gap>);

impl Pending {
    /// The gap that the next round carries: the one that waits longest.
    pub fn take(&mut self) -> Option<Gap> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }
}

impl Extend<Gap> for Pending {
    /// Gaps of one reason that wait become one.
    fn extend<I: IntoIterator<Item = Gap>>(&mut self, gaps: I) {
        for gap in gaps {
            match self.0.iter_mut().find(|waiting| waiting.reason == gap.reason) {
                Some(waiting) => {
                    waiting.rounds += gap.rounds;
                    waiting.micros = waiting.micros.saturating_add(gap.micros);
                }
                None => self.0.push(gap),
            }
        }
    }
}

fn positive_us(interval: Duration) -> i64 {
    i64::try_from(interval.as_micros()).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn after(before: Clocks, ran_us: i64, slept_us: i64, set_us: i64) -> Clocks {
        Clocks {
            wall: before.wall + (ran_us + slept_us + set_us),
            monotonic_us: before.monotonic_us + ran_us,
            boottime_us: before.boottime_us + ran_us + slept_us,
        }
    }

    fn gaps(ran_us: i64, slept_us: i64, set_us: i64) -> Vec<Gap> {
        let before = Clocks { wall: UtcMicros(1_700_000_000_000_000), monotonic_us: 5_000_000, boottime_us: 9_000_000 };
        between(&before, &after(before, ran_us, slept_us, set_us), INTERVAL).collect()
    }

    #[test]
    fn sleep_and_step_are_told_apart_and_both_are_told() {
        let slept = Gap { reason: GapReason::Suspended, rounds: 360, micros: 3_600_000_000 };
        let stepped = |micros| Gap { reason: GapReason::ClockStep, rounds: 0, micros };
        assert_eq!(gaps(10_000_000, 0, 0), []);
        assert_eq!(gaps(10_000_000, 3_600_000_000, 0), [slept]);
        assert_eq!(gaps(10_000_000, 0, -2_000_000), [stepped(-2_000_000)]);
        assert_eq!(gaps(10_000_000, 3_600_000_000, 700_000), [slept, stepped(700_000)]);
    }

    #[test]
    fn a_slewed_clock_is_no_gap() {
        // NTP slews by at most 500 µs a second: 5 ms in a round.
        assert_eq!(gaps(10_000_000, 0, 5_000), []);
        assert_eq!(gaps(10_000_000, 0, 499_999), []);
    }

    #[test]
    fn skipped_rounds_are_counted_with_their_time() {
        assert_eq!(overload(0, INTERVAL), None);
        assert_eq!(overload(3, INTERVAL), Some(Gap { reason: GapReason::Overload, rounds: 3, micros: 30_000_000 }));
        assert_eq!(dropped(0, INTERVAL), None);
        assert_eq!(dropped(2, INTERVAL), Some(Gap { reason: GapReason::SpoolFull, rounds: 2, micros: 20_000_000 }));
    }

    #[test]
    fn the_machines_clocks_are_read_and_agree_while_it_runs() {
        let first = now();
        std::thread::sleep(Duration::from_millis(5));
        let second = now();
        assert!(second.monotonic_us - first.monotonic_us >= 5_000);
        assert_eq!(suspended_us(&first, &second), None);
        assert!(second.wall.0 > 1_700_000_000_000_000);
    }

    #[test]
    fn a_round_carries_one_gap_and_nothing_is_forgotten() {
        let mut pending = Pending::default();
        let sleep = gaps(10_000_000, 20_000_000, 700_000);
        pending.extend(sleep.clone());
        assert_eq!(pending.take(), Some(sleep[0]));
        pending.extend(overload(2, INTERVAL));
        pending.extend(gaps(0, 0, -1_000_000));
        assert_eq!(pending.take(), Some(Gap { micros: -300_000, ..sleep[1] }));
        assert_eq!(pending.take(), overload(2, INTERVAL));
        assert_eq!(pending.take(), None);
    }

    proptest! {
        #[test]
        fn however_long_a_round_took_it_is_no_gap_by_itself(ran_us in 0..1_000_000_000_000_i64) {
            prop_assert_eq!(gaps(ran_us, 0, 0), []);
        }
    }
}
