//! What each address has spent, in a memory of fixed size, without locks.
//!
//! A hash of the address chooses a set of eight words, which is one line of the processor's cache. A word is a mark of the address (16 bits)
//! and the moment at which its budget will be whole (48 bits of µs since the start: nine years). An address that finds no word takes the
//! place of the one whose budget is, or will be, whole first: of whoever is forgotten by right, and else of whoever has spent the least.
//! So what a flood of addresses can do is to make the service forget, which gives others more than their due, never less. The hash has a
//! secret of the process in it: nobody can choose addresses that meet. Two that meet by chance, one in ten thousand where all
//! places are taken, share a budget.

use std::array;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::budget::{Budget, Standing};

const WAYS: usize = 8;
const TIME_BITS: u32 = 48;
const TIME: u64 = (1 << TIME_BITS) - 1;

#[repr(align(64))]
#[derive(Default)]
struct Set([AtomicU64; WAYS]);

/// The budgets of many addresses, all of the same size.
pub(super) struct Addresses {
    sets: Box<[Set]>,
    hasher: RandomState,
}

impl Addresses {
    /// Room for about so many addresses (8 bytes each), rounded up.
    pub(super) fn new(places: usize) -> Self {
        let sets = places.div_ceil(WAYS).clamp(1, 1 << 24).next_power_of_two();
        Self { sets: (0..sets).map(|_| Set::default()).collect(), hasher: RandomState::new() }
    }

    /// Takes one request out of the budget of an address at `now` (µs since the start).
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn spend(&self, address: IpAddr, budget: Budget, now: u64, requests: u32) -> Result<Standing, Duration> {
        let hash = self.hasher.hash_one(network(address));
        let mark = hash >> TIME_BITS;
        // As many low bits as there are sets.
        let set = &self.sets[usize::try_from(hash).unwrap_or(0) & (self.sets.len() - 1)];
        loop {
            let words: [u64; WAYS] = array::from_fn(|at| set.0[at].load(Ordering::Relaxed));
            let known = (0..WAYS).find(|at| words[*at] != 0 && words[*at] >> TIME_BITS == mark);
            let at = known.unwrap_or_else(|| (0..WAYS).min_by_key(|at| words[*at] & TIME).unwrap_or(0));
            let whole_at = if known.is_some() { words[at] & TIME } else { 0 };
            let (whole_at, standing) = budget.spend(whole_at, now, requests)?;
            let word = mark << TIME_BITS | whole_at.min(TIME);
            // Where another was quicker, the set is looked at again: one of the two always gets on.
            if set.0[at].compare_exchange_weak(words[at], word, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Ok(standing);
            }
        }
    }

    /// Bytes of memory.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.sets.len() * size_of::<Set>()
    }
}

/// Whose budget an address spends: its own, or with IPv6 that of its /64, in which whoever has one address has them all.
fn network(address: IpAddr) -> (bool, u64) {
    match address.to_canonical() {
        IpAddr::V4(address) => (true, u64::from(u32::from(address))),
        // The upper half.
        IpAddr::V6(address) => (false, (u128::from(address) >> 64) as u64),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::sync::atomic::AtomicU32;

    use super::*;

    const BUDGET: Budget = Budget::of(3, 60);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn taken(addresses: &Addresses, of: &str) -> usize {
        (0..10).filter(|_| addresses.spend(address(of), BUDGET, 7, 1).is_ok()).count()
    }

    #[test]
    fn each_address_has_its_own_budget_and_ipv6_by_its_64() {
        let addresses = Addresses::new(1 << 16);
        for (of, left) in [
            ("192.0.2.1", 3),
            ("192.0.2.1", 0),
            ("192.0.2.2", 3),
            ("::ffff:192.0.2.2", 0),
            ("2001:db8::1", 3),
            ("2001:db8::ffff:0:0:2", 0),
            ("2001:db8:0:1::1", 3),
        ] {
            assert_eq!(taken(&addresses, of), left, "{of}");
        }
        assert!(addresses.spend(address("192.0.2.1"), BUDGET, 20_000_007, 1).is_ok(), "a third of the window later");
    }

    #[test]
    fn a_million_addresses_take_no_more_memory_and_nobody_is_refused_for_them() {
        let addresses = Addresses::new(1 << 17);
        assert_eq!(addresses.bytes(), 1 << 20);
        for number in 0..1_000_000_u32 {
            let of = if number % 2 == 0 {
                IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))
            } else {
                IpAddr::V6(Ipv6Addr::from(u128::from(number) << 64))
            };
            let spent = addresses.spend(of, Budget::of(1_000, 60), u64::from(number), 1);
            assert!(spent.is_ok(), "{of}");
        }
        assert_eq!(addresses.bytes(), 1 << 20);
    }

    #[test]
    fn who_has_spent_most_is_remembered_in_a_flood() {
        // One set: whoever comes takes the place of another.
        let addresses = Addresses::new(WAYS);
        assert_eq!(taken(&addresses, "192.0.2.1"), 3);
        for number in 0..1_000_u32 {
            let of = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number));
            assert!(addresses.spend(of, BUDGET, 8, 1).is_ok());
        }
        assert_eq!(taken(&addresses, "192.0.2.1"), 0);
    }

    #[test]
    fn many_threads_get_no_more_than_the_budget() {
        let (addresses, taken) = (Addresses::new(64), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        if addresses.spend(address("192.0.2.1"), Budget::of(1_000, 60), 9, 1).is_ok() {
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 1_000);
    }
}
