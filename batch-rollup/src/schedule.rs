//! When the archive's upkeep is due, decided without a clock and without a disk.
//!
//! A step has one turn in each of its slots of time, such as an hour, and slots are aligned to UTC. Nothing about it is stored: whoever starts anew
//! begins with every step, and a step that finds nothing to do costs a look at the tables' logs.

use cloudping_model::{Pane, UtcMicros};

const MINUTE_US: i64 = 60_000_000;
/// A step that failed has another turn after this time, or in its next slot if that is sooner.
const RETRY_US: i64 = 5 * MINUTE_US;
/// A rollup without anything to roll up looks again after this time: whoever has just started the service waits for its first hour.
const LOOK_AGAIN_US: i64 = MINUTE_US / 2;

/// A part of the upkeep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Hours and days follow the samples.
    Rollup,
    /// Small files of closed hours and days become large ones.
    Compact,
    /// The table of regions follows the catalogue and the rollups.
    Regions,
    /// Files that no reader needs any more go.
    Vacuum,
}

impl Step {
    /// Every step, in the order in which those take their turn that are due together.
    pub const ALL: [Self; 4] = [Self::Rollup, Self::Compact, Self::Regions, Self::Vacuum];

    /// What it is called in a message.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rollup => "rollup",
            Self::Compact => "compaction",
            Self::Regions => "table of regions",
            Self::Vacuum => "vacuum",
        }
    }

    /// Length and start of its slots, in µs since an aligned one.
    fn slots(self) -> (i64, i64) {
        match self {
            // The running hour is computed anew each time.
            Self::Rollup => (5 * MINUTE_US, 0),
            // After the lateness that is allowed by default, and a run of the archive.
            Self::Compact => (Pane::Hour.micros(), 20 * MINUTE_US),
            Self::Regions => (Pane::Day.micros(), 30 * MINUTE_US),
            // After the day's compaction.
            Self::Vacuum => (Pane::Day.micros(), 2 * Pane::Hour.micros()),
        }
    }

    fn slot(self, at: UtcMicros) -> i64 {
        let (length, start) = self.slots();
        (at.0 - start).div_euclid(length)
    }
}

/// How a step's turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// What was to do is done.
    Finished,
    /// There was nothing to do.
    Idle,
    /// It failed or was broken off.
    Failed,
}

impl Ended {
    /// A turn of which nothing is known but whether it was finished.
    #[must_use]
    pub fn finished(finished: bool) -> Self {
        if finished { Self::Finished } else { Self::Failed }
    }
}

/// When a step had its last turn, and how it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    began: UtcMicros,
    ended: Ended,
}

impl Turn {
    /// When the step has another one, also within the same slot.
    fn again(self, step: Step) -> Option<UtcMicros> {
        match (step, self.ended) {
            (_, Ended::Failed) => Some(self.began + RETRY_US),
            (Step::Rollup, Ended::Idle) => Some(self.began + LOOK_AGAIN_US),
            _ => None,
        }
    }
}

/// Which step is due, by the turns that each has had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    turns: [Option<Turn>; Step::ALL.len()],
}

impl Schedule {
    /// A schedule of which nothing has had its turn.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The step whose turn it is at `now`. A clock that was set back makes a step due that the old one would not.
    #[must_use]
    pub fn due(&self, now: UtcMicros) -> Option<Step> {
        Step::ALL.into_iter().find(|&step| self.is_due(step, now))
    }

    /// Whether a step is due at `now`.
    #[must_use]
    pub fn is_due(&self, step: Step, now: UtcMicros) -> bool {
        match self.turns[step as usize] {
            None => true,
            Some(turn) => step.slot(turn.began) != step.slot(now) || turn.again(step).is_some_and(|again| now >= again),
        }
    }

    /// Notes that a step had its turn, which began at `began`.
    pub fn had_turn(&mut self, step: Step, began: UtcMicros, ended: Ended) {
        self.turns[step as usize] = Some(Turn { began, ended });
    }

    /// The moment after `now` at which a step is due next; `now` where one is due already.
    #[must_use]
    pub fn next(&self, now: UtcMicros) -> UtcMicros {
        let of = |step: Step| {
            if self.is_due(step, now) {
                return now;
            }
            let (length, start) = step.slots();
            let next_slot = UtcMicros((step.slot(now) + 1) * length + start);
            let again = self.turns[step as usize].and_then(|turn| turn.again(step));
            again.map_or(next_slot, |again| again.min(next_slot))
        };
        Step::ALL.into_iter().map(of).min().unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 60 * MINUTE_US;
    const DAY: i64 = 24 * HOUR;
    /// 2026-03-01T00:00:00Z.
    const MIDNIGHT: i64 = 1_772_323_200_000_000;

    /// The steps that have their turn from `from` to `to`, each done at once.
    fn turns(schedule: &mut Schedule, from: i64, to: i64) -> Vec<(i64, Step)> {
        let (mut now, mut had) = (UtcMicros(from), Vec::new());
        while now.0 < to {
            while let Some(step) = schedule.due(now) {
                schedule.had_turn(step, now, Ended::Finished);
                had.push((now.0, step));
            }
            now = schedule.next(now);
        }
        had
    }

    #[test]
    fn all_are_due_at_the_start_then_each_in_its_slots() {
        let mut schedule = Schedule::new();
        let start = MIDNIGHT + 10 * HOUR + 7 * MINUTE_US;
        let had = turns(&mut schedule, start, start + DAY);
        assert_eq!(had[..4], Step::ALL.map(|step| (start, step)));
        let later =
            |of: Step| had[4..].iter().filter(|(_, step)| *step == of).map(|(at, _)| at - MIDNIGHT).collect::<Vec<_>>();
        assert_eq!(later(Step::Rollup).len(), 288);
        assert_eq!(later(Step::Rollup)[..2], [10 * HOUR + 10 * MINUTE_US, 10 * HOUR + 15 * MINUTE_US]);
        assert_eq!(later(Step::Compact), (10..34).map(|hour| hour * HOUR + 20 * MINUTE_US).collect::<Vec<_>>());
        assert_eq!((later(Step::Regions), later(Step::Vacuum)), (vec![DAY + HOUR / 2], vec![DAY + 2 * HOUR]));
    }

    #[test]
    fn what_failed_has_another_turn_soon_and_keeps_no_other_back() {
        let mut schedule = Schedule::new();
        let start = UtcMicros(MIDNIGHT + 21 * MINUTE_US);
        Step::ALL.into_iter().for_each(|step| schedule.had_turn(step, start, Ended::finished(step != Step::Compact)));
        assert_eq!(schedule.due(start + (RETRY_US - 1)), Some(Step::Rollup), "its next slot began at 25 minutes");
        schedule.had_turn(Step::Rollup, start + (RETRY_US - 1), Ended::Finished);
        assert_eq!(
            (schedule.due(start + (RETRY_US - 1)), schedule.next(start + (RETRY_US - 1))),
            (None, start + RETRY_US)
        );
        assert_eq!(schedule.due(start + RETRY_US), Some(Step::Compact));
        schedule.had_turn(Step::Compact, start + RETRY_US, Ended::Finished);
        assert!(!schedule.is_due(Step::Compact, start + 2 * RETRY_US));
    }

    #[test]
    fn a_rollup_without_samples_looks_again_soon_and_what_else_was_idle_in_its_next_slot() {
        let mut schedule = Schedule::new();
        let start = UtcMicros(MIDNIGHT + 21 * MINUTE_US);
        Step::ALL.into_iter().for_each(|step| schedule.had_turn(step, start, Ended::Idle));
        let soon = start + LOOK_AGAIN_US;
        assert_eq!(
            (schedule.due(soon - 1), schedule.next(start), schedule.due(soon)),
            (None, soon, Some(Step::Rollup))
        );
        schedule.had_turn(Step::Rollup, soon, Ended::Finished);
        assert_eq!((schedule.due(soon), schedule.next(soon)), (None, UtcMicros(MIDNIGHT + 25 * MINUTE_US)));
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nothing() {
        let mut schedule = Schedule::new();
        let ahead = UtcMicros(MIDNIGHT + 400 * DAY);
        Step::ALL.into_iter().for_each(|step| schedule.had_turn(step, ahead, Ended::Finished));
        assert_eq!(schedule.due(UtcMicros(MIDNIGHT)), Some(Step::Rollup));
    }

    proptest! {
        #[test]
        fn nothing_is_due_before_the_next_moment_and_something_then(
            began in prop::array::uniform4((0..3 * DAY, 0..3_usize)), later in 0..2 * DAY,
        ) {
            let mut schedule = Schedule::new();
            for (step, (at, ended)) in Step::ALL.into_iter().zip(began) {
                let ended = [Ended::Finished, Ended::Idle, Ended::Failed][ended];
                schedule.had_turn(step, UtcMicros(MIDNIGHT + at), ended);
            }
            let now = UtcMicros(MIDNIGHT + 3 * DAY + later);
            let next = schedule.next(now);
            prop_assert!(schedule.due(next).is_some());
            if next > now {
                prop_assert_eq!(schedule.due(now), None);
                prop_assert_eq!(schedule.due(next - 1), None);
            }
        }
    }
}
