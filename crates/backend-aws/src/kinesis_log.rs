//! The event log on a Kinesis data stream.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_kinesis::Client;
use bytes::Bytes;
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};

use crate::attempt_limit::with_attempt_limit;
use crate::kinesis_queue::Limits;
use crate::kinesis_reader::Reader;
use crate::kinesis_writer::Writer;

/// See [`KinesisLog::with_linger`].
const LINGER: Duration = Duration::from_millis(5);
/// See [`KinesisLog::with_patience`].
const PATIENCE: Duration = Duration::from_secs(5);

/// An [`EventLog`] on a Kinesis data stream. Clones share one way into the stream.
///
/// **Writing.** Appends go out by PutRecords. The first leaves at once; those that come while requests are under way gather, until one
/// has waited for the linger time or a request is full (500 records or 5 MiB). A request carries one record of a partition key, and as
/// long as a record is not settled those behind it wait, so a key's records are in the order of their appends whatever fails: a key
/// gets one record through in a round trip, a thousand keys a thousand.
///
/// Refusals that pass (throttling, of single records too; 5xx; lost answers) are tried again, with pauses that grow and are random, for
/// as long as the log is patient; others are returned at once. A record may be in the stream twice, when an answer was lost. When a
/// record is given up the appends queued behind it under its key fail too, so that callers can repeat them in order.
///
/// An append that has not returned is the caller's to repeat. When the last clone is dropped, what is queued is tried once more as long
/// as the runtime lives, but not repeated for a caller who has gone. A record above 1 MiB with its key, or a key that is empty or has
/// more than 256 characters, is refused before it is sent.
///
/// **Reading.** Who reads on after the last record that was read spends one call, others two. Throttled and failed calls are tried
/// again by the client's own settings.
#[derive(Debug, Clone)]
pub struct KinesisLog {
    client: Client,
    stream: String,
    writer: Arc<Writer>,
    reader: Arc<Reader>,
}

impl KinesisLog {
    /// The log on a stream that exists.
    #[must_use]
    pub fn new(client: Client, stream: impl Into<String>) -> Self {
        let (client, stream) = (limited(client), stream.into());
        let limits = Limits { linger: LINGER, patience: PATIENCE };
        let writer = Arc::new(Writer::new(client.clone(), stream.clone(), limits));
        let reader = Arc::new(Reader::new(client.clone(), stream.clone()));
        Self { client, stream, writer, reader }
    }

    /// How long a record may wait for others while requests are under way; 5 ms unless set. Has an effect on what is appended
    /// by this handle and clones made of it from now on.
    #[must_use]
    pub fn with_linger(self, linger: Duration) -> Self {
        let limits = Limits { linger, ..self.writer.limits() };
        self.with_limits(limits)
    }

    /// How long a record that Kinesis does not take is tried again; 5 s unless set. An append may take longer by a pause of up to 3 s
    /// and a last request of up to 10 s, and by its wait for those before it of the same key. Has an effect like
    /// [`with_linger`](Self::with_linger).
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        let limits = Limits { patience, ..self.writer.limits() };
        self.with_limits(limits)
    }

    fn with_limits(self, limits: Limits) -> Self {
        let writer = Arc::new(Writer::new(self.client.clone(), self.stream.clone(), limits));
        Self { writer, ..self }
    }
}

fn limited(client: Client) -> Client {
    let Some(timeouts) = with_attempt_limit(client.config().timeout_config()) else { return client };
    Client::from_conf(client.config().to_builder().timeout_config(timeouts).build())
}

#[async_trait]
impl EventLog for KinesisLog {
    async fn append(&self, partition_key: &str, data: Bytes) -> Result<(), LogError> {
        Ok(self.writer.append(partition_key, data).await?)
    }

    async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        self.reader.shards().await
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        self.reader.read(shard, after, limit).await
    }
}
