//! Streams on a server of the test's own, and what must be in them.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_kinesis::types::StreamStatus;
use aws_sdk_kinesis::{Client, Config};
use bytes::Bytes;
use cloudping_backend_aws::KinesisLog;
use cloudping_ports::{EventLog, LogError, Record, Shard, ShardId};
use futures::future::join_all;

fn config(address: &str) -> Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(format!("http://{address}"))
}

/// A client of the server at that address.
pub fn client(address: &str) -> Client {
    Client::from_conf(config(address).build())
}

/// A client that leaves every fault to the log: it tries nothing again, and waits for an answer a second only.
pub fn plain_client(address: &str) -> Client {
    let limit = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(1)).build();
    Client::from_conf(config(address).retry_config(RetryConfig::disabled()).timeout_config(limit).build())
}

/// The name of a fresh stream with that many shards, ready for use.
pub async fn stream(client: &Client, shards: i32) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    for attempt in 0.. {
        match client.create_stream().stream_name(&name).shard_count(shards).send().await {
            Ok(_) => break,
            Err(error) if attempt == 120 => panic!("{}", aws_sdk_kinesis::error::DisplayErrorContext(error)),
            Err(_not_up_yet) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
    until_active(client, &name).await;
    name
}

/// Returns when the stream has been made or resharded.
pub async fn until_active(client: &Client, name: &str) {
    loop {
        let summary = client.describe_stream_summary().stream_name(name).send().await.unwrap();
        let status = summary.stream_description_summary().map(|summary| summary.stream_status().clone());
        if status == Some(StreamStatus::Active) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Appends records `numbers` of a key, all at once and in order; the answers in the same order.
pub async fn append_all(log: &KinesisLog, key: &str, numbers: std::ops::Range<u32>) -> Vec<Result<(), LogError>> {
    join_all(numbers.map(|number| log.append(key, Bytes::from(format!("{key} {number}"))))).await
}

/// Appends that many records of each key at once.
pub async fn append_to_all(log: &KinesisLog, keys: &[String], count: u32) {
    for answers in join_all(keys.iter().map(|key| append_all(log, key, 0..count))).await {
        for answer in answers {
            answer.unwrap();
        }
    }
}

/// A shard from its oldest record to its end, in steps.
pub async fn read_all(log: &KinesisLog, shard: &ShardId) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map(|record| record.sequence.clone());
        let step = log.read(shard, after.as_ref(), 100).await.unwrap();
        if step.is_empty() {
            return all;
        }
        all.extend(step);
    }
}

/// The shards, each after all that it came from.
pub fn parents_first(mut shards: Vec<Shard>) -> Vec<Shard> {
    let mut ordered: Vec<Shard> = Vec::new();
    while !shards.is_empty() {
        let (ready, later): (Vec<_>, Vec<_>) = shards
            .into_iter()
            .partition(|shard| shard.parents.iter().all(|parent| ordered.iter().any(|known| known.id == *parent)));
        assert!(!ready.is_empty(), "shards descend from one another: {later:?}");
        ordered.extend(ready);
        shards = later;
    }
    ordered
}

/// What the stream holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// The numbers of each key in the order in which they came first.
    pub firsts: BTreeMap<String, Vec<u32>>,
    /// Records that came again.
    pub repeated: usize,
}

/// Reads everything, parents before children.
pub async fn contents(log: &KinesisLog) -> Contents {
    let (mut contents, mut seen) = (Contents::default(), HashSet::new());
    for shard in parents_first(log.shards().await.unwrap()) {
        for record in read_all(log, &shard.id).await {
            let text = str::from_utf8(&record.data).unwrap().to_owned();
            let (key, number) = text.split_once(' ').unwrap();
            if seen.insert(text.clone()) {
                contents.firsts.entry(key.to_owned()).or_default().push(number.parse().unwrap());
            } else {
                contents.repeated += 1;
            }
        }
    }
    contents
}

/// Each key with the numbers below `count`, in order.
pub fn expected(keys: &[String], count: u32) -> BTreeMap<String, Vec<u32>> {
    keys.iter().map(|key| (key.clone(), (0..count).collect())).collect()
}

/// That many keys.
pub fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("vantage-{number}")).collect()
}
