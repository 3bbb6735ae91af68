//! The event log's contract on a real Kinesis server.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::types::StreamStatus;
use aws_sdk_kinesis::{Client, Config};
use cloudping_backend_aws::KinesisLog;
use cloudping_ports::{EventLog, LogError, ShardId};
use cloudping_testkit::log_contract;
use cloudping_testkit::servers::Server;

fn client(server: &Server) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(format!("http://{}", server.address()));
    Client::from_conf(config.build())
}

/// A fresh stream with that many shards, ready for use.
async fn stream(client: &Client, shards: i32) -> KinesisLog {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    for attempt in 0.. {
        match client.create_stream().stream_name(&name).shard_count(shards).send().await {
            Ok(_) => break,
            Err(error) if attempt == 60 => panic!("{}", aws_sdk_kinesis::error::DisplayErrorContext(error)),
            Err(_not_up_yet) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
    loop {
        let summary = client.describe_stream_summary().stream_name(&name).send().await.unwrap();
        let status = summary.stream_description_summary().map(|summary| summary.stream_status().clone());
        if status == Some(StreamStatus::Active) {
            return KinesisLog::new(client.clone(), name);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn keeps_the_contract_of_the_event_log() {
    let Some(server) = Server::kinesis() else { return };
    let client = client(&server);
    log_contract::run(async || stream(&client, 3).await);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(a_stream_that_is_not_there_is_no_missing_shard(&client));
}

async fn a_stream_that_is_not_there_is_no_missing_shard(client: &Client) {
    let log = KinesisLog::new(client.clone(), "no-such-stream");
    let shard = ShardId("shardId-000000000000".to_owned());
    let error = log.read(&shard, None, 1).await.unwrap_err();
    assert!(matches!(error, LogError::Backend(_)), "{error:?}");
    assert!(error.to_string().contains("no-such-stream"), "{error}");
}
