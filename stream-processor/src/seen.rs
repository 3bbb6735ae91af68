//! Which rounds have been counted: ranges of round numbers for each epoch.

use cloudping_schemas::stored::SeenEpoch;

use crate::bounds::{Bound, MAX_RANGES, MAX_RANGES_OF_AN_EPOCH};
use crate::retention::EPOCHS_KEPT;

/// What is known of a round that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Its first delivery; it is remembered from now on.
    First,
    /// It has been counted before.
    Again,
    /// Its epoch is older than all that are remembered: it can't be told from a duplicate.
    Forgotten,
    /// It asks for more than a vantage point may take up. Nothing was changed.
    Beyond(Bound),
}

/// Remembers a round and says whether it came before.
pub(crate) fn arrive(seen: &mut Vec<SeenEpoch>, epoch: u64, number: u64) -> Arrival {
    match seen.binary_search_by_key(&epoch, |entry| entry.epoch) {
        Ok(at) => match join(&mut seen[at].ranges, number) {
            Ok(arrival) => arrival,
            Err(_) if seen[at].ranges.len() >= MAX_RANGES_OF_AN_EPOCH || is_full(seen) => {
                Arrival::Beyond(Bound::Ranges)
            }
            Err(place) => {
                seen[at].ranges.insert(place, (number, number));
                Arrival::First
            }
        },
        Err(0) if seen.len() >= EPOCHS_KEPT => Arrival::Forgotten,
        Err(at) => {
            let surplus = (seen.len() + 1).saturating_sub(EPOCHS_KEPT);
            if is_full(&seen[surplus..]) {
                return Arrival::Beyond(Bound::Ranges);
            }
            seen.insert(at, SeenEpoch { epoch, ranges: vec![(number, number)] });
            seen.drain(..surplus);
            Arrival::First
        }
    }
}

fn is_full(seen: &[SeenEpoch]) -> bool {
    seen.iter().map(|entry| entry.ranges.len()).sum::<usize>() >= MAX_RANGES
}

/// Adds a number to ascending, separate ranges; where it touches none of them, gives where its own would stand.
fn join(ranges: &mut Vec<(u64, u64)>, number: u64) -> Result<Arrival, usize> {
    // The first range that ends at or after the number.
    let at = ranges.partition_point(|(_, last)| *last < number);
    if ranges.get(at).is_some_and(|(first, _)| *first <= number) {
        return Ok(Arrival::Again);
    }
    let joins_before = at > 0 && number - ranges[at - 1].1 == 1;
    let joins_after = ranges.get(at).is_some_and(|(first, _)| *first - number == 1);
    match (joins_before, joins_after) {
        (true, true) => {
            ranges[at - 1].1 = ranges[at].1;
            ranges.remove(at);
        }
        (true, false) => ranges[at - 1].1 = number,
        (false, true) => ranges[at].0 = number,
        (false, false) => return Err(at),
    }
    Ok(Arrival::First)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_epoch_beyond_memory_is_forgotten_not_counted_twice() {
        let mut seen = Vec::new();
        for epoch in 0..=EPOCHS_KEPT as u64 {
            assert_eq!(arrive(&mut seen, epoch, 0), Arrival::First);
        }
        assert_eq!(seen.len(), EPOCHS_KEPT);
        assert_eq!(arrive(&mut seen, 0, 0), Arrival::Forgotten);
        assert_eq!(arrive(&mut seen, 1, 0), Arrival::Again);
    }

    #[test]
    fn an_epoch_of_too_many_holes_takes_no_more_and_the_others_go_on() {
        let (mut seen, most) = (Vec::new(), MAX_RANGES_OF_AN_EPOCH as u64);
        for number in 0..most {
            assert_eq!(arrive(&mut seen, 1, number * 2), Arrival::First);
        }
        let before = seen.clone();
        assert_eq!(arrive(&mut seen, 1, most * 2), Arrival::Beyond(Bound::Ranges));
        assert_eq!(seen, before, "nothing was changed");
        assert_eq!(arrive(&mut seen, 1, 0), Arrival::Again);
        assert_eq!(arrive(&mut seen, 1, 1), Arrival::First, "it closes a hole");
        assert_eq!(arrive(&mut seen, 1, most * 2), Arrival::First);
        assert_eq!(arrive(&mut seen, 2, 0), Arrival::First);
    }

    #[test]
    fn all_epochs_together_have_so_many_ranges() {
        let (mut seen, most) = (Vec::new(), MAX_RANGES_OF_AN_EPOCH as u64);
        let epochs = (MAX_RANGES / MAX_RANGES_OF_AN_EPOCH) as u64;
        for (epoch, number) in (0..epochs).flat_map(|epoch| (0..most).map(move |number| (epoch, number))) {
            assert_eq!(arrive(&mut seen, epoch, number * 2), Arrival::First);
        }
        let before = seen.clone();
        assert_eq!(arrive(&mut seen, epochs, 0), Arrival::Beyond(Bound::Ranges));
        assert_eq!(seen, before, "nothing was changed");
        assert_eq!(arrive(&mut seen, 0, most * 2 - 1), Arrival::First, "it goes on from the last");
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(arrivals in proptest::collection::vec((0..3_u64, 0..40_u64), 0..200)) {
            let (mut seen, mut model) = (Vec::new(), HashSet::new());
            for (epoch, number) in arrivals {
                let expected = if model.insert((epoch, number)) { Arrival::First } else { Arrival::Again };
                prop_assert_eq!(arrive(&mut seen, epoch, number), expected);
            }
            for entry in &seen {
                prop_assert!(entry.ranges.iter().all(|(first, last)| first <= last));
                prop_assert!(entry.ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
                let count: u64 = entry.ranges.iter().map(|(first, last)| last - first + 1).sum();
                let expected = model.iter().filter(|(epoch, _)| *epoch == entry.epoch).count();
                prop_assert_eq!(count, expected as u64);
            }
        }
    }
}
