//! Checkpoints as Delta application transactions.
//!
//! Delta keeps one signed 64-bit number for each application id. A sequence number of the log has up to 56 digits, so it is cut into limbs of
//! 18 digits, the lowest first, one application id each: `cloudping/archive/{shard}/0` to `/3`. All limbs are written in one commit, with the
//! data that they cover.

use cloudping_model::Pane;
use cloudping_ports::{SequenceNumber, ShardId};

/// In every commit of every archiver, so that of two at once the second is refused, whatever shards they read: a round that a producer sent
/// twice may lie in two shards.
pub const ARCHIVE_APP: &str = "cloudping/archive";
/// The version of `samples` that `rollup_1h` was computed from, except for the windows listed at [`pending_app`].
pub const ROLLUP_APP: &str = "cloudping/rollup_1h/samples";
/// The version of `samples` that `rollup_1d` was computed from, as far as [`ROLLUP_DAYS_END_APP`], except for those listed at [`pending_app`].
pub const ROLLUP_DAYS_APP: &str = "cloudping/rollup_1d/samples";
/// The first day, in days since 1970-01-01, that was not over when `rollup_1d` was computed.
pub const ROLLUP_DAYS_END_APP: &str = "cloudping/rollup_1d/end";
/// How many limbs a checkpoint has.
pub const LIMBS: usize = 4;

/// Decimal digits of a limb: the most that always fit into an `i64`.
const LIMB_DIGITS: usize = 18;
/// 10 to the power of [`LIMB_DIGITS`].
const LIMB_END: i64 = 1_000_000_000_000_000_000;

/// Why a checkpoint cannot be kept, or is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// More digits than the limbs hold.
    #[error("checkpoint of shard {shard}: sequence number {sequence} has more than 72 digits")]
    TooLong {
        /// Whose.
        shard: ShardId,
        /// The number.
        sequence: SequenceNumber,
    },
    /// The stored limbs are not those of a number.
    #[error("checkpoint of shard {shard}: limbs {limbs:?}, expected {LIMBS} numbers of 0 to 10^18 - 1, or none")]
    Limbs {
        /// Whose.
        shard: ShardId,
        /// What is stored, the lowest first.
        limbs: Vec<Option<i64>>,
    },
}

/// The application id of a place in the list of windows that a rollup still has to compute.
#[must_use]
pub fn pending_app(pane: Pane, place: usize) -> String {
    let rollup = if pane == Pane::Day { "rollup_1d" } else { "rollup_1h" };
    format!("cloudping/{rollup}/pending/{place}")
}

/// The application id of each of a shard's limbs, the lowest first.
#[must_use]
pub fn limb_apps(shard: &ShardId) -> [String; LIMBS] {
    std::array::from_fn(|limb| format!("{ARCHIVE_APP}/{shard}/{limb}"))
}

/// The limbs of a sequence number, the lowest first.
///
/// # Errors
/// [`CheckpointError::TooLong`] beyond 72 digits.
pub fn to_limbs(shard: &ShardId, sequence: &SequenceNumber) -> Result<[i64; LIMBS], CheckpointError> {
    let too_long = || CheckpointError::TooLong { shard: shard.clone(), sequence: sequence.clone() };
    let mut limbs = [0; LIMBS];
    let mut rest = sequence.as_str();
    for limb in &mut limbs {
        let (higher, digits) = rest.split_at(rest.len().saturating_sub(LIMB_DIGITS));
        if !digits.is_empty() {
            *limb = digits.parse().map_err(|_| too_long())?;
        }
        rest = higher;
    }
    if rest.is_empty() { Ok(limbs) } else { Err(too_long()) }
}

/// The sequence number of stored limbs, the lowest first; `None` when none is stored.
///
/// # Errors
/// [`CheckpointError::Limbs`] when some limbs are missing or out of range.
pub fn from_limbs(shard: &ShardId, limbs: &[Option<i64>; LIMBS]) -> Result<Option<SequenceNumber>, CheckpointError> {
    if limbs.iter().all(Option::is_none) {
        return Ok(None);
    }
    let broken = || CheckpointError::Limbs { shard: shard.clone(), limbs: limbs.to_vec() };
    let mut digits = String::with_capacity(LIMBS * LIMB_DIGITS);
    for limb in limbs.iter().rev() {
        match limb {
            Some(limb @ 0..LIMB_END) => digits.push_str(&format!("{limb:0LIMB_DIGITS$}")),
            _ => return Err(broken()),
        }
    }
    let significant = digits.trim_start_matches('0');
    let canonical = if significant.is_empty() { "0" } else { significant };
    SequenceNumber::parse(canonical).map(Some).ok_or_else(broken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shard() -> ShardId {
        ShardId("shardId-000000000001".to_owned())
    }

    fn number(digits: &str) -> SequenceNumber {
        SequenceNumber::parse(digits).unwrap()
    }

    fn there_and_back(digits: &str) -> Option<SequenceNumber> {
        let limbs = to_limbs(&shard(), &number(digits)).unwrap();
        from_limbs(&shard(), &limbs.map(Some)).unwrap()
    }

    #[test]
    fn the_lowest_digits_come_first() {
        let kinesis = "49590338271490256608559692538361571095921575989136588898";
        let limbs = to_limbs(&shard(), &number(kinesis)).unwrap();
        assert_eq!(from_limbs(&shard(), &limbs.map(Some)).unwrap().unwrap().as_str(), kinesis);
        assert_eq!(limbs, [921575989136588898, 559692538361571095, 590338271490256608, 49]);
        assert_eq!(limb_apps(&shard())[3], "cloudping/archive/shardId-000000000001/3");
    }

    #[test]
    fn the_edges_survive() {
        let nines = "9".repeat(72);
        for digits in ["0", "1", "999999999999999999", "1000000000000000000", nines.as_str()] {
            assert_eq!(there_and_back(digits), Some(number(digits)), "{digits}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let too_long = number(&format!("1{}", "0".repeat(72)));
        let error = to_limbs(&shard(), &too_long).unwrap_err();
        assert!(matches!(error, CheckpointError::TooLong { .. }), "{error}");
        for broken in [
            [None, Some(0), Some(0), Some(0)],
            [Some(-1), Some(0), Some(0), Some(0)],
            [Some(0), Some(0), Some(0), Some(LIMB_END)],
        ] {
            let error = from_limbs(&shard(), &broken).unwrap_err();
            assert!(matches!(error, CheckpointError::Limbs { .. }), "{error}");
        }
    }

    #[test]
    fn no_limbs_are_no_checkpoint() {
        assert_eq!(from_limbs(&shard(), &[None; LIMBS]), Ok(None));
    }

    proptest! {
        #[test]
        fn every_number_comes_back(digits in "[1-9][0-9]{0,71}") {
            prop_assert_eq!(there_and_back(&digits), Some(number(&digits)));
        }

        #[test]
        fn limbs_order_as_numbers(a in "[1-9][0-9]{0,71}", b in "[1-9][0-9]{0,71}") {
            let limbs = |digits: &str| {
                let mut limbs = to_limbs(&shard(), &number(digits)).unwrap();
                limbs.reverse();
                limbs
            };
            prop_assert_eq!(limbs(&a).cmp(&limbs(&b)), number(&a).cmp(&number(&b)));
        }
    }
}
