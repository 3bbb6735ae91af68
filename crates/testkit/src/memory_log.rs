//! An event log in memory.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};

/// The plainest [`EventLog`]: a vector for each shard. It forgets everything when dropped.
#[derive(Debug)]
pub struct MemoryLog {
    shards: Vec<Mutex<Vec<Bytes>>>,
}

impl MemoryLog {
    /// An empty log of so many shards.
    #[must_use]
    pub fn new(shards: NonZeroUsize) -> Self {
        Self { shards: (0..shards.get()).map(|_| Mutex::default()).collect() }
    }

    fn shard_of(&self, partition_key: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        partition_key.hash(&mut hasher);
        let count = self.shards.len() as u64;
        usize::try_from(hasher.finish() % count).expect("less than the number of shards")
    }

    fn entries(&self, shard: usize) -> MutexGuard<'_, Vec<Bytes>> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
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
        self.entries(self.shard_of(partition_key)).push(data);
        Ok(())
    }

    async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        Ok((0..self.shards.len()).map(id).map(Shard::open).collect())
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        let number = (0..self.shards.len())
            .find(|number| id(*number) == *shard)
            .ok_or_else(|| LogError::NoShard(shard.clone()))?;
        // Sequence numbers count from 1, so `after` is also the number of records to skip; one that is out of range
        // lies beyond the end.
        let skip = after.map_or(0, |after| after.as_str().parse().unwrap_or(usize::MAX));
        let entries = self.entries(number);
        let numbered = (1_u64..).zip(entries.iter());
        Ok(numbered
            .skip(skip)
            .take(limit)
            .map(|(sequence, data)| Record { sequence: sequence.into(), data: data.clone() })
            .collect())
    }
}

fn id(shard: usize) -> ShardId {
    ShardId(format!("memory-{shard}"))
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
}
