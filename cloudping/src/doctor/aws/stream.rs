//! The stream: there, readable, and keeping events for long enough.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_kinesis::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{ShardIteratorType, StreamStatus};
use cloudping_agent::checks::clock::Offset;
use cloudping_agent::checks::finding::Finding;
use cloudping_agent::clock;
use cloudping_model::{Family, Level, Protocol, RouteChange, TargetId, UtcMicros, VantageId};
use cloudping_schemas::event;

use super::permission::Arns;
use super::refusal::{Answer, Call, Kind, Refusal, Tried};
use crate::aws::{Clients, Places};

/// Kinesis' least, and what the log of a stopped processor should be kept for, hours.
const LEAST_HOURS: i32 = 24;
/// What Kinesis calls the first shard of a stream.
const FIRST_SHARD: &str = "shardId-000000000000";
/// The name under which a trial record is written.
const DOCTOR: &str = "doctor";

/// What Kinesis says of the stream.
#[derive(Debug)]
pub struct StreamFacts {
    /// `DescribeStreamSummary`.
    pub summary: Answer<Summary>,
    /// The first shard, by `ListShards`.
    pub shard: Answer<Option<String>>,
    /// `GetShardIterator`; `None` when there was no shard to ask for.
    pub iterator: Option<Answer<Option<String>>>,
    /// `GetRecords`; `None` when there was no iterator.
    pub read: Option<Answer<()>>,
    /// `PutRecords`; `None` when it was not to be tried.
    pub written: Option<Answer<()>>,
    /// Our clock against Kinesis'.
    pub offset: Result<Offset, String>,
}

/// The stream's description.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Whether it takes and gives records.
    pub usable: bool,
    /// Its status, in Kinesis' words.
    pub status: String,
    /// How long it keeps records.
    pub hours: i32,
    /// Shards that take records.
    pub shards: i32,
}

/// Asks Kinesis; writes only if `write`.
pub async fn gather(clients: &Clients, places: &Places, write: bool) -> StreamFacts {
    let (client, stream) = (&clients.kinesis, &places.stream);
    let (summary, offset) = describe(client, stream).await;
    let shard = client.list_shards().stream_name(stream).max_results(1).send().await;
    let shard = shard.map_err(Refusal::from).map(|answer| answer.shards().first().map(|shard| shard.shard_id.clone()));
    let iterator = iterator(client, stream, &shard).await;
    let read = match &iterator {
        Some(Ok(Some(iterator))) => {
            let answer = client.get_records().shard_iterator(iterator).limit(1).send().await;
            Some(answer.map(|_| ()).map_err(Refusal::from))
        }
        _ => None,
    };
    let there = !summary.as_ref().is_err_and(Refusal::is_absence);
    let written = if write && there { Some(append(client, stream).await) } else { None };
    StreamFacts { summary, shard, iterator, read, written, offset }
}

/// An iterator of the first shard. Where shards may not be listed the usual name of a first one is asked for: the permission is looked at before
/// the name.
async fn iterator(
    client: &aws_sdk_kinesis::Client,
    stream: &str,
    shard: &Answer<Option<String>>,
) -> Option<Answer<Option<String>>> {
    let (name, listed) = match shard {
        Ok(Some(shard)) => (&**shard, true),
        Err(Refusal { kind: Kind::Denied, .. }) => (FIRST_SHARD, false),
        _ => return None,
    };
    let request = client.get_shard_iterator().stream_name(stream).shard_id(name);
    let answer = request.shard_iterator_type(ShardIteratorType::Latest).send().await;
    match answer.map(|answer| answer.shard_iterator).map_err(Refusal::from) {
        Err(Refusal { kind, .. }) if !listed && kind != Kind::Denied => None,
        answer => Some(answer),
    }
}

/// The description, and the clock in the answer's head, whatever was answered.
async fn describe(client: &aws_sdk_kinesis::Client, stream: &str) -> (Answer<Summary>, Result<Offset, String>) {
    let date = DateOf::default();
    let before = clock::now();
    let request = client.describe_stream_summary().stream_name(stream).customize().interceptor(date.clone());
    let answer = request.send().await;
    let after = clock::now();
    let date = date.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    let offset = date.and_then(|date| Offset::by_http(&date, before, after)).ok_or("its answer has no date".to_owned());
    let summary = answer.map_err(Refusal::from).and_then(|answer| {
        let summary = answer.stream_description_summary.map(|summary| Summary {
            usable: matches!(summary.stream_status, StreamStatus::Active | StreamStatus::Updating),
            status: summary.stream_status.as_str().to_owned(),
            hours: summary.retention_period_hours,
            shards: summary.open_shard_count,
        });
        summary.ok_or_else(|| Refusal::other("an answer without a description"))
    });
    (summary, offset)
}

/// Keeps the `Date` of an answer, also of one that refuses.
#[derive(Debug, Clone, Default)]
struct DateOf(Arc<Mutex<Option<String>>>);

impl Intercept for DateOf {
    fn name(&self) -> &'static str {
        "DateOf"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

/// Appends what every reader of the log passes over: a route change that changes nothing.
async fn append(client: &aws_sdk_kinesis::Client, stream: &str) -> Answer<()> {
    let record = trial_record(clock::now());
    let entry = aws_sdk_kinesis::types::PutRecordsRequestEntry::builder().partition_key(DOCTOR).data(Blob::new(record));
    let entry = entry.build().map_err(|error| Refusal::other(error.to_string()))?;
    let answer = client.put_records().stream_name(stream).records(entry).send().await.map_err(Refusal::from)?;
    match answer.failed_record_count {
        None | Some(0) => Ok(()),
        Some(_) => {
            let said = answer.records.first().and_then(|record| record.error_message.clone());
            Err(Refusal::other(said.unwrap_or_else(|| "the record was not taken".to_owned())))
        }
    }
}

fn trial_record(now: UtcMicros) -> Vec<u8> {
    let name = "the word is an id";
    event::encode_change(&RouteChange {
        vantage: VantageId::new(DOCTOR).expect(name),
        target: TargetId::new(DOCTOR).expect(name),
        protocol: Protocol::TcpConnect,
        family: Family::V4,
        minute: now,
        found_at: now,
        before_us: 0,
        after_us: 0,
        score: 0.0,
        ended: Level { since: now, count: 0, percentiles_us: None },
        addresses: None,
    })
}

/// What to think of it.
pub fn judge(stream: &str, facts: &StreamFacts, arns: &Arns) -> Vec<Finding> {
    let on = format!("stream {stream}");
    let make = format!(
        "make it with `cloudping up --aws … --create`, or `aws kinesis create-stream --stream-name {stream} --shard-count 1`"
    );
    let call = |check, action| Call { check, action, on: &on, make: &make, arns };
    let mut findings = match &facts.summary {
        Ok(summary) => judge_summary(stream, summary).into(),
        Err(refusal) => vec![call("stream", "kinesis:DescribeStreamSummary").refused(refusal)],
    };
    if facts.summary.as_ref().is_err_and(Refusal::is_absence) {
        return findings;
    }
    findings.extend(judge_reading(facts, call));
    findings.push(match &facts.written {
        None => {
            Finding::warn("stream writes", "not tried", "--write tries, with a record that every reader passes over")
        }
        Some(Ok(())) => Finding::ok("stream writes", "a record was appended that every reader passes over"),
        Some(Err(refusal)) => call("stream writes", "kinesis:PutRecords").refused(refusal),
    });
    findings
}

fn judge_summary(stream: &str, summary: &Summary) -> [Finding; 2] {
    let Summary { usable, status, hours, shards } = summary;
    let found = format!("{stream} is {status}, with {shards} open shards");
    let there = match usable {
        true => Finding::ok("stream", found),
        false => Finding::fail("stream", found, "wait until it is ACTIVE, or choose another with --stream"),
    };
    let found = format!("events are kept for {hours} h");
    let kept = match *hours {
        ..LEAST_HOURS => Finding::fail(
            "stream retention",
            found,
            format!(
                "`aws kinesis increase-stream-retention-period --stream-name {stream} --retention-period-hours {LEAST_HOURS}`"
            ),
        ),
        _ => Finding::ok("stream retention", found),
    };
    [there, kept]
}

fn judge_reading<'a>(facts: &StreamFacts, call: impl Fn(&'static str, &'static str) -> Call<'a>) -> Vec<Finding> {
    const CHECK: &str = "stream reads";
    let answer = |answer: Option<Result<(), &Refusal>>| answer.unwrap_or(Ok(())).map_err(Clone::clone);
    let tried: [Tried; 3] = [
        ("kinesis:ListShards", answer(Some(facts.shard.as_ref().map(|_| ())))),
        ("kinesis:GetShardIterator", answer(facts.iterator.as_ref().map(|answer| answer.as_ref().map(|_| ())))),
        ("kinesis:GetRecords", answer(facts.read.as_ref().map(|answer| answer.as_ref().map(|_| ())))),
    ];
    let mut findings = call(CHECK, "").tried(&tried, "its shards can be listed and read");
    if facts.read.is_none() {
        let refused = tried.iter().any(|(_, answer)| answer.is_err());
        let (found, next) = match refused {
            true => ("kinesis:GetRecords was not tried: it needs what was refused before", "look again then"),
            false => ("there is no shard to read", "look again when the stream is ACTIVE"),
        };
        findings.retain(|finding| finding.next.is_some());
        findings.push(Finding::warn(CHECK, found, next));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::refusal::{Kind, arns, refusal};
    use super::*;
    use cloudping_agent::checks::finding::Status;

    fn facts() -> StreamFacts {
        StreamFacts {
            summary: Ok(Summary { usable: true, status: "ACTIVE".to_owned(), hours: 24, shards: 1 }),
            shard: Ok(Some("shardId-0".to_owned())),
            iterator: Some(Ok(Some("AAA".to_owned()))),
            read: Some(Ok(())),
            written: None,
            offset: Err("none".to_owned()),
        }
    }

    fn failing(facts: &StreamFacts) -> Vec<(&'static str, String)> {
        let judged = judge("events", facts, &arns()).into_iter().filter(|finding| finding.status == Status::Fail);
        judged.map(|finding| (finding.check, finding.next.unwrap())).collect()
    }

    #[test]
    fn a_stream_that_is_well() {
        assert_eq!(failing(&facts()), []);
        assert!(judge("events", &facts(), &arns()).last().unwrap().found.contains("not tried"));
    }

    #[test]
    fn a_missing_stream_is_said_once() {
        let missing = || Err(refusal(Kind::NotThere));
        let facts = StreamFacts {
            summary: Err(refusal(Kind::NotThere)),
            shard: missing(),
            iterator: None,
            read: None,
            ..facts()
        };
        let failing = failing(&facts);
        assert_eq!(failing.len(), 1);
        assert!(failing[0].1.contains("--create") && failing[0].1.contains("create-stream --stream-name events"));
    }

    #[test]
    fn each_permission_is_named() {
        let denied = || refusal(Kind::Denied);
        let named = |facts: StreamFacts| {
            let failing = failing(&facts);
            assert_eq!(failing.len(), 1, "{failing:?}");
            failing[0].1.split_whitespace().nth(1).unwrap().to_owned()
        };
        assert_eq!(named(StreamFacts { summary: Err(denied()), ..facts() }), "kinesis:DescribeStreamSummary");
        assert_eq!(named(StreamFacts { shard: Err(denied()), ..facts() }), "kinesis:ListShards");
        assert_eq!(
            named(StreamFacts { iterator: Some(Err(denied())), read: None, ..facts() }),
            "kinesis:GetShardIterator"
        );
        assert_eq!(named(StreamFacts { read: Some(Err(denied())), ..facts() }), "kinesis:GetRecords");
        assert_eq!(named(StreamFacts { written: Some(Err(denied())), ..facts() }), "kinesis:PutRecords");
    }

    #[test]
    fn a_stream_that_is_not_ready_or_forgets_early_is_named() {
        let summary = Summary { usable: false, status: "CREATING".to_owned(), hours: 1, shards: 0 };
        let facts = StreamFacts { summary: Ok(summary), shard: Ok(None), iterator: None, read: None, ..facts() };
        let failing = failing(&facts);
        assert_eq!(failing.iter().map(|(check, _)| *check).collect::<Vec<_>>(), ["stream", "stream retention"]);
        assert!(failing[1].1.contains("increase-stream-retention-period"));
    }

    #[test]
    fn readers_pass_over_the_trial_record() {
        let record = trial_record(UtcMicros(1_700_000_000_000_000));
        assert!(event::is_change(&record));
        assert_eq!(event::decode_change(&record).unwrap().vantage.as_str(), DOCTOR);
    }
}
