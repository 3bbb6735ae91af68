//! Which rounds have been counted: ranges of round numbers for each epoch.

use cloudping_schemas::stored::SeenEpoch;

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
}

/// Remembers a round and says whether it came before.
pub(crate) fn arrive(seen: &mut Vec<SeenEpoch>, epoch: u64, number: u64) -> Arrival {
    let at = match seen.binary_search_by_key(&epoch, |entry| entry.epoch) {
        Ok(at) => at,
        Err(0) if seen.len() >= EPOCHS_KEPT => return Arrival::Forgotten,
        Err(at) => {
            let ranges = Vec::new();
            seen.insert(at, SeenEpoch { epoch, ranges });
            at
        }
    };
    let arrival = insert(&mut seen[at].ranges, number);
    let surplus = seen.len().saturating_sub(EPOCHS_KEPT);
    seen.drain(..surplus);
    arrival
}

/// Adds a number to ascending, separate ranges.
fn insert(ranges: &mut Vec<(u64, u64)>, number: u64) -> Arrival {
    // The first range that ends at or after the number.
    let at = ranges.partition_point(|(_, last)| *last < number);
    if ranges.get(at).is_some_and(|(first, _)| *first <= number) {
        return Arrival::Again;
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
        (false, false) => ranges.insert(at, (number, number)),
    }
    Arrival::First
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
