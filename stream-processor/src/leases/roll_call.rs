//! Who is alive, by one's own count of looks.

use std::collections::{BTreeMap, BTreeSet};

/// So many regular looks make a lease time.
pub(crate) const LOOKS_PER_LEASE: u32 = 4;
/// A dead worker's sign of life is cleared away after so many looks more.
const LOOKS_UNTIL_CLEARED: u64 = 10 * LOOKS_PER_LEASE as u64;

/// A worker's sign of life as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sign {
    /// The item's version.
    pub(crate) version: u64,
    /// The item's count.
    pub(crate) heartbeat: u64,
}

/// Remembers since which of its looks each worker's sign of life has stood still.
///
/// Time is counted in one's own regular looks, which are at least a quarter of the lease time apart. A worker that was itself asleep has
/// made no looks meanwhile, so it never wakes up to judge all others dead.
#[derive(Debug, Default)]
pub(crate) struct RollCall {
    seen: BTreeMap<String, (Sign, u64)>,
}

/// What a roll call found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Presence {
    /// Who is alive, or was not yet seen standing still for long enough.
    pub(crate) live: BTreeSet<String>,
    /// Who has been dead for long, with the version of the sign.
    pub(crate) long_dead: Vec<(String, u64)>,
}

impl RollCall {
    /// Takes in the signs of life at a look; `look` is the number of regular looks so far.
    pub(crate) fn call(&mut self, look: u64, signs: BTreeMap<String, Sign>) -> Presence {
        self.seen.retain(|id, _| signs.contains_key(id));
        let mut presence = Presence::default();
        for (id, sign) in signs {
            let (last, since) = self.seen.entry(id.clone()).or_insert((sign, look));
            if *last != sign {
                (*last, *since) = (sign, look);
            }
            let stood_still = look - *since;
            if stood_still < u64::from(LOOKS_PER_LEASE) {
                presence.live.insert(id);
            } else if stood_still >= LOOKS_UNTIL_CLEARED {
                presence.long_dead.push((id, sign.version));
            }
        }
        presence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(beats: &[(&str, u64)]) -> BTreeMap<String, Sign> {
        let sign = |beat| Sign { version: beat, heartbeat: beat };
        beats.iter().map(|(id, beat)| ((*id).to_owned(), sign(*beat))).collect()
    }

    fn live(presence: &Presence) -> Vec<&str> {
        presence.live.iter().map(String::as_str).collect()
    }

    #[test]
    fn a_sign_that_stands_still_for_a_lease_time_is_of_a_dead_worker() {
        let mut roll_call = RollCall::default();
        for look in 0..4 {
            // However often one looks in between.
            for _ in 0..9 {
                assert_eq!(live(&roll_call.call(look, signs(&[("a", look), ("b", 7)]))), ["a", "b"], "look {look}");
            }
        }
        assert_eq!(live(&roll_call.call(4, signs(&[("a", 4), ("b", 7)]))), ["a"]);
        assert_eq!(live(&roll_call.call(5, signs(&[("a", 5), ("b", 8)]))), ["a", "b"], "b woke up");
    }

    #[test]
    fn the_long_dead_are_named_with_their_version() {
        let mut roll_call = RollCall::default();
        for look in 0..40 {
            assert_eq!(roll_call.call(look, signs(&[("a", 3)])).long_dead, [], "look {look}");
        }
        assert_eq!(roll_call.call(40, signs(&[("a", 3)])).long_dead, [("a".to_owned(), 3)]);
        assert_eq!(roll_call.call(41, signs(&[])), Presence::default());
        // Who comes back is new.
        assert_eq!(live(&roll_call.call(42, signs(&[("a", 3)]))), ["a"]);
    }
}
