//! Which shard a partition key belongs to, and what shards are called.

use cloudping_ports::ShardId;

/// The prefix of every shard's name; its number follows.
const PREFIX: &str = "shard-";

/// The name of a shard.
pub(crate) fn id(shard: u16) -> ShardId {
    ShardId(format!("{PREFIX}{shard}"))
}

/// The number of a shard of this name, out of `count` shards; `None` when there is no such shard.
pub(crate) fn number(id: &ShardId, count: u16) -> Option<u16> {
    let shard = id.0.strip_prefix(PREFIX)?.parse().ok()?;
    (shard < count && self::id(shard) == *id).then_some(shard)
}

/// The shard, out of `count` (at least 1), that holds a partition key's records.
///
/// The choice must never change for a file that exists, hence the hash is written down here.
pub(crate) fn of_key(partition_key: &str, count: u16) -> u16 {
    let shard = fnv1a(partition_key.as_bytes()) % u64::from(count);
    u16::try_from(shard).expect("a remainder of a u16 fits in one")
}

/// FNV-1a, 64 bits (Fowler, Noll and Vo; draft-eastlake-fnv).
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_published() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn keys_keep_their_shards() {
        let golden = [("us-east-1", 3), ("eu-central-1", 1), ("ap-southeast-2", 2), ("", 1)];
        for (key, shard) in golden {
            assert_eq!(of_key(key, 4), shard, "{key:?}");
        }
    }

    #[test]
    fn names_are_read_back_and_others_refused() {
        for shard in [0, 3, 41] {
            assert_eq!(number(&id(shard), 42), Some(shard));
        }
        for bad in ["shard-42", "shard-007", "shard-+1", "shard-", "1", ""] {
            assert_eq!(number(&ShardId(bad.to_owned()), 42), None, "{bad}");
        }
    }
}
