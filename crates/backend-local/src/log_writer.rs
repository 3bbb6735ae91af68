//! The one thread that writes to the log: it puts all waiting appends into one transaction, so they share its sync.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use cloudping_model::UtcMicros;
use redb::{Database, ReadableTable, WriteTransaction};
use tokio::sync::{oneshot, watch};

use crate::Clock;
use crate::log::{RECORDS, SHARDS};
use crate::open::begin_durable;

/// The most bytes of records that one transaction takes; further appends wait for the next.
const BATCH_BYTES: usize = 8 << 20;

/// The most records that one transaction removes, so that appends never wait long for a trim.
const TRIM_RECORDS: usize = 4096;

/// The error of a transaction, shared by all that were in it.
pub(crate) type Shared = Arc<redb::Error>;

/// Something for the writer to do.
pub(crate) enum Job {
    Append(Append),
    Trim(Trim, oneshot::Sender<Result<u64, Shared>>),
}

/// A record to be added at the end of a shard.
pub(crate) struct Append {
    pub(crate) shard: u16,
    pub(crate) data: Bytes,
    pub(crate) done: oneshot::Sender<Result<(), Shared>>,
}

/// The oldest records of a shard: those up to a sequence number, as long as they arrived before a moment.
#[derive(Clone, Copy)]
pub(crate) struct Trim {
    pub(crate) shard: u16,
    pub(crate) up_to: u64,
    pub(crate) older_than: UtcMicros,
}

/// A handle on the thread; dropping it finishes what is queued and waits for the thread to end.
pub(crate) struct LogWriter {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    appended: watch::Receiver<u64>,
}

impl LogWriter {
    /// Starts the thread.
    pub(crate) fn start(database: Arc<Database>, clock: Clock) -> std::io::Result<Self> {
        let (jobs, queue) = channel();
        let (count, appended) = watch::channel(0);
        let thread =
            Builder::new().name("event-log".to_owned()).spawn(move || run(&database, &queue, &count, clock))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), appended })
    }

    /// Queues a job; `false` when the thread has ended.
    #[must_use]
    pub(crate) fn submit(&self, job: Job) -> bool {
        let jobs = self.jobs.as_ref();
        jobs.is_some_and(|jobs| jobs.send(job).is_ok())
    }

    /// The number of records appended since the start.
    pub(crate) fn appended(&self) -> watch::Receiver<u64> {
        self.appended.clone()
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed and its callers have been told.
            let _ = thread.join();
        }
    }
}

fn run(database: &Database, queue: &Receiver<Job>, count: &watch::Sender<u64>, clock: Clock) {
    let mut held_over = None;
    while let Some(job) = held_over.take().or_else(|| queue.recv().ok()) {
        match job {
            Job::Append(first) => {
                let (batch, next) = collect(first, queue);
                held_over = next;
                let outcome = append(database, &batch, clock()).map_err(Arc::new);
                if outcome.is_ok() {
                    count.send_modify(|count| *count += batch.len() as u64);
                }
                for append in batch {
                    // Whoever no longer waits for the answer needs none.
                    let _ = append.done.send(outcome.clone());
                }
            }
            Job::Trim(request, done) => {
                let _ = done.send(trim(database, request).map_err(Arc::new));
            }
        }
    }
}

/// Takes the appends that wait behind `first`, up to another job or a full batch; returns that job too.
fn collect(first: Append, queue: &Receiver<Job>) -> (Vec<Append>, Option<Job>) {
    let mut bytes = first.data.len();
    let mut batch = vec![first];
    while bytes < BATCH_BYTES {
        match queue.try_recv() {
            Ok(Job::Append(append)) => {
                bytes += append.data.len();
                batch.push(append);
            }
            Ok(other) => return (batch, Some(other)),
            Err(_) => break,
        }
    }
    (batch, None)
}

/// A log of days is gigabytes: after a crash redb would walk through all of it. It need not when each commit also saves
/// the allocator's state, at the price of a second sync, which the appends of a batch share.
fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = begin_durable(database)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn append(database: &Database, batch: &[Append], arrived: UtcMicros) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    {
        let mut records = transaction.open_table(RECORDS)?;
        let mut shards = transaction.open_table(SHARDS)?;
        for Append { shard, data, .. } in batch {
            let sequence = shards.get(shard)?.map_or(1, |next| next.value());
            records.insert((*shard, sequence), (arrived.0, &data[..]))?;
            shards.insert(shard, sequence + 1)?;
        }
    }
    Ok(transaction.commit()?)
}

/// Removes up to [`TRIM_RECORDS`] records; returns how many. Fewer than that means that no more are to be removed.
fn trim(database: &Database, request: Trim) -> Result<u64, redb::Error> {
    let Trim { shard, up_to, older_than } = request;
    let transaction = begin(database)?;
    let mut removed = 0;
    {
        let mut records = transaction.open_table(RECORDS)?;
        let mut last = None;
        for row in records.range((shard, 0)..=(shard, up_to))?.take(TRIM_RECORDS) {
            let (key, value) = row?;
            if value.value().0 >= older_than.0 {
                break;
            }
            last = Some(key.value().1);
            removed += 1;
        }
        if let Some(last) = last {
            records.retain_in((shard, 0)..=(shard, last), |_, _| false)?;
        }
    }
    if removed > 0 {
        transaction.commit()?;
    }
    Ok(removed)
}

/// Whether a trim that removed so many records may have left some.
pub(crate) fn more_to_trim(removed: u64) -> bool {
    removed >= TRIM_RECORDS as u64
}
