//! The live store in one file.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cloudping_ports::{Change, CommitError, Expect, Item, Key, LiveStore, StoreError, Write, check_shape};
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition};
use tokio::sync::{Mutex, watch};
use tokio::task::spawn_blocking;

use crate::open::{FileKind, OpenError, begin_durable, open};

/// (partition, sort key) → (version, the item's bytes).
const ITEMS: TableDefinition<(&str, &str), (u64, &[u8])> = TableDefinition::new("items");

const FILE: FileKind = FileKind { name: "live store", file: "live.redb", format: 1 };

/// A [`LiveStore`] in the file `live.redb` of a data directory. Dropping it closes the file.
pub struct LocalStore {
    database: Arc<Database>,
    /// Held by the commit whose turn it is: the others wait here, in order, and not on threads of their own.
    turn: Arc<Mutex<()>>,
    committed: Arc<watch::Sender<u64>>,
}

impl LocalStore {
    /// Opens the store of a data directory, creating both where absent.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let database = open(dir, &FILE, |transaction| {
            transaction.open_table(ITEMS)?;
            Ok(())
        })?;
        Ok(Self::over(database))
    }

    fn over(database: Database) -> Self {
        Self { database: Arc::new(database), turn: Arc::default(), committed: Arc::new(watch::channel(0).0) }
    }

    /// Changes after every commit that has taken effect: the number of commits since the store was opened.
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    async fn read<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.database);
        spawn_blocking(move || act(&database)).await.map_err(failed)?.map_err(failed)
    }
}

#[async_trait]
impl LiveStore for LocalStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let key = key.clone();
        self.read(move |database| {
            let items = database.begin_read()?.open_table(ITEMS)?;
            let stored = ReadableTable::get(&items, (key.partition.as_str(), key.sort.as_str()))?;
            Ok(stored.map(|row| item(row.value())))
        })
        .await
    }

    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        if sort.is_empty() {
            return Ok(Vec::new());
        }
        let partition = partition.to_owned();
        let (from, to) = (sort.start.to_owned(), sort.end.to_owned());
        self.read(move |database| {
            let items = database.begin_read()?.open_table(ITEMS)?;
            let range = (partition.as_str(), from.as_str())..(partition.as_str(), to.as_str());
            ReadableTable::range(&items, range)?
                .map(|row| {
                    let (key, value) = row?;
                    let (partition, sort) = key.value();
                    Ok((Key::new(partition, sort), item(value.value())))
                })
                .collect()
        })
        .await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        check_shape(&writes)?;
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let database = Arc::clone(&self.database);
        let committed = Arc::clone(&self.committed);
        let conflict = spawn_blocking(move || {
            let conflict = commit(&database, &writes)?;
            if conflict.is_none() {
                committed.send_modify(|count| *count += 1);
            }
            drop(turn);
            Ok::<_, redb::Error>(conflict)
        })
        .await
        .map_err(failed)?
        .map_err(failed)?;
        conflict.map_or(Ok(()), |key| Err(CommitError::Conflict(key)))
    }
}

/// Carries out all writes, or none when the expectation for the returned key does not hold.
fn commit(database: &Database, writes: &[Write]) -> Result<Option<Key>, redb::Error> {
    let transaction = begin_durable(database)?;
    {
        let mut items = transaction.open_table(ITEMS)?;
        for write in writes {
            if !holds(&items, write)? {
                // An uncommitted transaction leaves nothing behind.
                return Ok(Some(write.key.clone()));
            }
            let key = (write.key.partition.as_str(), write.key.sort.as_str());
            match &write.change {
                Change::Put(value) => {
                    items.insert(key, (write.expect.next_version(), &value[..]))?;
                }
                Change::Delete => {
                    items.remove(key)?;
                }
                Change::Check => {}
            }
        }
    }
    transaction.commit()?;
    Ok(None)
}

/// Whether the expectation of a write holds. Keys are distinct, so earlier writes of the same commit do not matter.
fn holds(
    items: &Table<(&'static str, &'static str), (u64, &'static [u8])>,
    write: &Write,
) -> Result<bool, redb::Error> {
    let key = (write.key.partition.as_str(), write.key.sort.as_str());
    let stored = items.get(key)?;
    let version = stored.map(|row| row.value().0);
    Ok(version.map_or(Expect::Absent, Expect::Version) == write.expect)
}

fn item((version, value): (u64, &[u8])) -> Item {
    Item { version, value: Bytes::copy_from_slice(value) }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synced::SyncedDisk;

    #[tokio::test]
    async fn what_commit_has_returned_survives_the_loss_of_all_that_was_not_synced() {
        let disk = SyncedDisk::default();
        let store = LocalStore::over(disk.database());
        let keys = ["a", "b", "c"].map(|sort| Key::new("p", sort));
        for version in 1..=40_u64 {
            let expect = match version {
                1 => Expect::Absent,
                later => Expect::Version(later - 1),
            };
            let value = Bytes::from(vec![7; usize::try_from(version).unwrap() * 100]);
            let writes = keys.clone().map(|key| Write { key, expect, change: Change::Put(value.clone()) });
            store.commit(writes.to_vec()).await.unwrap();
            let survivor = LocalStore::over(disk.after_power_loss().database());
            for key in &keys {
                let item = survivor.get(key).await.unwrap().unwrap();
                assert_eq!((item.version, &item.value), (version, &value));
            }
        }
    }
}
