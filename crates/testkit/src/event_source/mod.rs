//! Kinesis' event source of Lambda, for functions under a real Runtime API: polls a stream's shards and invokes the function with what
//! AWS would send it. A simulation of AWS' own poller, after the
//! [Lambda guide](https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-errors.html), since no server at hand honours partial-batch
//! responses.

mod backlog;

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};
use serde_json::{Value, json};

use backlog::Backlog;
pub use backlog::{Discarded, Outcome};

/// How the event source is set up; the names are those of AWS.
#[derive(Debug, Clone)]
pub struct EventSourceSettings {
    /// The stream's name, as the events say it.
    pub stream: String,
    /// `BatchSize`: records of one invocation at the most.
    pub batch_size: usize,
    /// `BisectBatchOnFunctionError`: a batch that failed as a whole is tried again in halves.
    pub bisect: bool,
    /// `MaximumRetryAttempts`: how often a batch is tried again before it goes to the on-failure destination.
    pub retries: u32,
}

/// Polls shards and invokes one function, one batch a shard at a time, parents to their end before children.
#[derive(Debug)]
pub struct EventSource {
    runtime: String,
    settings: EventSourceSettings,
    shards: HashMap<ShardId, Progress>,
    discarded: Vec<Discarded>,
}

#[derive(Debug, Default)]
struct Progress {
    /// The last record that was read.
    read: Option<SequenceNumber>,
    backlog: Backlog,
    /// Closed, read to its end, and nothing of it waits.
    finished: bool,
}

impl EventSource {
    /// An event source of the function at a Runtime API (`address` as `127.0.0.1:9001`), from the oldest record on.
    #[must_use]
    pub fn new(address: &str, settings: EventSourceSettings) -> Self {
        Self { runtime: address.to_owned(), settings, shards: HashMap::new(), discarded: Vec::new() }
    }

    /// One invocation for each shard that has records; gives how many records are done with.
    ///
    /// # Errors
    /// When the log cannot be read. What was done with stays so.
    pub async fn poll(&mut self, log: &dyn EventLog) -> Result<usize, LogError> {
        let mut done = 0;
        for shard in self.readable(log.shards().await?) {
            done += self.step(log, &shard).await?;
        }
        Ok(done)
    }

    /// What the on-failure destination holds.
    #[must_use]
    pub fn discarded(&self) -> &[Discarded] {
        &self.discarded
    }

    fn readable(&self, shards: Vec<Shard>) -> Vec<Shard> {
        let finished = |id: &ShardId| self.shards.get(id).is_some_and(|progress| progress.finished);
        let listed: HashSet<ShardId> = shards.iter().map(|shard| shard.id.clone()).collect();
        let ready = |shard: &Shard| {
            !finished(&shard.id) && shard.parents.iter().all(|parent| !listed.contains(parent) || finished(parent))
        };
        shards.into_iter().filter(ready).collect()
    }

    async fn step(&mut self, log: &dyn EventLog, shard: &Shard) -> Result<usize, LogError> {
        let progress = self.shards.entry(shard.id.clone()).or_default();
        if progress.backlog.is_empty() {
            let records = log.read(&shard.id, progress.read.as_ref(), self.settings.batch_size).await?;
            progress.finished = shard.closed && records.is_empty();
            progress.read = records.last().map(|last| last.sequence.clone()).or(progress.read.take());
            progress.backlog.push(records);
        }
        let Some(batch) = progress.backlog.next() else { return Ok(0) };
        let event = kinesis_event(&self.settings.stream, &shard.id, batch);
        let outcome = invoke(&self.runtime, event).await;
        let settled = progress.backlog.settle(&outcome, self.settings.bisect, self.settings.retries);
        let thrown = settled.discarded.as_ref().map_or(0, |discarded| discarded.records);
        self.discarded
            .extend(settled.discarded.map(|discarded| Discarded { shard: Some(shard.id.clone()), ..discarded }));
        Ok(settled.done + thrown)
    }
}

/// The event that Kinesis' event source sends for these records of a shard.
#[must_use]
pub fn kinesis_event(stream: &str, shard: &ShardId, records: &[Record]) -> Value {
    let record = |record: &Record| {
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "key",
                "sequenceNumber": record.sequence.as_str(),
                "data": STANDARD.encode(&record.data),
                "approximateArrivalTimestamp": 1_767_310_200.987,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("{shard}:{}", record.sequence),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::111122223333:role/stream-processor",
            "awsRegion": "eu-west-1",
            "eventSourceARN": format!("arn:aws:kinesis:eu-west-1:111122223333:stream/{stream}"),
        })
    };
    json!({ "Records": records.iter().map(record).collect::<Vec<_>>() })
}

/// Invokes the function of a Runtime API, which has no name there.
///
/// # Panics
/// When the Runtime API is not there.
pub async fn invoke(address: &str, event: Value) -> Outcome {
    let url = format!("http://{address}/2015-03-31/functions/_/invocations");
    let invoked = tokio::task::spawn_blocking(move || {
        let request = ureq::post(url).config().http_status_as_error(false).build();
        let mut answer = request.send(event.to_string()).expect("the Runtime API answers");
        let failed = !answer.status().is_success() || answer.headers().contains_key("x-amz-function-error");
        match answer.body_mut().read_json::<Value>() {
            Ok(answer) if !failed && answer.get("errorMessage").is_none() => Outcome::Answered(answer),
            Ok(answer) => Outcome::Failed(answer.to_string()),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    });
    invoked.await.expect("an invocation does not panic")
}
