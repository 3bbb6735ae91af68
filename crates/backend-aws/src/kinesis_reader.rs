//! Reading a stream's shards.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::get_records::{GetRecordsError, GetRecordsOutput};
use aws_sdk_kinesis::types::{Record as KinesisRecord, Shard as KinesisShard, ShardIteratorType};
use bytes::Bytes;
use cloudping_ports::{LogError, Record, SequenceNumber, Shard, ShardId};

use crate::kinesis_error::backend;

/// The most records that one GetRecords may ask for.
const MOST_RECORDS: usize = 10_000;
/// Between two answers without records from a closed shard that goes on: it takes five reads a second.
const BEFORE_THE_END: Duration = Duration::from_millis(250);
/// So often it is asked before the reader is told to come back.
const WAITS_FOR_THE_END: u32 = 20;
/// So many readers of a shard go on where they were; a further one asks anew.
const READERS_OF_A_SHARD: usize = 8;

/// A stream's shards, and what is in them.
#[derive(Debug)]
pub(crate) struct Reader {
    client: Client,
    stream: String,
    places: Places,
    /// The shards that were listed as closed: an answer without records is their end only if Kinesis says so.
    closed: Mutex<HashSet<ShardId>>,
}

impl Reader {
    pub(crate) fn new(client: Client, stream: String) -> Self {
        Self { client, stream, places: Places::default(), closed: Mutex::default() }
    }

    pub(crate) async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        let (mut shards, mut next) = (Vec::new(), None);
        loop {
            // The stream's name and a token for its next page exclude each other.
            let name = next.is_none().then(|| self.stream.clone());
            let page = self.client.list_shards().set_stream_name(name).set_next_token(next).send().await;
            let page = page.map_err(backend)?;
            shards.extend(page.shards.unwrap_or_default().into_iter().map(shard));
            next = page.next_token;
            if next.is_none() {
                let closed = shards.iter().filter(|shard| shard.closed).map(|shard| shard.id.clone()).collect();
                *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = closed;
                return Ok(without_forgotten_parents(shards));
            }
        }
    }

    pub(crate) async fn read(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        let known = self.places.take(shard, after);
        let (mut may_be_old, mut waits) = (known.is_some(), 0);
        let mut iterator = match known {
            Some(known) => Some(known),
            None => self.iterator(shard, after).await?,
        };
        while let Some(from) = iterator {
            if limit == 0 {
                self.places.put(shard, after.cloned(), from);
                break;
            }
            let answer = match self.records(&from, limit).await {
                Ok(answer) => answer,
                Err(error) if may_be_old && is_spent(&error) => {
                    may_be_old = false;
                    iterator = self.iterator(shard, after).await?;
                    continue;
                }
                Err(error) => {
                    // What was passed over is empty, and need not be passed over again.
                    if !is_spent(&error) {
                        self.places.put(shard, after.cloned(), from);
                    }
                    return Err(backend(error));
                }
            };
            let at_the_end = answer.millis_behind_latest().is_none_or(|behind| behind == 0);
            let goes_on = answer.next_shard_iterator.is_some() && self.is_closed(shard);
            if !answer.records().is_empty() || (at_the_end && !goes_on) {
                return self.hand_out(shard, after, answer);
            }
            if at_the_end {
                // What was acknowledged last may not be readable yet: the end is where there is no next iterator.
                waits += 1;
                if waits == WAITS_FOR_THE_END {
                    let reason = format!("Kinesis: the closed {shard} holds no more, and does not say that it ends");
                    return Err(LogError::Backend(reason.into()));
                }
                tokio::time::sleep(BEFORE_THE_END).await;
            }
            // An answer may be empty although records follow.
            iterator = answer.next_shard_iterator;
        }
        Ok(Vec::new())
    }

    fn is_closed(&self, shard: &ShardId) -> bool {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).contains(shard)
    }

    async fn records(&self, from: &str, limit: usize) -> Result<GetRecordsOutput, SdkError<GetRecordsError>> {
        let most = i32::try_from(limit.min(MOST_RECORDS)).unwrap_or(i32::MAX);
        self.client.get_records().shard_iterator(from).limit(most).send().await
    }

    fn hand_out(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        answer: GetRecordsOutput,
    ) -> Result<Vec<Record>, LogError> {
        let records = answer.records.into_iter().map(record).collect::<Result<Vec<_>, _>>()?;
        if let Some(next) = answer.next_shard_iterator {
            let last = records.last().map(|record| record.sequence.clone());
            self.places.put(shard, last.or_else(|| after.cloned()), next);
        }
        Ok(records)
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

/// Whether another iterator may help: they last five minutes, and a stream that was made anew does not know the old one's.
fn is_spent(error: &SdkError<GetRecordsError>) -> bool {
    matches!(error.code(), Some("ExpiredIteratorException" | "InvalidArgumentException"))
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

/// The iterators that came with the last answers. Who reads on from there saves a call: a shard takes five reads a second,
/// and an iterator would be a call for each.
#[derive(Debug, Default)]
struct Places {
    by_shard: Mutex<HashMap<ShardId, Iterators>>,
}

/// Iterators of a shard, each with the record behind which it stands; the newest last.
type Iterators = VecDeque<(Option<SequenceNumber>, String)>;

impl Places {
    fn take(&self, shard: &ShardId, after: Option<&SequenceNumber>) -> Option<String> {
        let mut by_shard = self.lock();
        let places = by_shard.get_mut(shard)?;
        let at = places.iter().position(|(place, _)| place.as_ref() == after)?;
        let (_, iterator) = places.remove(at)?;
        if places.is_empty() {
            by_shard.remove(shard);
        }
        Some(iterator)
    }

    fn put(&self, shard: &ShardId, after: Option<SequenceNumber>, iterator: String) {
        let mut by_shard = self.lock();
        let places = by_shard.entry(shard.clone()).or_default();
        places.retain(|(place, _)| *place != after);
        if places.len() == READERS_OF_A_SHARD {
            places.pop_front();
        }
        places.push_back((after, iterator));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ShardId, Iterators>> {
        self.by_shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u64) -> Option<SequenceNumber> {
        Some(SequenceNumber::from(number))
    }

    #[test]
    fn an_iterator_serves_one_reader_and_one_place() {
        let (places, shard) = (Places::default(), ShardId("a".to_owned()));
        places.put(&shard, None, "begin".to_owned());
        places.put(&shard, place(7), "seven".to_owned());
        assert_eq!(places.take(&shard, place(8).as_ref()), None);
        assert_eq!(places.take(&ShardId("b".to_owned()), place(7).as_ref()), None);
        assert_eq!(places.take(&shard, place(7).as_ref()).as_deref(), Some("seven"));
        assert_eq!(places.take(&shard, place(7).as_ref()), None, "it was taken");
        assert_eq!(places.take(&shard, None).as_deref(), Some("begin"));
        assert!(places.lock().is_empty(), "nothing stays of a shard that nobody reads on");
    }

    #[test]
    fn the_newest_iterators_are_kept() {
        let (places, shard) = (Places::default(), ShardId("a".to_owned()));
        for number in 0..=READERS_OF_A_SHARD as u64 {
            places.put(&shard, place(number), number.to_string());
        }
        assert_eq!(places.take(&shard, place(0).as_ref()), None);
        assert_eq!(places.take(&shard, place(1).as_ref()).as_deref(), Some("1"));
        places.put(&shard, place(2), "newer".to_owned());
        assert_eq!(places.take(&shard, place(2).as_ref()).as_deref(), Some("newer"));
        assert_eq!(places.take(&shard, place(2).as_ref()), None, "there is one for each place");
    }

    #[test]
    fn parents_past_the_retention_are_left_out() {
        let id = |name: &str| ShardId(name.to_owned());
        let child = |parents: &[&str]| Shard {
            parents: parents.iter().map(|name| id(name)).collect(),
            ..Shard::open(id("child"))
        };
        let listed = without_forgotten_parents(vec![Shard::open(id("left")), child(&["left", "right"])]);
        assert_eq!(listed, [Shard::open(id("left")), child(&["left"])]);
    }
}
