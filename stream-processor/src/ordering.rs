//! Putting a minute's round-trip times in order.
//!
//! Each is one number: the series' place above, the time in µs below. A least-significant-digit radix sort over the digits that are in use
//! takes two or three passes; by comparison it was the costliest part of the whole path.

/// Fewer are sorted by comparison.
const MANY: usize = 256;
/// The widest digit: the more numbers, the more buckets are worth their clearing.
const WIDEST_BITS: u32 = 13;

/// Where the place begins.
const PLACE_AT: u32 = 32;

/// A series' place and a round-trip time as one number, which orders by both.
#[inline]
pub(crate) fn pack(place: u32, rtt_us: u32) -> u64 {
    u64::from(place) << PLACE_AT | u64::from(rtt_us)
}

/// The place and the time.
#[inline]
pub(crate) fn unpack(packed: u64) -> (u32, u32) {
    ((packed >> PLACE_AT) as u32, packed as u32)
}

/// Sorts packed times.
pub(crate) fn sort(packed: &mut Vec<u64>) {
    if packed.len() < MANY {
        packed.sort_unstable();
        return;
    }
    let (places, times) = unpack(packed.iter().fold(0, |used, item| used | item));
    let time_bits = u32::BITS - times.leading_zeros();
    // The bits that are in use, next to each other.
    let key = |item: u64| item >> PLACE_AT << time_bits | item & u64::from(times);
    let bits = time_bits + u32::BITS - places.leading_zeros();
    let widest = (packed.len().ilog2() + 1).min(WIDEST_BITS);
    let passes = bits.div_ceil(widest).max(1);
    let digit_bits = bits.div_ceil(passes);
    let digit = |item: u64, pass: u32| (key(item) >> (pass * digit_bits)) as usize & ((1 << digit_bits) - 1);
    let mut other = vec![0; packed.len()];
    let mut starts = vec![0_u32; 1 << digit_bits];
    for pass in 0..passes {
        starts.fill(0);
        packed.iter().for_each(|item| starts[digit(*item, pass)] += 1);
        let mut next = 0;
        for start in &mut starts {
            next += std::mem::replace(start, next);
        }
        for item in &*packed {
            let at = &mut starts[digit(*item, pass)];
            other[*at as usize] = *item;
            *at += 1;
        }
        std::mem::swap(packed, &mut other);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library_does(
            places in prop_oneof![Just(1_u32), Just(400), Just(5_000)], most in prop_oneof![Just(3_000_u32), Just(u32::MAX)],
            seed: u64, count in 0..3 * MANY,
        ) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut packed: Vec<u64> = (0..count).map(|_| pack(rng.u32(0..places), rng.u32(0..most))).collect();
            let mut expected = packed.clone();
            expected.sort_unstable();
            sort(&mut packed);
            prop_assert_eq!(packed, expected);
        }
    }
}
