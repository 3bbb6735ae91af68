//! The event log in one file.

use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cloudping_model::UtcMicros;
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;

use crate::Clock;
use crate::log_writer::{Append, Job, LogWriter, Shared, Trim, more_to_trim};
use crate::open::{FileKind, OpenError, open};
use crate::shards;

/// (shard, sequence number) → (arrival in µs since 1970, the event's bytes).
pub(crate) const RECORDS: TableDefinition<(u16, u64), (i64, &[u8])> = TableDefinition::new("records");

/// One row a shard: the sequence number that its next record gets. Trimming never takes a number back.
pub(crate) const SHARDS: TableDefinition<u16, u64> = TableDefinition::new("shards");

const FILE: FileKind = FileKind { name: "event log", file: "log.redb", format: 1 };

/// The number of shards that a new log gets.
pub const DEFAULT_SHARDS: NonZeroU16 = NonZeroU16::new(4).expect("four is not zero");

/// An [`EventLog`] in the file `log.redb` of a data directory.
///
/// Appends that wait at the same time share one transaction and one sync. Sequence numbers have no gaps within a shard;
/// the first is the moment in µs at which the log was made, so a new log never takes numbers of an old one again. Dropping
/// the log finishes the appends that were begun and closes the file.
pub struct LocalLog {
    // Before the database: it is dropped first, and closes the file only when the writer has let go of it.
    writer: LogWriter,
    database: Arc<Database>,
    shards: u16,
}

impl LocalLog {
    /// Whether a data directory has a log. Looking makes none.
    #[must_use]
    pub fn is_in(dir: &Path) -> bool {
        dir.join(FILE.file).is_file()
    }

    /// Opens the log of a data directory, creating the directory and a log of [`DEFAULT_SHARDS`] where absent.
    ///
    /// `clock` gives records their time of arrival, which [`LocalLog::trim`] looks at, and a shard its first number.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path, clock: Clock) -> Result<Self, OpenError> {
        Self::open_or_create(dir, DEFAULT_SHARDS, clock)
    }

    /// Like [`LocalLog::open`], with another number of shards for a log that is not there yet; one that is keeps its
    /// own.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_or_create(dir: &Path, new_shards: NonZeroU16, clock: Clock) -> Result<Self, OpenError> {
        let database = open(dir, &FILE, |transaction| initialise(transaction, new_shards, clock()))?;
        let shards = shard_count(&database).map_err(|reason| FILE.unreadable(dir, reason))?;
        Self::over(database, shards, clock).map_err(|error| OpenError::io(dir, error))
    }

    fn over(database: Database, shards: u16, clock: Clock) -> std::io::Result<Self> {
        let database = Arc::new(database);
        Ok(Self { writer: LogWriter::start(Arc::clone(&database), clock)?, database, shards })
    }

    /// Changes after every append that has taken effect: the number of records appended since the log was opened.
    #[must_use]
    pub fn appended(&self) -> watch::Receiver<u64> {
        self.writer.appended()
    }

    /// Removes the oldest records of a shard, up to and including `up_to`, as far as all of them arrived before
    /// `older_than`; returns how many. Their room in the file is used again; the file itself does not shrink.
    ///
    /// # Errors
    /// [`LogError::NoShard`] or [`LogError::Backend`]; some of the records may then have been removed.
    pub async fn trim(&self, shard: &ShardId, up_to: &SequenceNumber, older_than: UtcMicros) -> Result<u64, LogError> {
        let request = Trim { shard: self.shard(shard)?, up_to: number(up_to), older_than };
        let mut total = 0;
        loop {
            let removed = self.written(|done| Job::Trim(request, done)).await?;
            total += removed;
            if !more_to_trim(removed) {
                return Ok(total);
            }
        }
    }

    fn shard(&self, shard: &ShardId) -> Result<u16, LogError> {
        shards::number(shard, self.shards).ok_or_else(|| LogError::NoShard(shard.clone()))
    }

    /// Has the writer do something and waits for its answer.
    async fn written<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Shared>>) -> Job) -> Result<T, LogError> {
        let (done, answer) = oneshot::channel();
        if !self.writer.submit(job(done)) {
            return Err(backend("the log's writer has ended"));
        }
        match answer.await {
            Ok(outcome) => outcome.map_err(backend),
            Err(_) => Err(backend("the log's writer ended before it answered")),
        }
    }
}

#[async_trait]
impl EventLog for LocalLog {
    async fn append(&self, partition_key: &str, data: Bytes) -> Result<(), LogError> {
        let shard = shards::of_key(partition_key, self.shards);
        self.written(|done| Job::Append(Append { shard, data, done })).await
    }

    async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        Ok((0..self.shards).map(shards::id).map(Shard::open).collect())
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        let shard = self.shard(shard)?;
        let after = after.map_or(0, number);
        let database = Arc::clone(&self.database);
        spawn_blocking(move || read(&database, shard, after, limit)).await.map_err(backend)?.map_err(backend)
    }
}

/// Numbers begin with the moment, in µs: so a log that takes the place of a lost one goes on above every number that its
/// readers may have stored as their place, and they miss nothing.
fn initialise(transaction: &WriteTransaction, new_shards: NonZeroU16, created: UtcMicros) -> Result<(), redb::Error> {
    transaction.open_table(RECORDS)?;
    let mut shards = transaction.open_table(SHARDS)?;
    for shard in 0..new_shards.get() {
        shards.insert(shard, u64::try_from(created.0).unwrap_or(0).max(1))?;
    }
    Ok(())
}

fn read(database: &Database, shard: u16, after: u64, limit: usize) -> Result<Vec<Record>, redb::Error> {
    let Some(from) = after.checked_add(1) else {
        return Ok(Vec::new());
    };
    let records = database.begin_read()?.open_table(RECORDS)?;
    let rows = ReadableTable::range(&records, (shard, from)..=(shard, u64::MAX))?;
    rows.take(limit)
        .map(|row| {
            let (key, value) = row?;
            Ok(Record { sequence: key.value().1.into(), data: Bytes::copy_from_slice(value.value().1) })
        })
        .collect()
}

fn shard_count(database: &Database) -> Result<u16, String> {
    let count = || -> Result<u64, redb::Error> {
        let shards = database.begin_read()?.open_table(SHARDS)?;
        Ok(shards.len()?)
    };
    let count = count().map_err(|error| error.to_string())?;
    match u16::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("{count} shards")),
    }
}

/// The number of a place in a shard; one that is larger than any of ours lies beyond the end, as the largest does.
fn number(sequence: &SequenceNumber) -> u64 {
    sequence.as_str().parse().unwrap_or(u64::MAX)
}

fn backend(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LogError {
    LogError::Backend(error.into())
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;
    use crate::open::begin_durable;
    use crate::synced::SyncedDisk;

    async fn all(log: &LocalLog) -> Vec<Bytes> {
        let mut data = Vec::new();
        for shard in log.shards().await.unwrap() {
            let records = log.read(&shard.id, None, usize::MAX).await.unwrap();
            data.extend(records.into_iter().map(|record| record.data));
        }
        data.sort();
        data
    }

    fn on(disk: &SyncedDisk) -> LocalLog {
        let shards = DEFAULT_SHARDS.get();
        LocalLog::over(disk.database(), shards, || UtcMicros(0)).unwrap()
    }

    fn new_log(disk: &SyncedDisk) -> LocalLog {
        let database = disk.database();
        let transaction = begin_durable(&database).unwrap();
        initialise(&transaction, DEFAULT_SHARDS, UtcMicros(0)).unwrap();
        transaction.commit().unwrap();
        drop(database);
        on(disk)
    }

    #[tokio::test]
    async fn what_append_has_returned_survives_the_loss_of_all_that_was_not_synced() {
        let disk = SyncedDisk::default();
        let log = new_log(&disk);
        let mut appended = Vec::new();
        for number in 0..60_u32 {
            let data = Bytes::from(number.to_be_bytes().repeat(1 + number as usize * 20));
            log.append(&format!("key {number}"), data.clone()).await.unwrap();
            appended.push(data);
            assert_eq!(all(&on(&disk.after_power_loss())).await, appended);
        }
    }

    #[tokio::test]
    async fn appends_that_wait_together_share_a_sync() {
        let disk = SyncedDisk::default();
        let log = new_log(&disk);
        let before = disk.syncs();
        let appends = (0..500).map(|number| log.append("key", Bytes::from(number.to_string())));
        let mut waiting: Vec<_> = appends.collect();
        // One poll of each queues them all before the first answer is looked at.
        std::future::poll_fn(|context| {
            waiting.retain_mut(|append| append.as_mut().poll(context).is_pending());
            match waiting.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        assert_eq!(all(&log).await.len(), 500);
        let syncs = disk.syncs() - before;
        assert!(syncs < 250, "{syncs} syncs for 500 appends");
    }
}
