//! The event log: durable, ordered per shard, delivered at least once.

use std::cmp::Ordering;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

/// One of the log's independent, ordered parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub String);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A shard as the log lists it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shard {
    /// Its name.
    pub id: ShardId,
    /// The shards that it came from by a split or a merge, as far as they are still listed: a partition key's records in them are older
    /// than those in this one.
    pub parents: Vec<ShardId>,
    /// No record will follow: it was split or merged. What it holds can still be read.
    pub closed: bool,
}

impl Shard {
    /// A shard that came from no other and takes records.
    #[must_use]
    pub fn open(id: ShardId) -> Self {
        Self { id, parents: Vec::new(), closed: false }
    }
}

/// A record's place in its shard: a decimal number without leading zeros, of any length (Kinesis' have up to 56 digits).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(String);

impl SequenceNumber {
    /// Wraps the digits of a sequence number; `None` if they are no such digits.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        let canonical = digits == "0" || !digits.starts_with('0');
        let numeric = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (canonical && numeric).then(|| Self(digits.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u64> for SequenceNumber {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the shard.
    pub sequence: SequenceNumber,
    /// The event's bytes.
    pub data: Bytes,
}

/// Why the log could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no such shard.
    #[error("event log: no shard {0}")]
    NoShard(ShardId),
    /// This record will never be taken, because of what it is: appending it again is useless, and it must not keep back those behind
    /// it. Not for what somebody can mend without changing the record, such as a key, a clock or a right.
    #[error("event log: {0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The backend failed; the caller may try again.
    #[error("event log: {0}")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An append-only log of events, split into shards by partition key.
///
/// Records with one partition key stay in the order in which their appends returned: within a shard, and from a shard to those that
/// came from it. A record may be delivered more than
/// once, and an append that failed may still have taken effect; events carry an identity for that reason.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends one record; it is durable when this returns.
    ///
    /// # Errors
    /// [`LogError::Backend`] when the record may not be durable; appending it again is safe. [`LogError::Refused`] when it never will
    /// be, unless an earlier append of it took effect.
    async fn append(&self, partition_key: &str, data: Bytes) -> Result<(), LogError>;

    /// The shards that hold records or take them, now.
    ///
    /// # Errors
    /// [`LogError::Backend`].
    async fn shards(&self) -> Result<Vec<Shard>, LogError>;

    /// Up to `limit` records of a shard that follow `after` (from the oldest kept when `None`), in order; empty at the end.
    ///
    /// # Errors
    /// [`LogError::NoShard`] or [`LogError::Backend`].
    async fn read(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<Record>, LogError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_order_as_numbers() {
        let parse = |digits| SequenceNumber::parse(digits).unwrap();
        assert!(parse("9") < parse("10"));
        assert!(parse("49590338271490256608559692538361571095921575989136588898") > parse("7"));
        assert_eq!(parse("42"), SequenceNumber::from(42));
        for bad in ["", "007", "-1", "1e3"] {
            assert_eq!(SequenceNumber::parse(bad), None, "{bad}");
        }
    }
}
