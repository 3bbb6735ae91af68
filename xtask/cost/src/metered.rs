//! A live store that counts what it would cost on DynamoDB.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cloudping_backend_aws::dynamo_units::{get_units, list_units, stored_bytes, write_units};
use cloudping_ports::{Change, CommitError, Item, Key, LiveStore, StoreError, Write};
use cloudping_testkit::MemoryStore;

/// Request units, by kind of item: the partition without its vantage point.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meter {
    /// For writing.
    pub written: BTreeMap<String, u64>,
    /// For reading.
    pub read: BTreeMap<String, u64>,
}

impl Meter {
    /// What was asked for since an earlier reading of the same meter, or beside a part of it.
    pub fn less(&self, before: &Self) -> Self {
        let less = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
            let rest = |kind: &String, units: &u64| units - before.get(kind).copied().unwrap_or(0);
            now.iter().map(|(kind, units)| (kind.clone(), rest(kind, units))).collect()
        };
        Self { written: less(&self.written, &before.written), read: less(&self.read, &before.read) }
    }

    /// Both together.
    pub fn plus(mut self, other: Self) -> Self {
        other.written.into_iter().for_each(|(kind, units)| *self.written.entry(kind).or_default() += units);
        other.read.into_iter().for_each(|(kind, units)| *self.read.entry(kind).or_default() += units);
        self
    }
}

/// A store in memory with a meter.
#[derive(Debug, Default)]
pub struct Metered {
    store: MemoryStore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lengths: HashMap<Key, usize>,
    meter: Meter,
}

impl Metered {
    /// What was asked for so far.
    pub fn meter(&self) -> Meter {
        self.state().meter.clone()
    }

    /// How many items of a kind there are from a sort key on, and what they take of the table's storage, bytes.
    pub fn stored(&self, of_kind: &str, from: &str) -> (u64, u64) {
        let state = self.state();
        let found =
            state.lengths.iter().filter(|(key, _)| kind(&key.partition) == of_kind && key.sort.as_str() >= from);
        found.fold((0, 0), |(count, bytes), (key, length)| (count + 1, bytes + stored_bytes(key, *length)))
    }

    /// An item, not charged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn peek(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.store.get(key).await
    }

    /// How long the value under a key is, bytes; 0 where there is none.
    pub fn length(&self, key: &Key) -> usize {
        self.state().lengths.get(key).copied().unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind(partition: &str) -> &str {
    partition.rsplit_once('/').map_or(partition, |(kind, _)| kind)
}

#[async_trait]
impl LiveStore for Metered {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let found = self.store.get(key).await?;
        let units = get_units(key, found.as_ref().map(|item| item.value.len()));
        *self.state().meter.read.entry(kind(&key.partition).to_owned()).or_default() += units;
        Ok(found)
    }

    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        let found = self.store.list(partition, sort).await?;
        let units = list_units(found.iter().map(|(key, item)| (key, item.value.len())));
        *self.state().meter.read.entry(kind(partition).to_owned()).or_default() += units;
        Ok(found)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.store.commit(writes.clone()).await?;
        let mut state = self.state();
        for write in writes {
            let units = write_units(std::slice::from_ref(&write), |key| state.lengths.get(key).copied());
            *state.meter.written.entry(kind(&write.key.partition).to_owned()).or_default() += units;
            match write.change {
                Change::Put(value) => drop(state.lengths.insert(write.key, value.len())),
                Change::Delete => drop(state.lengths.remove(&write.key)),
                Change::Check => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cloudping_ports::Expect;

    use super::*;

    #[tokio::test]
    async fn each_call_is_charged_by_what_is_stored() {
        let store = Metered::default();
        let key = Key::new("panes/1m/us-east-1", "7");
        let put =
            |expect, length| Write { key: key.clone(), expect, change: Change::Put(Bytes::from(vec![0; length])) };
        let units = |written: u64, read: u64| {
            let of_kind = |units| BTreeMap::from_iter((units > 0).then(|| ("panes/1m".to_owned(), units)));
            Meter { written: of_kind(written), read: of_kind(read) }
        };
        store.commit(vec![put(Expect::Absent, 3000)]).await.unwrap();
        let first = store.meter();
        assert_eq!(first, units(6, 0));
        store.commit(vec![put(Expect::Version(1), 10)]).await.unwrap();
        store.commit(vec![put(Expect::Version(7), 10)]).await.unwrap_err();
        store.get(&key).await.unwrap();
        store.list(&key.partition, "".."~").await.unwrap();
        assert_eq!(store.meter().less(&first), units(6, 2));
        assert_eq!(first.clone().plus(units(1, 2)), units(7, 2));
        assert_eq!(store.stored("panes/1m", ""), (1, 100 + 22 + 19 + 10));
        assert_eq!((store.stored("panes/1m", "8"), store.stored("heads", "")), ((0, 0), (0, 0)));
    }
}
