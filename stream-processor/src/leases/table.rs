//! Leases and signs of life in the live store.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cloudping_ports::{Change, CommitError, Expect, Item, Key, LiveStore, ShardId, Write};
use cloudping_schemas::stored::{LeaseItem, StoredError, WorkerItem, keys};

use super::roll_call::Sign;
use super::{Fence, WorkerId};
use crate::processor::{ProcessError, checkpoint_key};

/// A lease as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The item's version.
    pub(crate) version: u64,
    /// What it says.
    pub(crate) item: LeaseItem,
}

/// The stored leases.
pub(crate) type Leases = BTreeMap<ShardId, Lease>;

/// One worker's way to the leases.
pub(crate) struct Table {
    store: Arc<dyn LiveStore>,
    me: WorkerId,
    heartbeat: u64,
    /// This worker's own sign of life, where it is known how it is stored.
    sign: Option<Expect>,
}

impl Table {
    pub(crate) fn new(store: Arc<dyn LiveStore>, me: WorkerId) -> Self {
        Self { store, me, heartbeat: 0, sign: None }
    }

    /// Gives a sign of life.
    ///
    /// # Errors
    /// [`ProcessError`]; the next one may succeed.
    pub(crate) async fn beat(&mut self) -> Result<(), ProcessError> {
        let key = worker_key(self.me.as_str());
        // After a failure it may be stored, or not, or cleared away by others.
        let expect = match self.sign.take() {
            Some(expect) => expect,
            None => Expect::unchanged(self.store.get(&key).await?.as_ref()),
        };
        self.heartbeat += 1;
        let item = WorkerItem { heartbeat: self.heartbeat };
        self.commit_one(key, expect, Change::Put(Bytes::from(item.encode()))).await?;
        self.sign = Some(Expect::Version(expect.next_version()));
        Ok(())
    }

    /// Every lease.
    ///
    /// # Errors
    /// [`ProcessError::Store`] or [`ProcessError::Stored`].
    pub(crate) async fn leases(&self) -> Result<Leases, ProcessError> {
        let stored = self.list(keys::LEASES, LeaseItem::decode).await?;
        Ok(stored.into_iter().map(|(sort, version, item)| (ShardId(sort), Lease { version, item })).collect())
    }

    /// Every worker's sign of life.
    ///
    /// # Errors
    /// [`ProcessError::Store`] or [`ProcessError::Stored`].
    pub(crate) async fn signs(&self) -> Result<BTreeMap<String, Sign>, ProcessError> {
        let stored = self.list(keys::WORKERS, WorkerItem::decode).await?;
        Ok(stored.into_iter().map(|(id, version, item)| (id, Sign { version, heartbeat: item.heartbeat })).collect())
    }

    async fn list<T>(
        &self,
        partition: &str,
        decode: impl Fn(&[u8]) -> Result<T, StoredError>,
    ) -> Result<Vec<(String, u64, T)>, ProcessError> {
        let mut read = Vec::new();
        for (key, Item { version, value }) in self.store.list(partition, keys::ALL).await? {
            match decode(&value) {
                Ok(item) => read.push((key.sort, version, item)),
                Err(source) => return Err(ProcessError::Stored { key, source }),
            }
        }
        Ok(read)
    }

    /// Takes a lease that is stored like this; gives what every commit under it depends on.
    ///
    /// # Errors
    /// [`CommitError`]; a conflict says that another was faster.
    pub(crate) async fn take(&self, shard: &ShardId, expect: Expect) -> Result<Fence, CommitError> {
        let fence = Fence::of(shard, expect.next_version());
        let item = LeaseItem { owner: Some(self.me.as_str().to_owned()), finished: false };
        self.commit_one(fence.key.clone(), expect, Change::Put(Bytes::from(item.encode()))).await?;
        Ok(fence)
    }

    /// Deletes the lease of a finished shard that the log has forgotten, and its checkpoint.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub(crate) async fn forget(&self, shard: &ShardId, version: u64) -> Result<(), ProcessError> {
        let lease = Fence::of(shard, version);
        let checkpoint = checkpoint_key(shard);
        let stored = self.store.get(&checkpoint).await?.map(|item| (checkpoint, item.version));
        let deletes = [(lease.key, lease.version)].into_iter().chain(stored);
        let delete = |(key, version)| Write { key, expect: Expect::Version(version), change: Change::Delete };
        Ok(self.store.commit(deletes.map(delete).collect()).await?)
    }

    /// Clears away the sign of life, of this version, of a worker that is long dead.
    ///
    /// # Errors
    /// [`CommitError`]; a conflict says that it woke up.
    pub(crate) async fn clear(&self, worker: &str, version: u64) -> Result<(), CommitError> {
        self.commit_one(worker_key(worker), Expect::Version(version), Change::Delete).await
    }

    /// Takes this worker's sign of life away: all its leases are free at once.
    ///
    /// # Errors
    /// [`ProcessError`]; the others then find it dead after the lease time.
    pub(crate) async fn leave(&mut self) -> Result<(), ProcessError> {
        self.sign = None;
        let key = worker_key(self.me.as_str());
        match self.store.get(&key).await? {
            Some(item) => Ok(self.commit_one(key, Expect::Version(item.version), Change::Delete).await?),
            None => Ok(()),
        }
    }

    async fn commit_one(&self, key: Key, expect: Expect, change: Change) -> Result<(), CommitError> {
        self.store.commit(vec![Write { key, expect, change }]).await
    }
}

/// Says that a shard was read to its end.
///
/// # Errors
/// [`CommitError`]; a conflict says that the lease was lost.
pub(crate) async fn finish(store: &dyn LiveStore, fence: &Fence) -> Result<(), CommitError> {
    let item = LeaseItem { owner: None, finished: true };
    let (key, expect) = (fence.key.clone(), Expect::Version(fence.version));
    store.commit(vec![Write { key, expect, change: Change::Put(Bytes::from(item.encode())) }]).await
}

fn worker_key(id: &str) -> Key {
    Key::new(keys::WORKERS, id)
}
