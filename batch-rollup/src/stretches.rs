//! When samples were sent, as few stretches of time.

use std::collections::BTreeMap;

use cloudping_model::{Pane, UtcMicros};

/// More of them would make a query slower to plan than to run.
const MOST: usize = 32;

/// The stretches of time that some samples lie in. One round with a clock that is far off makes a stretch of its own, and not one that reaches from
/// there to all others.
#[derive(Debug, Default)]
pub(crate) struct Stretches {
    /// The first and the last moment in each hour that has any.
    hours: BTreeMap<UtcMicros, (UtcMicros, UtcMicros)>,
}

impl Stretches {
    /// Takes the times of a round's first and last sample.
    pub(crate) fn add(&mut self, first: UtcMicros, last: UtcMicros) {
        let (begin, end) = self.hours.entry(Pane::Hour.start_of(first)).or_insert((first, last));
        (*begin, *end) = ((*begin).min(first), (*end).max(last));
    }

    /// All of them, inclusive, in the order of time: those less than an hour apart as one, and those nearest to each other, so that they are few.
    pub(crate) fn joined(&self) -> Vec<(UtcMicros, UtcMicros)> {
        let mut joined: Vec<(UtcMicros, UtcMicros)> = Vec::new();
        for &(first, last) in self.hours.values() {
            match joined.last_mut() {
                Some((_, end)) if first.0 - end.0 < Pane::Hour.micros() => *end = (*end).max(last),
                _ => joined.push((first, last)),
            }
        }
        while joined.len() > MOST {
            let gaps = joined.windows(2).map(|two| two[1].0.0 - two[0].1.0);
            let nearest = gaps.enumerate().min_by_key(|(_, gap)| *gap).map_or(0, |(at, _)| at);
            let (_, last) = joined.remove(nearest + 1);
            joined[nearest].1 = joined[nearest].1.max(last);
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn joined(times: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let mut stretches = Stretches::default();
        for (first, last) in times {
            stretches.add(UtcMicros(*first), UtcMicros(*last));
        }
        stretches.joined().into_iter().map(|(first, last)| (first.0, last.0)).collect()
    }

    #[test]
    fn a_clock_that_is_far_off_joins_nothing() {
        let now = 500_000 * HOUR;
        assert_eq!(joined(&[(now, now + 5), (7, 9), (now + HOUR, now + HOUR + 1)]), [(7, 9), (now, now + HOUR + 1)]);
        assert_eq!(joined(&[]), []);
    }

    proptest! {
        #[test]
        fn every_moment_is_in_one_of_few(times in prop::collection::vec((0..100_000 * HOUR, 0..HOUR / 6), 0..200)) {
            let times: Vec<(i64, i64)> = times.into_iter().map(|(first, length)| (first, first + length)).collect();
            let joined = joined(&times);
            prop_assert!(joined.len() <= MOST);
            prop_assert!(joined.windows(2).all(|two| two[0].1 < two[1].0));
            for (first, last) in times {
                prop_assert!(joined.iter().any(|(begin, end)| *begin <= first && last <= *end));
            }
        }
    }
}
