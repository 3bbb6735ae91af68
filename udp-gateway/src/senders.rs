//! Who sends how much: a token bucket for each sender, in a table of fixed size.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Instant;

/// Senders that share one place's choice: a new one takes the place of that of these which was silent the longest.
const WAYS: usize = 4;
/// Parts of a token: one token a second is one part a µs, so that whole numbers are exact.
const PARTS: u64 = 1_000_000;

/// How much one sender may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderRate {
    /// Datagrams a second, for long.
    pub per_second: u32,
    /// Datagrams at once.
    pub burst: u32,
}

/// What the table says of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The sender's place in the table.
    pub place: u32,
    /// Whether the datagram is within the sender's rate.
    pub within_rate: bool,
}

/// The senders. An IPv6 sender is its /64, since a host has all addresses of one.
///
/// A sender that takes another's place goes on with that one's tokens: so a flood of invented addresses gets no more than the table's
/// places times the rate, and no more memory than the table has.
#[derive(Debug)]
pub struct Senders {
    slots: Vec<Slot>,
    hasher: RandomState,
    rate: Option<SenderRate>,
    start: Instant,
    displaced: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    key: Option<u128>,
    /// In parts of a token.
    level: u64,
    /// µs since the table's start.
    at: u64,
}

impl Senders {
    /// An empty table of at least so many places, rounded up to a power of two. Without a rate everybody is within it.
    #[must_use]
    pub fn new(places: usize, rate: Option<SenderRate>, start: Instant) -> Self {
        let level = rate.map_or(0, |rate| u64::from(rate.burst) * PARTS);
        let slot = Slot { key: None, level, at: 0 };
        let slots = vec![slot; places.max(WAYS).next_power_of_two()];
        Self { slots, hasher: RandomState::new(), rate, start, displaced: 0 }
    }

    /// How many places there are.
    #[must_use]
    pub fn places(&self) -> usize {
        self.slots.len()
    }

    /// Senders that lost their place to another.
    #[must_use]
    pub fn displaced(&self) -> u64 {
        self.displaced
    }

    /// Books a datagram.
    pub fn book(&mut self, sender: IpAddr, now: Instant) -> Seen {
        let at = u64::try_from(now.saturating_duration_since(self.start).as_micros()).unwrap_or(u64::MAX);
        let place = self.place(key_of(sender));
        let slot = &mut self.slots[place];
        let elapsed = at.saturating_sub(slot.at);
        slot.at = slot.at.max(at);
        let within_rate = match self.rate {
            None => true,
            Some(rate) => {
                let most = u64::from(rate.burst) * PARTS;
                let filled = slot.level.saturating_add(elapsed.saturating_mul(u64::from(rate.per_second))).min(most);
                let left = filled.checked_sub(PARTS);
                slot.level = left.unwrap_or(filled);
                left.is_some()
            }
        };
        // A table has fewer than 2^32 places by its setting.
        Seen { place: u32::try_from(place).unwrap_or(u32::MAX), within_rate }
    }

    /// Where the sender is, or is from now on.
    fn place(&mut self, key: u128) -> usize {
        let sets = self.slots.len() / WAYS;
        // The remainder is below the number of sets, which is a usize.
        let first = usize::try_from(self.hasher.hash_one(key) % sets as u64).unwrap_or(0) * WAYS;
        let set = &self.slots[first..first + WAYS];
        if let Some(way) = set.iter().position(|slot| slot.key == Some(key)) {
            return first + way;
        }
        let age = |way: &usize| (set[*way].key.is_some(), set[*way].at);
        let way = (0..WAYS).min_by_key(age).unwrap_or(0);
        let slot = &mut self.slots[first + way];
        self.displaced += u64::from(slot.key.is_some());
        slot.key = Some(key);
        first + way
    }
}

fn key_of(sender: IpAddr) -> u128 {
    match sender {
        // Beside every IPv6 prefix, whose lower half is empty.
        IpAddr::V4(address) => u128::from(u32::from(address)) | 1 << 32,
        IpAddr::V6(address) => u128::from(address) & !u128::from(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const RATE: SenderRate = SenderRate { per_second: 10, burst: 5 };

    fn address(last: u32) -> IpAddr {
        IpAddr::from((0xC000_0200 + last).to_be_bytes())
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds_for_each_sender_alone() {
        let start = Instant::now();
        let mut senders = Senders::new(64, Some(RATE), start);
        let mut take = |sender, ms| senders.book(address(sender), start + Duration::from_millis(ms)).within_rate;
        assert!((0..5).all(|_| take(1, 0)));
        assert!(!take(1, 0));
        assert!(take(2, 0));
        assert!(!take(1, 99));
        assert!(take(1, 100));
        assert!(!take(1, 100));
        assert!((0..5).all(|_| take(1, 100_000)));
        assert!(!take(1, 100_000));
    }

    #[test]
    fn a_host_of_ipv6_is_one_sender_whatever_address_it_invents() {
        let start = Instant::now();
        let mut senders = Senders::new(64, Some(RATE), start);
        let passed = (0_u16..100).filter(|host| {
            let sender = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, *host]);
            senders.book(sender, start).within_rate
        });
        assert_eq!(passed.count(), 5);
    }

    #[test]
    fn invented_addresses_get_no_more_than_the_table_holds() {
        let start = Instant::now();
        let mut senders = Senders::new(64, Some(RATE), start);
        let passed = (0..100_000).filter(|sender| senders.book(address(*sender), start).within_rate).count();
        assert!(passed <= 64 * 5, "{passed}");
        assert!(senders.displaced() >= 100_000 - 64);
    }

    proptest! {
        /// With room for all: the same answers as a plain map of buckets.
        #[test]
        fn like_a_map_of_buckets(steps in proptest::collection::vec((0_u32..4, 0_u64..400), 1..300)) {
            let start = Instant::now();
            let mut senders = Senders::new(4096, Some(RATE), start);
            let mut plain = std::collections::HashMap::new();
            let mut ms = 0;
            for (sender, pause) in steps {
                ms += pause;
                // Thousandths of a token.
                let (level, at) = plain.entry(sender).or_insert((5_000_u64, ms));
                *level = (*level + (ms - *at) * 10).min(5_000);
                *at = ms;
                let expected = *level >= 1_000;
                *level -= if expected { 1_000 } else { 0 };
                let seen = senders.book(address(sender), start + Duration::from_millis(ms));
                prop_assert_eq!(seen.within_rate, expected);
            }
        }
    }
}
