//! When probes leave: open loop, each target at its own rate, spread over the round, never in step with another vantage point.
//!
//! All of it is pure: what is random is an argument in 0..1.

use std::num::NonZeroU32;
use std::time::Duration;

/// Which part of the interval probes are spread over; the rest lets the last answers of a round come in before the next.
const SPREAD: f64 = 0.9;
/// The fractional part of the golden ratio. Its multiples, modulo 1, keep as far apart as any sequence's that has no end.
const GOLDEN: f64 = 0.618_033_988_749_894_9;
/// From one probe of a burst to the next.
pub const BURST_SPACING: Duration = Duration::from_millis(10);

/// How often a target is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rate {
    /// Once a round.
    #[default]
    EveryRound,
    /// Once in so many rounds.
    Every(NonZeroU32),
    /// At an interval of its own, shorter or longer than the round's; never zero.
    Interval(Duration),
}

impl Rate {
    /// From one probe, or burst, to the next.
    #[must_use]
    pub fn interval(self, round: Duration) -> Duration {
        match self {
            Self::EveryRound => round,
            Self::Every(rounds) => round.saturating_mul(rounds.get()),
            Self::Interval(interval) => interval,
        }
    }

    /// How often the target is due in round `number`. `phase` in 0..1 is the target's own, so that slow targets do not all
    /// fall into the same round. Over any stretch of rounds the sum is the stretch divided by the interval, to within one.
    #[must_use]
    pub fn due(self, number: u64, round: Duration, phase: f64) -> u32 {
        let (round, own) = (round.as_nanos().max(1), self.interval(round).as_nanos().max(1));
        let phase = (own as f64 * phase.clamp(0.0, 1.0)) as u128;
        let until = |number: u128| (number * round + phase) / own;
        u32::try_from(until(u128::from(number) + 1) - until(u128::from(number))).unwrap_or(u32::MAX)
    }
}

/// The phase of the `index`-th of many, evenly apart whatever their number: `GOLDEN` times the index after `first` in 0..1.
///
/// Of n phases no two are closer than about 0.38 / n (the three-distance theorem, for the golden ratio).
#[must_use]
pub fn phase(index: u64, first: f64) -> f64 {
    // Beyond 2^32 the product would lose the digits that matter.
    (first + GOLDEN * (index % (1 << 32)) as f64).fract()
}

/// When round `slot` starts, after the start of the producer. It does not depend on what became of the rounds before.
///
/// `phase` in 0..1 is the vantage point's own: it keeps those that were started together out of step.
#[must_use]
pub fn round_start(slot: u64, interval: Duration, phase: f64) -> Duration {
    let interval_us = interval.as_micros() as f64;
    let whole = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(whole.saturating_mul(slot)) + Duration::from_micros((interval_us * phase) as u64)
}

/// How many rounds can no longer start on time when `slot`, due at `due`, could start only at `now`: they are skipped and
/// counted, never made up for in a bunch. A start that is late by less than an interval skips none.
#[must_use]
pub fn missed(due: Duration, now: Duration, interval: Duration) -> u64 {
    let late = now.saturating_sub(due).as_nanos();
    u64::try_from(late / interval.as_nanos().max(1)).unwrap_or(u64::MAX)
}

/// In which order the probes of a round leave: each entry is an index into `due`, which says how often each target is due.
///
/// A target that is due once falls anywhere; one that is due m times falls once into each m-th of the round. `random`
/// yields numbers in 0..1.
pub fn order(due: &[u32], mut random: impl FnMut() -> f64) -> Vec<usize> {
    let mut places = Vec::new();
    for (target, times) in due.iter().enumerate() {
        for part in 0..*times {
            let place = (f64::from(part) + random()) / f64::from(*times);
            places.push((place, target));
        }
    }
    places.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    places.into_iter().map(|(_, target)| target).collect()
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

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn rounds_start_on_time_for_ever() {
        let interval = Duration::from_millis(100);
        let far = round_start(10_000_000_000, interval, 0.25);
        assert_eq!(far, Duration::from_millis(1_000_000_000_025));
    }

    #[test]
    fn a_late_round_skips_what_it_cannot_keep() {
        let due = Duration::from_secs(30);
        let at = |millis| missed(due, Duration::from_millis(millis), SECOND);
        assert_eq!((at(29_000), at(30_000), at(30_999)), (0, 0, 0));
        assert_eq!((at(31_000), at(33_500)), (1, 3));
    }

    #[test]
    fn rates_are_kept_over_rounds() {
        let every = |rounds| Rate::Every(NonZeroU32::new(rounds).unwrap());
        let dues = |rate: Rate, phase| (0..6).map(|number| rate.due(number, SECOND, phase)).collect::<Vec<_>>();
        assert_eq!(dues(Rate::EveryRound, 0.7), [1; 6]);
        assert_eq!(dues(every(3), 0.0), [0, 0, 1, 0, 0, 1]);
        assert_eq!(dues(every(3), 0.4), [0, 1, 0, 0, 1, 0]);
        assert_eq!(dues(Rate::Interval(Duration::from_millis(250)), 0.0), [4; 6]);
        assert_eq!(dues(Rate::Interval(Duration::from_millis(1500)), 0.0), [0, 1, 1, 0, 1, 1]);
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

        #[test]
        fn any_stretch_holds_its_share_of_probes(
            own_ms in 50..100_000_u64, phase in 0.0..1.0_f64, first in 0..1_000_000_u64, rounds in 1..200_u64,
        ) {
            let rate = Rate::Interval(Duration::from_millis(own_ms));
            let made: u64 = (first..first + rounds).map(|number| u64::from(rate.due(number, SECOND, phase))).sum();
            let share = rounds as f64 * 1000.0 / own_ms as f64;
            prop_assert!((made as f64 - share).abs() <= 1.0, "{made} probes, expected {share}");
        }

        #[test]
        fn each_target_leaves_as_often_as_it_is_due(
            due in proptest::collection::vec(0..6_u32, 1..30), seed in any::<u64>(),
        ) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let order = order(&due, || rng.f64());
            prop_assert_eq!(order.len() as u32, due.iter().sum::<u32>());
            for (target, times) in due.iter().enumerate() {
                let found = order.iter().filter(|it| **it == target).count();
                prop_assert_eq!(found as u32, *times);
            }
        }

        #[test]
        fn no_two_vantage_points_are_in_step(count in 2..300_u64, first in 0.0..1.0_f64) {
            let mut phases: Vec<f64> = (0..count).map(|index| phase(index, first)).collect();
            phases.sort_by(f64::total_cmp);
            let around = phases[0] + 1.0 - phases[phases.len() - 1];
            let nearest = phases.windows(2).map(|pair| pair[1] - pair[0]).fold(around, f64::min);
            prop_assert!(nearest >= 0.3 / count as f64, "{nearest} of {count}");
        }
    }
}
