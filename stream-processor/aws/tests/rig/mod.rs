//! The real program under a real Lambda Runtime API, with what a real Kinesis server holds and a real DynamoDB server's table.

use std::process::{Child, Command};
use std::time::Duration;

use aws_sdk_dynamodb::types::TimeToLiveSpecification;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;
use cloudping_backend_aws::{DynamoStore, KinesisLog, create_table_if_absent};
use cloudping_model::{Pane, Round, VantageId};
use cloudping_ports::{Change, EventLog, Expect, LiveStore, Record, ShardId, Write};
use cloudping_schemas::stored::keys;
use cloudping_testkit::event_source::{self, Outcome, kinesis_event};
use cloudping_testkit::servers::Server;
use cloudping_testkit::{FaultyDoor, MemoryStore};
use serde_json::Value;

use crate::common::check;

pub const STREAM: &str = "events";
const TABLE: &str = "live";
/// Who measures.
pub const VANTAGES: [&str; 2] = ["v1", "v2"];

/// The function among its servers. They end when this is dropped.
pub struct Rig {
    function: Child,
    pub runtime: Server,
    _kinesis: Server,
    _dynamodb: Server,
    pub kinesis_door: FaultyDoor,
    pub door: FaultyDoor,
    pub kinesis: aws_sdk_kinesis::Client,
    pub log: KinesisLog,
    pub store: DynamoStore,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.function.kill();
        let _ = self.function.wait();
    }
}

impl Rig {
    /// `None` where the servers are not installed.
    pub async fn start() -> Option<Self> {
        let (runtime, kinesis, dynamodb) = (Server::lambda_runtime()?, Server::kinesis()?, Server::dynamodb()?);
        let door = FaultyDoor::before(dynamodb.address()).await;
        let kinesis_door = FaultyDoor::before(kinesis.address()).await;
        let ((client, log), store) = (stream(&kinesis).await, table(&dynamodb).await);
        let function = function(&runtime, &kinesis_door, &door);
        let (_kinesis, _dynamodb) = (kinesis, dynamodb);
        let kinesis = client;
        Some(Self { function, runtime, _kinesis, _dynamodb, kinesis_door, door, kinesis, log, store })
    }

    /// Kills the function's process, with whatever it holds, and starts another.
    pub fn restart(&mut self) {
        self.function.kill().unwrap();
        self.function.wait().unwrap();
        self.function = function(&self.runtime, &self.kinesis_door, &self.door);
    }

    pub async fn shard(&self) -> ShardId {
        self.log.shards().await.unwrap().remove(0).id
    }

    /// Puts events into the stream; gives them as it numbered them.
    pub async fn put(&self, events: impl IntoIterator<Item = Vec<u8>>) -> Vec<Record> {
        let shard = self.shard().await;
        let before = self.log.read(&shard, None, 10_000).await.unwrap().last().map(|last| last.sequence.clone());
        for event in events {
            self.log.append("v1", Bytes::from(event)).await.unwrap();
        }
        self.log.read(&shard, before.as_ref(), 10_000).await.unwrap()
    }

    /// Invokes the function as Kinesis' event source does.
    pub async fn invoke(&self, records: &[Record]) -> Value {
        self.send(kinesis_event(STREAM, &self.shard().await, records)).await
    }

    /// Invokes the function with any event.
    pub async fn send(&self, event: Value) -> Value {
        match event_source::invoke(&self.runtime.address(), event).await {
            Outcome::Answered(answer) => answer,
            Outcome::Failed(error) => serde_json::from_str(&error).unwrap_or(Value::String(error)),
        }
    }

    /// Holds the table's panes and heads against what the rounds say.
    pub async fn check(&self, rounds: &[Round]) {
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

fn function(runtime: &Server, kinesis: &FaultyDoor, dynamodb: &FaultyDoor) -> Child {
    Command::new(env!("CARGO_BIN_EXE_cloudping-stream-processor-lambda"))
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_ENDPOINT_URL_KINESIS", format!("http://{}", kinesis.address()))
        .env("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", dynamodb.address()))
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt", runtime.address()))
        .env("AWS_LAMBDA_FUNCTION_NAME", "stream-processor")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("CLOUDPING_STREAM", STREAM)
        .env("CLOUDPING_TABLE", TABLE)
        .spawn()
        .unwrap()
}

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "test")
}

async fn stream(kinesis: &Server) -> (aws_sdk_kinesis::Client, KinesisLog) {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(credentials())
        .endpoint_url(format!("http://{}", kinesis.address()));
    let client = aws_sdk_kinesis::Client::from_conf(config.build());
    for _ in 0..60 {
        if client.create_stream().stream_name(STREAM).shard_count(1).send().await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            return (client.clone(), KinesisLog::new(client, STREAM));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no stream was made in 30 s");
}

/// The rounds of a test are of the past: the server would delete their panes, as expired, in the middle of it.
async fn keep_all(client: &aws_sdk_dynamodb::Client) {
    let off = TimeToLiveSpecification::builder().attribute_name("e").enabled(false).build().unwrap();
    client.update_time_to_live().table_name(TABLE).time_to_live_specification(off).send().await.unwrap();
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
            keep_all(&client).await;
            return DynamoStore::new(client, TABLE);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no table was made in 30 s");
}
