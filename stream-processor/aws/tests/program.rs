//! The real program under a real Lambda Runtime API, with what a real Kinesis server holds and a real DynamoDB server's table.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cloudping_backend_aws::{DynamoStore, KinesisLog, create_table_if_absent};
use cloudping_model::{Outcome, Pane, Round, RouteChange, VantageId};
use cloudping_ports::{Change, EventLog, Expect, LiveStore, Record, ShardId, Write};
use cloudping_schemas::event;
use cloudping_schemas::stored::{DeadLetter, keys};
use cloudping_stream_processor::Processor;
use cloudping_testkit::servers::Server;
use cloudping_testkit::{FaultyDoor, HttpFault, MemoryStore};
use common::{MINUTE, START, check, round};
use serde_json::{Value, json};

const STREAM: &str = "events";
const TABLE: &str = "live";
const VANTAGES: [&str; 2] = ["v1", "v2"];
const COMMIT: &str = "DynamoDB_20120810.TransactWriteItems";

/// The function among its servers. They end when this is dropped.
struct Rig {
    function: Child,
    runtime: Server,
    _kinesis: Server,
    _dynamodb: Server,
    kinesis_door: FaultyDoor,
    door: FaultyDoor,
    log: KinesisLog,
    store: DynamoStore,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.function.kill();
        let _ = self.function.wait();
    }
}

impl Rig {
    /// `None` where the servers are not installed.
    async fn start() -> Option<Self> {
        let (runtime, kinesis, dynamodb) = (Server::lambda_runtime()?, Server::kinesis()?, Server::dynamodb()?);
        let door = FaultyDoor::before(dynamodb.address()).await;
        let kinesis_door = FaultyDoor::before(kinesis.address()).await;
        let (log, store) = (stream(&kinesis).await, table(&dynamodb).await);
        let function = Command::new(env!("CARGO_BIN_EXE_cloudping-stream-processor-lambda"))
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_ENDPOINT_URL_KINESIS", format!("http://{}", kinesis_door.address()))
            .env("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", door.address()))
            .env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt", runtime.address()))
            .env("AWS_LAMBDA_FUNCTION_NAME", "stream-processor")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("CLOUDPING_STREAM", STREAM)
            .env("CLOUDPING_TABLE", TABLE)
            .spawn();
        let (function, _kinesis, _dynamodb) = (function.unwrap(), kinesis, dynamodb);
        Some(Self { function, runtime, _kinesis, _dynamodb, kinesis_door, door, log, store })
    }

    async fn shard(&self) -> ShardId {
        self.log.shards().await.unwrap().remove(0).id
    }

    /// Puts events into the stream; gives them as it numbered them.
    async fn put(&self, events: impl IntoIterator<Item = Vec<u8>>) -> Vec<Record> {
        let shard = self.shard().await;
        let before = self.log.read(&shard, None, 10_000).await.unwrap().last().map(|last| last.sequence.clone());
        for event in events {
            self.log.append("v1", Bytes::from(event)).await.unwrap();
        }
        self.log.read(&shard, before.as_ref(), 10_000).await.unwrap()
    }

    /// Invokes the function as Kinesis' event source does.
    async fn invoke(&self, records: &[Record]) -> Value {
        let shard = self.shard().await;
        let record = |record: &Record| {
            json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "v1",
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
                "eventSourceARN": format!("arn:aws:kinesis:eu-west-1:111122223333:stream/{STREAM}"),
            })
        };
        self.send(json!({ "Records": records.iter().map(record).collect::<Vec<_>>() })).await
    }

    /// Invokes the function, which has no name here, with any event.
    async fn send(&self, event: Value) -> Value {
        let url = format!("http://{}/2015-03-31/functions/_/invocations", self.runtime.address());
        let invoked = tokio::task::spawn_blocking(move || {
            let request = ureq::post(url).config().http_status_as_error(false).build();
            let mut answer = request.send(event.to_string()).unwrap();
            answer.body_mut().read_json().unwrap()
        });
        invoked.await.unwrap()
    }

    /// Holds the table's panes and heads against what the rounds say.
    async fn check(&self, rounds: &[Round]) {
        check(&self.copy().await, rounds, 0).await;
    }

    async fn copy(&self) -> MemoryStore {
        let vantages = VANTAGES.map(|name| VantageId::new(name).unwrap());
        let panes = vantages.iter().flat_map(|vantage| Pane::ALL.map(|pane| keys::panes(vantage, pane)));
        let copy = MemoryStore::new();
        for partition in [keys::HEADS.to_owned(), keys::SERIES.to_owned()].into_iter().chain(panes) {
            for (key, item) in self.store.list(&partition, "".."~").await.unwrap() {
                let write = Write { key, expect: Expect::Absent, change: Change::Put(item.value) };
                copy.commit(vec![write]).await.unwrap();
            }
        }
        copy
    }
}

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "test")
}

async fn stream(kinesis: &Server) -> KinesisLog {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(credentials())
        .endpoint_url(format!("http://{}", kinesis.address()));
    let client = aws_sdk_kinesis::Client::from_conf(config.build());
    for _ in 0..60 {
        if client.create_stream().stream_name(STREAM).shard_count(1).send().await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            return KinesisLog::new(client, STREAM);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no stream was made in 30 s");
}

async fn table(dynamodb: &Server) -> DynamoStore {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(credentials())
        .endpoint_url(format!("http://{}", dynamodb.address()));
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    for _ in 0..60 {
        if create_table_if_absent(&client, TABLE).await.is_ok() {
            return DynamoStore::new(client, TABLE);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no table was made in 30 s");
}

/// Two vantage points, a round every twenty seconds, across an hour's end.
fn rounds(count: u32) -> Vec<Round> {
    let mut rng = fastrand::Rng::with_seed(11);
    let round =
        |n: u32| round(VANTAGES[n as usize % 2], 1, u64::from(n / 2), START + i64::from(n) * MINUTE / 3, &mut rng);
    (0..count).map(round).collect()
}

fn nothing_failed() -> Value {
    json!({ "batchItemFailures": [] })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_round_is_counted_once_whatever_happens_to_its_batch() {
    let Some(rig) = Rig::start().await else { return };
    let rounds = rounds(300);
    let mut events: Vec<Vec<u8>> = rounds.iter().map(event::encode).collect();
    events.insert(120, b"\xffpoison".to_vec());
    let records = rig.put(events).await;
    assert_eq!(records.len(), 301);

    for _ in 0..2 {
        assert_eq!(rig.invoke(&records[..100]).await, nothing_failed());
        rig.check(&rounds[..100]).await;
    }
    // A poison record is no failure: it would come again until it expires, and hold up its shard.
    assert_eq!(rig.invoke(&records[100..150]).await, nothing_failed());
    rig.check(&rounds[..149]).await;
    let letters = rig.store.list(keys::DEAD_LETTERS, "".."~").await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter = DeadLetter::decode(&letters[0].1.value).unwrap();
    assert_eq!(
        (letter.sequence.as_str(), letter.data.as_slice()),
        (records[120].sequence.as_str(), &b"\xffpoison"[..])
    );

    // The table is away, then back.
    rig.door.close(true);
    let again = json!({ "batchItemFailures": [{ "itemIdentifier": records[150].sequence.as_str() }] });
    assert_eq!(rig.invoke(&records[150..200]).await, again);
    rig.check(&rounds[..149]).await;
    rig.door.close(false);
    assert_eq!(rig.invoke(&records[150..200]).await, nothing_failed());
    rig.check(&rounds[..199]).await;

    // The table did what it was asked, but its answers are lost: all of them that time, so that the SDK gives up.
    (0..3).for_each(|_| rig.door.plan(COMMIT, HttpFault::AnswerLost));
    let again = json!({ "batchItemFailures": [{ "itemIdentifier": records[200].sequence.as_str() }] });
    assert_eq!(rig.invoke(&records[200..230]).await, again);
    rig.check(&rounds[..229]).await;
    assert_eq!(rig.invoke(&records[200..230]).await, nothing_failed());
    rig.check(&rounds[..229]).await;

    // Another environment had the shard meanwhile, and this one's cache is old.
    let mut other = Processor::new(Arc::new(rig.store.clone()));
    other.process_batch(&rig.shard().await, &records[220..260], rounds[259].started_at).await.unwrap();
    rig.check(&rounds[..259]).await;
    assert_eq!(rig.invoke(&records[240..]).await, nothing_failed());
    rig.check(&rounds).await;
    let sequence = other.checkpoint(&rig.shard().await).await.unwrap();
    assert_eq!(sequence.as_ref(), Some(&records[300].sequence));
}

/// Four rounds a minute; the round-trip time to `a` rises by 12 ms after 100 of 110 minutes.
fn step() -> Vec<Round> {
    let mut rng = fastrand::Rng::with_seed(3);
    let rounds = (0..440_u32).map(|number| {
        let mut round = round("v1", 1, u64::from(number), START + i64::from(number) * MINUTE / 4, &mut rng);
        for sample in &mut round.samples {
            let rise = if sample.target.as_str() == "a" && number >= 400 { 12_000 } else { 0 };
            sample.outcome = Outcome::Answered;
            sample.rtt_us = Some(70_000 + rise + rng.u32(0..400));
        }
        round
    });
    rounds.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_step_reaches_the_stream_once_it_can() {
    let Some(rig) = Rig::start().await else { return };
    let records = rig.put(step().iter().map(event::encode)).await;
    // The stream takes nothing when the step is found: no fault of the batch.
    rig.kinesis_door.close(true);
    for batch in records.chunks(220) {
        assert_eq!(rig.invoke(batch).await, nothing_failed());
    }
    let told = async || rig.log.read(&rig.shard().await, records.last().map(|last| &last.sequence), 10).await.unwrap();
    let waiting = async || rig.store.list(keys::OUTBOX, "".."~").await.unwrap().len();
    assert_eq!((told().await.len(), waiting().await), (0, 1));
    rig.kinesis_door.close(false);
    assert_eq!(rig.invoke(&records[439..]).await, nothing_failed());
    let told = told().await;
    let changes: Vec<RouteChange> = told.iter().map(|record| event::decode_change(&record.data).unwrap()).collect();
    let [change] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((change.target.as_str(), change.minute.0), ("a", START + 100 * MINUTE));
    assert_eq!(waiting().await, 0);
    // It comes back as part of the stream, and is no round.
    assert_eq!(rig.invoke(&told).await, nothing_failed());
    rig.check(&step()).await;
    assert_eq!(rig.store.list(keys::DEAD_LETTERS, "".."~").await.unwrap(), []);

    let odd = json!({ "Records": [{ "eventID": "4959", "kinesis": { "sequenceNumber": "1", "data": "" } }] });
    let refused = rig.send(odd).await;
    assert!(refused["errorMessage"].as_str().is_some_and(|text| text.contains("expected SHARD:SEQUENCE")), "{refused}");
}
