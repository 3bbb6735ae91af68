//! Sorting many whole numbers faster than by comparison.

/// Fewer values are sorted by comparison.
const MANY: usize = 1_024;
const BITS: u32 = 11;
const BUCKETS: usize = 1 << BITS;

/// Sorts round-trip times, in two or three passes where they are many.
pub fn sort(rtts_us: &mut Vec<u32>) {
    sort_by_key(rtts_us, |&rtt_us| rtt_us.into());
}

/// Sorts by a whole number, from its least significant digit up and only over the digits that differ at all: two or three passes for
/// round-trip times. Equal numbers keep their order.
pub(crate) fn sort_by_key<T: Copy>(items: &mut Vec<T>, key: impl Fn(&T) -> u64) {
    if items.len() < MANY {
        // Finds the runs that are in order already.
        items.sort_by_key(key);
        return;
    }
    let (min, max) = items.iter().map(&key).fold((u64::MAX, 0), |(min, max), key| (key.min(min), key.max(max)));
    let mut other = items.clone();
    let mut shift = 0;
    while shift < u64::BITS && (max - min) >> shift > 0 {
        let digit = |item: &T| ((key(item) - min) >> shift) as usize % BUCKETS;
        let mut starts = [0usize; BUCKETS];
        for item in &*items {
            starts[digit(item)] += 1;
        }
        let mut next = 0;
        for start in &mut starts {
            next += std::mem::replace(start, next);
        }
        for item in &*items {
            let at = &mut starts[digit(item)];
            other[*at] = *item;
            *at += 1;
        }
        std::mem::swap(items, &mut other);
        shift += BITS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library_does(
            mut values in prop_oneof![
                prop::collection::vec(any::<u32>(), 0..3 * MANY),
                prop::collection::vec(72_000u32..80_000, MANY..3 * MANY),
                prop::collection::vec(Just(7), MANY..2 * MANY),
            ],
        ) {
            let mut expected = values.clone();
            expected.sort_unstable();
            sort(&mut values);
            prop_assert_eq!(values, expected);
        }
    }
}
