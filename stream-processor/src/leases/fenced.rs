//! A store that takes writes only as long as a lease is held.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use cloudping_ports::{Change, CommitError, Expect, Item, Key, LiveStore, ShardId, StoreError, Write};
use cloudping_schemas::stored::keys;

/// One term of a lease: the item, and the version that it had when the lease was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Where the lease is.
    pub key: Key,
    /// What its version must be.
    pub version: u64,
}

impl Fence {
    /// The term of a shard's lease that began with this version.
    #[must_use]
    pub fn of(shard: &ShardId, version: u64) -> Self {
        Self { key: Key::new(keys::LEASES, shard.0.clone()), version }
    }
}

/// A [`LiveStore`] every commit of which depends on a [`Fence`]: once the lease has changed hands, each is a
/// [`CommitError::Conflict`] on the lease's key, and nothing is written.
///
/// The dependence takes a place in the commit: it may hold one write less than
/// [`MAX_WRITES_PER_COMMIT`](cloudping_ports::MAX_WRITES_PER_COMMIT).
pub struct Fenced {
    store: Arc<dyn LiveStore>,
    fence: Fence,
}

impl Fenced {
    /// The store as one holder of a lease may use it.
    #[must_use]
    pub fn new(store: Arc<dyn LiveStore>, fence: Fence) -> Self {
        Self { store, fence }
    }
}

#[async_trait]
impl LiveStore for Fenced {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.store.get(key).await
    }

    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        self.store.list(partition, sort).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        if writes.is_empty() {
            // The fence alone would make a commit of nothing look like one of something.
            return self.store.commit(writes).await;
        }
        let Fence { key, version } = self.fence.clone();
        // First, so that of several conflicts this is the one that is named.
        let mut fenced = vec![Write { key, expect: Expect::Version(version), change: Change::Check }];
        fenced.extend(writes);
        self.store.commit(fenced).await
    }
}
