//! The event log on a Kinesis data stream.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{Record as KinesisRecord, Shard as KinesisShard, ShardIteratorType};
use bytes::Bytes;
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};

/// The most records that one GetRecords may ask for.
const MOST_RECORDS: usize = 10_000;

/// A failed call, with all that the service said: the SDK's own message is "service error".
#[derive(Debug)]
struct KinesisError(aws_sdk_kinesis::Error);

impl fmt::Display for KinesisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kinesis: {}", DisplayErrorContext(&self.0))
    }
}

impl Error for KinesisError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn backend(error: impl Into<aws_sdk_kinesis::Error>) -> LogError {
    LogError::Backend(Box::new(KinesisError(error.into())))
}

fn shard(shard: KinesisShard) -> Shard {
    let parents = [shard.parent_shard_id, shard.adjacent_parent_shard_id];
    Shard {
        id: ShardId(shard.shard_id),
        parents: parents.into_iter().flatten().map(ShardId).collect(),
        closed: shard.sequence_number_range.is_some_and(|range| range.ending_sequence_number.is_some()),
    }
}

/// Kinesis names a shard's parents also when they, with all that they held, are past the stream's retention.
fn without_forgotten_parents(mut shards: Vec<Shard>) -> Vec<Shard> {
    let listed: HashSet<ShardId> = shards.iter().map(|shard| shard.id.clone()).collect();
    for shard in &mut shards {
        shard.parents.retain(|parent| listed.contains(parent));
    }
    shards
}

fn record(record: KinesisRecord) -> Result<Record, LogError> {
    let sequence = SequenceNumber::parse(&record.sequence_number).ok_or_else(|| {
        let found = format!("Kinesis: sequence number {:?}, expected digits", record.sequence_number);
        LogError::Backend(found.into())
    })?;
    Ok(Record { sequence, data: Bytes::from(record.data.into_inner()) })
}

/// An [`EventLog`] on a Kinesis data stream. The client retries throttled and failed calls by its own settings.
#[derive(Debug, Clone)]
pub struct KinesisLog {
    client: Client,
    stream: String,
}

impl KinesisLog {
    /// The log on a stream that exists.
    #[must_use]
    pub fn new(client: Client, stream: impl Into<String>) -> Self {
        Self { client, stream: stream.into() }
    }

    /// Where reading begins; `None` when a closed shard has no more.
    async fn iterator(&self, shard: &ShardId, after: Option<&SequenceNumber>) -> Result<Option<String>, LogError> {
        let kind = match after {
            Some(_) => ShardIteratorType::AfterSequenceNumber,
            None => ShardIteratorType::TrimHorizon,
        };
        let request = self.client.get_shard_iterator().stream_name(&self.stream).shard_id(&shard.0);
        let request = request.shard_iterator_type(kind);
        let answer = request.set_starting_sequence_number(after.map(ToString::to_string)).send().await;
        match answer {
            Ok(answer) => Ok(answer.shard_iterator),
            // Kinesis has one error for a stream and a shard that are not there, and another for an odd name.
            Err(error) => match self.shards().await {
                Ok(known) if !known.iter().any(|known| known.id == *shard) => Err(LogError::NoShard(shard.clone())),
                _ => Err(backend(error)),
            },
        }
    }
}

#[async_trait]
impl EventLog for KinesisLog {
    async fn append(&self, partition_key: &str, data: Bytes) -> Result<(), LogError> {
        let request = self.client.put_record().stream_name(&self.stream).partition_key(partition_key);
        request.data(Blob::new(data)).send().await.map_err(backend)?;
        Ok(())
    }

    async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        let (mut shards, mut next) = (Vec::new(), None);
        loop {
            // The stream's name and a token for its next page exclude each other.
            let name = next.is_none().then(|| self.stream.clone());
            let page = self.client.list_shards().set_stream_name(name).set_next_token(next).send().await;
            let page = page.map_err(backend)?;
            shards.extend(page.shards.unwrap_or_default().into_iter().map(shard));
            next = page.next_token;
            if next.is_none() {
                return Ok(without_forgotten_parents(shards));
            }
        }
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        let mut iterator = self.iterator(shard, after).await?;
        let most = i32::try_from(limit.min(MOST_RECORDS)).unwrap_or(i32::MAX);
        if most == 0 {
            return Ok(Vec::new());
        }
        while let Some(from) = iterator {
            let answer = self.client.get_records().shard_iterator(from).limit(most).send().await;
            let answer = answer.map_err(backend)?;
            let at_the_end = answer.millis_behind_latest().is_none_or(|behind| behind == 0);
            if !answer.records().is_empty() || at_the_end {
                return answer.records.into_iter().map(record).collect();
            }
            // An answer may be empty although records follow.
            iterator = answer.next_shard_iterator;
        }
        Ok(Vec::new())
    }
}
