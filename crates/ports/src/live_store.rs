//! The live store: small versioned items under conditional, atomic writes.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

/// The most writes that one commit may hold (DynamoDB's limit for a transaction).
pub const MAX_WRITES_PER_COMMIT: usize = 100;

/// Where an item lives: items of one partition are listed together, in the order of their sort keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The partition.
    pub partition: String,
    /// The place within the partition.
    pub sort: String,
}

impl Key {
    /// A key.
    #[must_use]
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }
}

/// A stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// 1 when first written, one more with every write.
    pub version: u64,
    /// The bytes.
    pub value: Bytes,
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing is stored under the key.
    Absent,
    /// The stored item has this version.
    Version(u64),
}

impl Expect {
    /// What to expect of an item as it was read.
    #[must_use]
    pub fn unchanged(read: Option<&Item>) -> Self {
        read.map_or(Self::Absent, |item| Self::Version(item.version))
    }

    /// The version that a put under this expectation leaves behind.
    #[must_use]
    pub fn next_version(self) -> u64 {
        match self {
            Self::Absent => 1,
            Self::Version(version) => version + 1,
        }
    }
}

/// What a write does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Stores these bytes.
    Put(Bytes),
    /// Removes the item; its next version is 1 again.
    Delete,
    /// Leaves the item as it is: the commit happens only if the expectation holds.
    Check,
}

/// One part of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which item.
    pub key: Key,
    /// What must hold.
    pub expect: Expect,
    /// What to do.
    pub change: Change,
}

/// Why the store could not be read.
#[derive(Debug, thiserror::Error)]
#[error("live store: {0}")]
pub struct StoreError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Why a commit did not happen, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// An expectation did not hold; nothing was written.
    #[error("live store: {0:?} was changed by another writer")]
    Conflict(Key),
    /// The request is malformed; nothing was written.
    #[error("live store: {0}")]
    Invalid(String),
    /// The backend failed; the commit may or may not have taken effect.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A store of versioned items.
#[async_trait]
pub trait LiveStore: Send + Sync {
    /// The item under a key. Sees every commit that has returned.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError>;

    /// The items of a partition whose sort keys lie in the range, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError>;

    /// Carries out all writes (1 to [`MAX_WRITES_PER_COMMIT`], each key at most once) or none; durable when this returns.
    ///
    /// # Errors
    /// [`CommitError`].
    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError>;
}

/// Checks the shape of a commit; backends call this first.
///
/// # Errors
/// [`CommitError::Invalid`] when there are no writes, too many, or two for one key.
pub fn check_shape(writes: &[Write]) -> Result<(), CommitError> {
    if writes.is_empty() || writes.len() > MAX_WRITES_PER_COMMIT {
        return Err(CommitError::Invalid(format!(
            "a commit of {} writes, expected 1 to {MAX_WRITES_PER_COMMIT}",
            writes.len()
        )));
    }
    let mut keys: Vec<&Key> = writes.iter().map(|write| &write.key).collect();
    keys.sort();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(CommitError::Invalid(format!("two writes for {:?} in one commit", pair[0]))),
        None => Ok(()),
    }
}
