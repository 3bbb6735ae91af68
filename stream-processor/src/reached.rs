//! Which address a series' round-trip times came from, minute by minute, and what that says of a route step.

use std::net::{IpAddr, Ipv6Addr};

use cloudping_model::{Addresses, UtcMicros};
use cloudping_schemas::stored::StoredError;

use crate::minute::MinutePane;

/// So many minutes before a step say which address was measured, ...
const MINUTES_BEFORE: usize = 5;
/// ... none of which lies further back than this.
pub(crate) const LOOKED_BACK_US: i64 = 10 * 60_000_000;
/// So many say it since: the latest, because a step may be dated a minute early.
const MINUTES_SINCE: usize = 3;

/// None, one address, or several. One number each, since it is compared for every sample: IPv6, with IPv4 mapped into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reached(u128);

impl Reached {
    /// No address is known. `::` is nobody's.
    pub(crate) const NONE: Self = Self(0);
    /// A multicast address, which no probe goes to.
    const SEVERAL: Self = Self(u128::MAX);

    /// The address of 4 or 16 bytes; none, for other bytes.
    #[inline]
    pub(crate) fn read(bytes: &[u8]) -> Self {
        if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
            return Self(0xffff << 32 | u128::from(u32::from_be_bytes(v4)));
        }
        <[u8; 16]>::try_from(bytes).map_or(Self::NONE, |v6| Self(u128::from_be_bytes(v6)))
    }

    /// Adds what another sample reached.
    #[inline]
    pub(crate) fn add(&mut self, other: Self) {
        if *self != other && other != Self::NONE {
            *self = if *self == Self::NONE { other } else { Self::SEVERAL };
        }
    }

    fn address(self) -> Option<IpAddr> {
        let one = self != Self::NONE && self != Self::SEVERAL;
        one.then(|| IpAddr::V6(Ipv6Addr::from_bits(self.0)).to_canonical())
    }

    /// Appends 0 for none, 1 for several, or the address' length and its bytes.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        match self.address() {
            None => out.push(u8::from(self == Self::SEVERAL)),
            Some(IpAddr::V4(v4)) => {
                out.push(4);
                out.extend(v4.octets());
            }
            Some(IpAddr::V6(v6)) => {
                out.push(16);
                out.extend(v6.octets());
            }
        }
    }

    /// Reads what [`put`](Self::put) wrote from the front of `bytes`, and advances them.
    pub(crate) fn take(bytes: &mut &[u8]) -> Result<Self, StoredError> {
        match bytes.split_off_first() {
            Some(0) => Ok(Self::NONE),
            Some(1) => Ok(Self::SEVERAL),
            Some(length @ (4 | 16)) => {
                bytes.split_off(..usize::from(*length)).map(Self::read).ok_or_else(|| wrong("an address cut off"))
            }
            Some(other) => Err(wrong(&format!("a length of {other}"))),
            None => Err(wrong("the end")),
        }
    }
}

pub(crate) fn wrong(found: &str) -> StoredError {
    let expected = "0, 1, or an address of 4 or 16 bytes with its length, for series of the pane";
    StoredError::Field { item: "pane", field: "addresses", found: found.to_owned(), expected }
}

/// The addresses on both sides of a series' step, where both are certain. The minutes, in order, reach from before the step to the one
/// that made it certain; `at` is the first of the new level.
pub(crate) fn addresses<'a>(
    place: u32,
    at: UtcMicros,
    minutes: impl DoubleEndedIterator<Item = &'a MinutePane> + Clone,
) -> Option<Addresses> {
    let with_data = minutes.filter(|minute| minute.has_rtts(place)).rev();
    let since = with_data.clone().take_while(|minute| minute.start() >= at).take(MINUTES_SINCE);
    let before = with_data.filter(|minute| minute.start() < at && minute.start() >= at - LOOKED_BACK_US);
    let reached = |minute: &'a MinutePane| minute.reached(place);
    let before = agreed(before.take(MINUTES_BEFORE).map(reached))?;
    Some(Addresses { before, after: agreed(since.map(reached))? })
}

/// The one address that all minutes but one at the most reached, and more than half of them: in one of them it may have changed.
fn agreed(minutes: impl Iterator<Item = Reached> + Clone) -> Option<IpAddr> {
    let count = minutes.clone().count();
    let least = (count / 2 + 1).max(count.saturating_sub(1));
    // Either the first or the second has it, where at most one has not.
    let mut candidates = minutes.clone().take(2);
    let found = candidates.find(|candidate| minutes.clone().filter(|reached| reached == candidate).count() >= least)?;
    found.address()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(last: u8) -> Reached {
        Reached::read(&[192, 0, 2, last])
    }

    #[test]
    fn all_minutes_but_one_must_agree() {
        let (a, b) = (one(1), one(2));
        let none = Reached::NONE;
        for (minutes, expected) in [
            (&[a, a, a, a, a][..], Some(a)),
            (&[b, a, a, a, a], Some(a)),
            (&[a, a, Reached::SEVERAL, a, a], Some(a)),
            (&[a, a, none, a, none], None),
            (&[a, a, b, a, b], None),
            (&[Reached::SEVERAL, b, b], Some(b)),
            (&[a, b], None),
            (&[a], Some(a)),
            (&[none, none, none], None),
            (&[Reached::SEVERAL; 5], None),
            (&[], None),
        ] {
            assert_eq!(agreed(minutes.iter().copied()), expected.and_then(Reached::address), "{minutes:?}");
        }
    }

    fn any_reached() -> impl Strategy<Value = Reached> {
        let v6 = any::<u128>().prop_map(|bits| Reached::read(&bits.to_be_bytes()));
        prop_oneof![Just(Reached::NONE), Just(Reached::SEVERAL), any::<u8>().prop_map(one), v6]
    }

    proptest! {
        #[test]
        fn is_read_as_it_was_written(all in proptest::collection::vec(any_reached(), 0..8)) {
            let mut bytes = Vec::new();
            all.iter().for_each(|reached| reached.put(&mut bytes));
            let mut rest = bytes.as_slice();
            for reached in all {
                prop_assert_eq!(Reached::take(&mut rest).unwrap(), reached);
            }
            prop_assert!(rest.is_empty());
        }

        /// A minute's address does not depend on the order of its samples, nor on how often one is seen.
        #[test]
        fn order_and_repetition_are_no_matter(all in proptest::collection::vec(any_reached(), 0..6), again in any::<u8>()) {
            let sum = |all: &[Reached]| all.iter().fold(Reached::NONE, |mut sum, reached| { sum.add(*reached); sum });
            let mut others = all.clone();
            others.reverse();
            if !all.is_empty() {
                others.push(all[usize::from(again) % all.len()]);
            }
            prop_assert_eq!(sum(&all), sum(&others));
        }

        #[test]
        fn no_damage_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut rest = bytes.as_slice();
            while Reached::take(&mut rest).is_ok() {}
        }
    }
}
