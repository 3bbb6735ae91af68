//! A live store in memory.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cloudping_ports::{Change, CommitError, Expect, Item, Key, LiveStore, StoreError, Write, check_shape};

/// The plainest [`LiveStore`]: one map under one lock. It forgets everything when dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    items: Mutex<BTreeMap<Key, Item>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn items(&self) -> MutexGuard<'_, BTreeMap<Key, Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl LiveStore for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        Ok(self.items().get(key).cloned())
    }

    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        let from = Key::new(partition, sort.start);
        let listed = self
            .items()
            .range(from..)
            .take_while(|(key, _)| key.partition == partition && key.sort.as_str() < sort.end)
            .map(|(key, item)| (key.clone(), item.clone()))
            .collect();
        Ok(listed)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        check_shape(&writes)?;
        let mut items = self.items();
        if let Some(broken) = writes.iter().find(|write| Expect::unchanged(items.get(&write.key)) != write.expect) {
            return Err(CommitError::Conflict(broken.key.clone()));
        }
        for Write { key, expect, change } in writes {
            apply(&mut items, key, expect.next_version(), change);
        }
        Ok(())
    }
}

fn apply(items: &mut BTreeMap<Key, Item>, key: Key, version: u64, change: Change) {
    match change {
        Change::Put(value) => {
            items.insert(key, Item { version, value });
        }
        Change::Delete => {
            items.remove(&key);
        }
        Change::Check => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_contract() {
        crate::store_contract::run(async || MemoryStore::new());
    }
}
