//! An event log in memory.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};

/// The plainest [`EventLog`]: a vector for each shard. It forgets everything when dropped.
///
/// As in Kinesis a shard takes the partition keys whose hashes lie in its range, so it can be [split](Self::split) in two, and two that lie
/// side by side can be [merged](Self::merge) into one.
#[derive(Debug)]
pub struct MemoryLog {
    /// In the order in which they came to be; a shard's number is its place.
    shards: Mutex<Vec<MemoryShard>>,
}

#[derive(Debug)]
struct MemoryShard {
    keys: RangeInclusive<u64>,
    parents: Vec<usize>,
    closed: bool,
    expired: bool,
    entries: Vec<Bytes>,
}

impl MemoryShard {
    fn new(keys: RangeInclusive<u64>, parents: Vec<usize>) -> Self {
        Self { keys, parents, closed: false, expired: false, entries: Vec::new() }
    }

    fn takes(&self, hash: u64) -> bool {
        !self.closed && self.keys.contains(&hash)
    }
}

impl MemoryLog {
    /// An empty log of so many shards.
    #[must_use]
    pub fn new(shards: NonZeroUsize) -> Self {
        let count = shards.get() as u128;
        let bound = |nth: u128| nth * (u128::from(u64::MAX) + 1) / count;
        let key = |at: u128| u64::try_from(at).expect("a bound within the range of hashes");
        let ranges = (0..count).map(|nth| key(bound(nth))..=key(bound(nth + 1) - 1));
        Self { shards: Mutex::new(ranges.map(|keys| MemoryShard::new(keys, Vec::new())).collect()) }
    }

    /// Closes an open shard; its partition keys go to two new ones, half of the hashes each.
    ///
    /// # Panics
    /// When there is no such open shard, or it has a single hash only.
    pub fn split(&self, shard: &ShardId) -> [ShardId; 2] {
        let mut shards = self.state();
        let parent = open_shard(&shards, shard);
        let keys = shards[parent].keys.clone();
        let middle = keys.start() + (keys.end() - keys.start()) / 2;
        assert!(middle < *keys.end(), "{shard} has a single hash, expected two at least to split it");
        shards[parent].closed = true;
        let first = shards.len();
        shards.push(MemoryShard::new(*keys.start()..=middle, vec![parent]));
        shards.push(MemoryShard::new(middle + 1..=*keys.end(), vec![parent]));
        [id(first), id(first + 1)]
    }

    /// Closes two open shards whose hashes lie side by side; their partition keys go to a new one.
    ///
    /// # Panics
    /// When either is no open shard, or they do not lie side by side.
    pub fn merge(&self, one: &ShardId, other: &ShardId) -> ShardId {
        let mut shards = self.state();
        let mut parents = [open_shard(&shards, one), open_shard(&shards, other)];
        parents.sort_by_key(|parent| *shards[*parent].keys.start());
        let [low, high] = parents.map(|parent| shards[parent].keys.clone());
        let adjacent = low.end().checked_add(1) == Some(*high.start());
        assert!(adjacent, "{one} and {other} do not lie side by side, expected two that do");
        parents.iter().for_each(|parent| shards[*parent].closed = true);
        shards.push(MemoryShard::new(*low.start()..=*high.end(), parents.to_vec()));
        id(shards.len() - 1)
    }

    /// Forgets a closed shard with its records, as a log does that keeps them for a time.
    ///
    /// # Panics
    /// When there is no such closed shard.
    pub fn expire(&self, shard: &ShardId) {
        let mut shards = self.state();
        let known = number(&shards, shard).filter(|known| shards[*known].closed);
        let known = known.unwrap_or_else(|| panic!("{shard} is no closed shard, expected one"));
        shards[known].expired = true;
        shards[known].entries.clear();
    }

    fn state(&self) -> MutexGuard<'_, Vec<MemoryShard>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryLog {
    /// An empty log of four shards.
    fn default() -> Self {
        Self::new(const { NonZeroUsize::new(4).expect("four is not zero") })
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, partition_key: &str, data: Bytes) -> Result<(), LogError> {
        let mut hasher = DefaultHasher::new();
        partition_key.hash(&mut hasher);
        let hash = hasher.finish();
        let mut shards = self.state();
        let shard = shards.iter_mut().find(|shard| shard.takes(hash));
        shard.expect("the open shards share all hashes").entries.push(data);
        Ok(())
    }

    async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        let shards = self.state();
        let listed = shards.iter().enumerate().filter(|(_, shard)| !shard.expired);
        let parents = |shard: &MemoryShard| {
            let listed = shard.parents.iter().filter(|parent| !shards[**parent].expired);
            listed.map(|parent| id(*parent)).collect()
        };
        Ok(listed
            .map(|(number, shard)| Shard { id: id(number), parents: parents(shard), closed: shard.closed })
            .collect())
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        let shards = self.state();
        let number = number(&shards, shard).ok_or_else(|| LogError::NoShard(shard.clone()))?;
        // Sequence numbers count from 1, so `after` is also the number of records to skip; one that is out of range
        // lies beyond the end.
        let skip = after.map_or(0, |after| after.as_str().parse().unwrap_or(usize::MAX));
        let numbered = (1_u64..).zip(&shards[number].entries);
        Ok(numbered
            .skip(skip)
            .take(limit)
            .map(|(sequence, data)| Record { sequence: sequence.into(), data: data.clone() })
            .collect())
    }
}

fn id(number: usize) -> ShardId {
    ShardId(format!("memory-{number}"))
}

/// The place of a shard that is not forgotten.
fn number(shards: &[MemoryShard], shard: &ShardId) -> Option<usize> {
    (0..shards.len()).find(|number| id(*number) == *shard && !shards[*number].expired)
}

fn open_shard(shards: &[MemoryShard], shard: &ShardId) -> usize {
    let known = number(shards, shard).filter(|known| !shards[*known].closed);
    known.unwrap_or_else(|| panic!("{shard} is no open shard, expected one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_contract_with_one_shard_and_with_many() {
        for shards in [1, 4, 7] {
            crate::log_contract::run(async || MemoryLog::new(shards.try_into().unwrap()));
        }
    }

    #[test]
    fn keeps_the_contract_after_splits_and_merges() {
        crate::log_contract::run(async || {
            let log = MemoryLog::new(3.try_into().unwrap());
            let [_, right] = log.split(&id(0));
            log.merge(&id(1), &right);
            log
        });
    }

    async fn append(log: &MemoryLog, from: u32) {
        for number in from..from + 100 {
            log.append(&format!("key {}", number % 20), format!("{} {number}", number % 20).into()).await.unwrap();
        }
    }

    /// What a shard holds: keys and numbers, in order.
    async fn held(log: &MemoryLog, shard: &ShardId) -> Vec<(u32, u32)> {
        let records = log.read(shard, None, usize::MAX).await.unwrap();
        let texts = records.iter().map(|record| std::str::from_utf8(&record.data).unwrap().split_once(' ').unwrap());
        texts.map(|(key, number)| (key.parse().unwrap(), number.parse().unwrap())).collect()
    }

    #[tokio::test]
    async fn a_keys_records_go_on_in_the_children_of_its_shard() {
        let log = MemoryLog::new(NonZeroUsize::MIN);
        append(&log, 0).await;
        let [left, right] = log.split(&id(0));
        append(&log, 100).await;
        let merged = log.merge(&right, &left);
        append(&log, 200).await;
        let listed = |id: &ShardId, parents: &[&ShardId], closed| Shard {
            id: id.clone(),
            parents: parents.iter().copied().cloned().collect(),
            closed,
        };
        let expected = [
            listed(&id(0), &[], true),
            listed(&left, &[&id(0)], true),
            listed(&right, &[&id(0)], true),
            listed(&merged, &[&left, &right], false),
        ];
        assert_eq!(log.shards().await.unwrap(), expected);
        let (left, right) = (held(&log, &left).await, held(&log, &right).await);
        assert!(left.len() > 10 && right.len() > 10, "{} and {}", left.len(), right.len());
        assert!(left.iter().all(|(key, _)| right.iter().all(|(other, _)| key != other)), "a key in both halves");
        let mut second: Vec<_> = left.into_iter().chain(right).collect();
        second.sort_by_key(|(_, number)| *number);
        let all = [held(&log, &id(0)).await, second, held(&log, &merged).await].concat();
        assert_eq!(all, (0..300).map(|number| (number % 20, number)).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn an_expired_shard_is_no_parent_any_more() {
        let log = MemoryLog::new(NonZeroUsize::MIN);
        append(&log, 0).await;
        let children = log.split(&id(0));
        log.expire(&id(0));
        assert_eq!(log.shards().await.unwrap(), children.map(Shard::open));
        assert!(matches!(log.read(&id(0), None, 1).await, Err(LogError::NoShard(_))));
    }

    #[test]
    #[should_panic(expected = "memory-0 and memory-2 do not lie side by side")]
    fn shards_that_lie_apart_are_not_merged() {
        MemoryLog::new(3.try_into().unwrap()).merge(&id(0), &id(2));
    }
}
