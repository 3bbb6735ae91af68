//! Identities of rounds that no producer numbered.

use cloudping_model::{RoundId, VantageId};
use cloudping_schemas::tables::Origin;

/// FNV-1a, 64 bits: its start and its prime (Fowler, Noll, Vo; draft-eastlake-fnv).
const START: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
/// No clock of a producer comes here: imported epochs lie from 2^62 to 2^63 - 1.
const IMPORTED: u64 = 1 << 62;

/// The identity of an imported round: its epoch is a hash of where it comes from and what it says, so the same round has the same identity in
/// whichever file it comes, and however often.
pub(super) fn identity(origin: Origin, vantage: VantageId, content: &[&str]) -> RoundId {
    let mut hash = START;
    for part in [origin.stored().unwrap_or(""), vantage.as_str()].iter().chain(content) {
        // Each part ends with a byte that no text has, so that parts cannot run into each other.
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    // FNV mixes upwards only: the last bytes reach the high bits, not the low ones that are kept. Finalizer of SplitMix64 (Steele, Lea, Flood).
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    RoundId { vantage, epoch: IMPORTED | (hash >> 2), number: 0 }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn epoch(origin: Origin, vantage: &str, content: &[&str]) -> u64 {
        identity(origin, VantageId::new(vantage).unwrap(), content).epoch
    }

    #[test]
    fn identities_stay_the_same_for_ever() {
        assert_eq!(epoch(Origin::Csv, "a", &["b", "1"]), EXPECTED);
        assert!(i64::try_from(EXPECTED).is_ok());
    }

    /// What is in tables depends on it.
    const EXPECTED: u64 = 6_208_714_440_195_467_087;

    #[test]
    fn whatever_differs_gives_another_identity() {
        let mut epochs = HashSet::new();
        for (origin, vantage, content) in [
            (Origin::Csv, "a", &["b", "1"][..]),
            (Origin::RipeAtlas, "a", &["b", "1"]),
            (Origin::Csv, "c", &["b", "1"]),
            (Origin::Csv, "a", &["b1"]),
            (Origin::Csv, "a", &["", "b", "1"]),
            (Origin::Csv, "ab", &["1"]),
        ] {
            assert!(epochs.insert(epoch(origin, vantage, content)), "{origin} {vantage} {content:?}");
        }
        for number in 2..100_000 {
            assert!(epochs.insert(epoch(Origin::Csv, "a", &["b", &format!("{number}")])), "{number}");
        }
    }
}
