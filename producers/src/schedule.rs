//! When probes leave: open loop, each target at its own rate, spread over the round, never in step with another vantage point.
//!
//! All of it is pure: what is random, the phase of a vantage point, is an argument in 0..1.

use std::num::NonZeroU32;
use std::time::Duration;

use cloudping_model::Pane;

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
        let own = self.interval(round);
        let until = |number| whole_intervals(number, round, own, phase);
        u32::try_from(until(number.saturating_add(1)) - until(number)).unwrap_or(u32::MAX)
    }
}

/// How many intervals of `own` are over when round `number` starts, the first having begun the part `phase` of itself before round 0.
fn whole_intervals(number: u64, round: Duration, own: Duration, phase: f64) -> u64 {
    let (round, own) = (round.as_nanos().max(1), own.as_nanos().max(1));
    let begun = (own as f64 * phase.clamp(0.0, 1.0)) as u128;
    u64::try_from((u128::from(number) * round + begun) / own).unwrap_or(u64::MAX)
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

/// By how much a round's probes leave earlier after its start, when it started `late`: by as much, so that they leave when they would have
/// anyway. A round that is late by more than a hundredth of the interval moves as a whole: its first probes would else leave in a bunch.
#[must_use]
pub fn made_up_for(late: Duration, interval: Duration) -> Duration {
    if late <= interval / 100 { late } else { Duration::ZERO }
}

/// A probe, or burst, of a round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Departure {
    /// When it leaves, after the start of the round.
    pub offset: Duration,
    /// To which target: the place of its rate among those that were given.
    pub target: usize,
}

/// The probes of round `number` in the order in which they leave.
///
/// Each target has a [`phase`] of its own, so that no two leave at once, and all phases walk through the round together (see `step`). One that
/// is due m times in a round leaves once in each m-th of it.
#[must_use]
pub fn departures(rates: &[Rate], number: u64, interval: Duration) -> Vec<Departure> {
    let mut departures = Vec::with_capacity(rates.len());
    for (target, rate) in rates.iter().enumerate() {
        let phase = phase(target as u64, 0.0);
        let times = rate.due(number, interval, phase);
        // A slow target walks with each of its own probes: with each round it could come back to the same place.
        let own = rate.interval(interval).max(interval);
        let walked = (whole_intervals(number, interval, own, phase) as f64 * step(own)).fract();
        for part in 0..times {
            let place = (phase + walked + f64::from(part) / f64::from(times)).fract();
            departures.push(Departure { offset: interval.mul_f64(SPREAD * place), target });
        }
    }
    departures.sort_by_key(|departure| departure.offset);
    departures
}

/// An offset of a round whose probes leave within `spread` instead of the whole interval: in the same order, as far apart from each other in
/// proportion.
#[must_use]
pub fn within(offset: Duration, spread: Option<Duration>, interval: Duration) -> Duration {
    match spread {
        Some(spread) if spread < interval => offset.mul_f64(spread.as_secs_f64() / interval.as_secs_f64()),
        _ => offset,
    }
}

/// By which part of the round a target leaves later than the time before, when it is probed every `own`.
///
/// Equal steps keep a series' probes evenly apart in time, and pass through the whole round within a minute, the shortest
/// stretch that any number of ours is of: so whatever is periodic on the way is met at all its phases, in each minute as often as in any other.
/// Periodic sampling with a fixed phase would not do that (RFC 3432, section 4.2; RFC 2330, section 11.1.1), and a
/// walk of ten minutes would show a disturbance of a tenth of each second as a level of its own, one minute in ten. The step is 1 / (n + golden
/// ratio), n steps a minute: of all irrational steps near 1 / n those of this kind come back least, so each pass leaves between those before it.
fn step(own: Duration) -> f64 {
    let minute = Duration::from_micros(Pane::Minute.micros().unsigned_abs());
    let steps = (minute.as_secs_f64() / own.as_secs_f64()).round().max(1.0);
    1.0 / (steps + GOLDEN)
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
    fn a_round_makes_up_for_a_little_and_never_for_much() {
        let made_up = |millis| made_up_for(Duration::from_millis(millis), SECOND).as_millis();
        assert_eq!([0, 3, 10, 11, 999].map(made_up), [0, 3, 10, 0, 0]);
    }

    #[test]
    fn a_round_can_be_shorter_than_its_interval() {
        let within = |spread| within(Duration::from_secs(30), spread, Duration::from_secs(60));
        assert_eq!(within(Some(SECOND)), Duration::from_millis(500));
        assert_eq!([within(None), within(Some(Duration::from_secs(90)))], [Duration::from_secs(30); 2]);
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

    #[test]
    fn a_fast_target_leaves_once_in_each_part_of_the_round() {
        let rate = Rate::Interval(Duration::from_millis(250));
        for number in 0..1_000 {
            let departures = departures(&[rate], number, SECOND);
            let apart = departures.windows(2).map(|two| (two[1].offset - two[0].offset).as_micros());
            assert!(departures.len() == 4 && apart.into_iter().all(|micros| (224_999..=225_001).contains(&micros)));
        }
    }

    proptest! {
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
        fn each_target_leaves_as_often_as_it_is_due_and_within_its_round(
            own_ms in proptest::collection::vec(50..5_000_u64, 1..30), number in 0..1_000_000_u64,
        ) {
            let rates: Vec<Rate> = own_ms.iter().map(|ms| Rate::Interval(Duration::from_millis(*ms))).collect();
            let departures = departures(&rates, number, SECOND);
            prop_assert!(departures.is_sorted_by_key(|it| it.offset));
            prop_assert!(departures.iter().all(|it| it.offset < SECOND.mul_f64(SPREAD)));
            for (target, rate) in rates.iter().enumerate() {
                let found = departures.iter().filter(|it| it.target == target).count();
                prop_assert_eq!(found as u32, rate.due(number, SECOND, phase(target as u64, 0.0)));
            }
        }

        #[test]
        fn targets_stay_apart_in_every_round(count in 2..300_usize, number in 0..1_000_000_000_u64) {
            let departures = departures(&vec![Rate::EveryRound; count], number, SECOND);
            let nearest = departures.windows(2).map(|two| two[1].offset - two[0].offset).min().unwrap();
            prop_assert!(nearest.as_secs_f64() >= 0.3 * SPREAD / count as f64, "{nearest:?} of {count}");
        }

        #[test]
        fn a_target_passes_every_phase_of_the_round_in_each_minute(
            interval_ms in 100..90_000_u64, every in 1..100_u32, first in 0..1_000_000_u64, minutes in 1..20_usize,
        ) {
            let (interval, rate) = (Duration::from_millis(interval_ms), Rate::Every(every.try_into().unwrap()));
            let steps = (60.0 / rate.interval(interval).as_secs_f64()).round().max(1.0) as usize;
            let offsets = (first..).flat_map(|number| departures(&[rate], number, interval));
            let places = offsets.map(|it| it.offset.as_secs_f64() / interval.as_secs_f64() / SPREAD);
            let mut places: Vec<f64> = places.take(minutes * steps + 1).collect();
            for two in places.windows(2) {
                let walked = (two[1] - two[0]).rem_euclid(1.0) - 1.0 / (steps as f64 + GOLDEN);
                prop_assert!(walked.abs() < 1e-6, "evenly apart: a step is off by {walked}");
            }
            places.sort_by(f64::total_cmp);
            let around = places[0] + 1.0 - places[places.len() - 1];
            let widest = places.windows(2).map(|two| two[1] - two[0]).fold(around, f64::max);
            // After one pass every gap is a step; each pass leaves between those before it.
            let bound = if minutes == 1 { 1.0 } else { 2.0 } / (minutes * steps) as f64;
            prop_assert!(widest <= bound, "a gap of {widest} after {} probes", places.len());
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
