//! What Kinesis' event source sends and what it takes for an answer, as far as it matters here.
//!
//! The shapes are those of the [Lambda guide](https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html). Fields that are not
//! used are not read: whatever they hold, they cannot make a batch unreadable.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cloudping_ports::{Record, SequenceNumber, ShardId};
use serde::{Deserialize, Serialize};

/// An event as it comes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KinesisEvent {
    /// The records, in the order of their shard.
    #[serde(rename = "Records")]
    pub records: Vec<KinesisRecord>,
}

/// One of its records.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KinesisRecord {
    /// `shardId-000000000006:49590338...`: the shard and the sequence number.
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// The record itself.
    pub kinesis: KinesisData,
}

/// What was put into the stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KinesisData {
    /// Decimal digits.
    #[serde(rename = "sequenceNumber")]
    pub sequence_number: String,
    /// The bytes, in base64.
    pub data: String,
}

/// Why an event is none of Kinesis' event source.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EventError {
    /// No shard can be read from a record's id.
    #[error("eventID is {0:?}, expected SHARD:SEQUENCE")]
    Id(String),
    /// A record is of another shard than the first.
    #[error("records of {0} and {1}, expected one shard")]
    Shards(ShardId, ShardId),
    /// A sequence number is none.
    #[error("sequenceNumber is {0:?}, expected digits")]
    Sequence(String),
    /// A record's data is no base64.
    #[error("data of {0}: {1}, expected base64")]
    Data(SequenceNumber, base64::DecodeError),
}

impl KinesisEvent {
    /// The shard and its records; `None` of an event without records.
    ///
    /// # Errors
    /// [`EventError`].
    pub fn batch(self) -> Result<Option<(ShardId, Vec<Record>)>, EventError> {
        let Some(first) = self.records.first() else {
            return Ok(None);
        };
        let shard = first.shard()?;
        let mut records = Vec::with_capacity(self.records.len());
        for record in self.records {
            let other = record.shard()?;
            if other != shard {
                return Err(EventError::Shards(shard, other));
            }
            let digits = record.kinesis.sequence_number;
            let sequence = SequenceNumber::parse(&digits).ok_or(EventError::Sequence(digits))?;
            match STANDARD.decode(&record.kinesis.data) {
                Ok(data) => records.push(Record { sequence, data: Bytes::from(data) }),
                Err(error) => return Err(EventError::Data(sequence, error)),
            }
        }
        Ok(Some((shard, records)))
    }
}

impl KinesisRecord {
    fn shard(&self) -> Result<ShardId, EventError> {
        match self.event_id.split_once(':') {
            Some((shard, _)) if !shard.is_empty() => Ok(ShardId(shard.to_owned())),
            _ => Err(EventError::Id(self.event_id.clone())),
        }
    }
}

/// The answer: what of the batch is to be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BatchResponse {
    /// Kinesis sends again from the first of these on; nothing when there are none.
    #[serde(rename = "batchItemFailures")]
    pub failures: Vec<ItemFailure>,
}

/// A record that is to be sent again, and all that follow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemFailure {
    /// Its sequence number.
    #[serde(rename = "itemIdentifier")]
    pub sequence: String,
}

impl BatchResponse {
    /// Asks for everything from this record on.
    #[must_use]
    pub fn again_from(sequence: &SequenceNumber) -> Self {
        Self { failures: vec![ItemFailure { sequence: sequence.to_string() }] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guide's own example.
    const EXAMPLE: &str = r#"{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"1",
        "sequenceNumber":"49590338271490256608559692538361571095921575989136588898",
        "data":"SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==","approximateArrivalTimestamp":1545084650.987},
        "eventSource":"aws:kinesis","eventVersion":"1.0",
        "eventID":"shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
        "eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::111122223333:role/lambda-role",
        "awsRegion":"us-east-2","eventSourceARN":"arn:aws:kinesis:us-east-2:111122223333:stream/lambda-stream"}]}"#;

    fn example() -> KinesisEvent {
        serde_json::from_str(EXAMPLE).unwrap()
    }

    #[test]
    fn the_guides_example_is_a_batch() {
        let (shard, records) = example().batch().unwrap().unwrap();
        assert_eq!((shard.0.as_str(), records.len()), ("shardId-000000000006", 1));
        assert_eq!(records[0].data, "Hello, this is a test.");
        let response = BatchResponse::again_from(&records[0].sequence);
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            r#"{"batchItemFailures":[{"itemIdentifier":"49590338271490256608559692538361571095921575989136588898"}]}"#
        );
        assert_eq!(serde_json::to_string(&BatchResponse::default()).unwrap(), r#"{"batchItemFailures":[]}"#);
        assert_eq!(KinesisEvent { records: Vec::new() }.batch(), Ok(None));
    }

    #[test]
    fn what_is_no_batch_is_named() {
        type Change = fn(&mut KinesisRecord);
        let cases: [(Change, &str); 5] = [
            (|record| record.event_id = "4959".to_owned(), r#"eventID is "4959""#),
            (|record| record.event_id = ":4959".to_owned(), r#"eventID is ":4959""#),
            (|record| record.event_id = "other:1".to_owned(), "records of shardId-000000000006 and other"),
            (|record| record.kinesis.sequence_number = "x".to_owned(), r#"sequenceNumber is "x""#),
            (|record| record.kinesis.data = "!".to_owned(), "data of 4959033827149025660855969253836157"),
        ];
        for (change, expected) in cases {
            let mut event = example();
            event.records.push(event.records[0].clone());
            change(&mut event.records[1]);
            let error = event.batch().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
