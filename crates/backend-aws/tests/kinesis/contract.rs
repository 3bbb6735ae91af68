//! The contract of the event log, and what Kinesis would refuse.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use bytes::Bytes;
use cloudping_backend_aws::KinesisLog;
use cloudping_ports::{EventLog, LogError, ShardId};
use cloudping_testkit::log_contract;
use cloudping_testkit::servers::Server;

use crate::support::{append_all, client, contents, stream};

#[test]
fn keeps_the_contract_of_the_event_log() {
    let Some(server) = Server::kinesis() else { return };
    let client = client(&server.address());
    log_contract::run(async || KinesisLog::new(client.clone(), stream(&client, 3).await));
}

#[test]
fn what_kinesis_refuses_and_what_outlives_its_callers() {
    let Some(server) = Server::kinesis() else { return };
    let client = client(&server.address());
    // Each in a runtime of its own: a log outlives the runtime that it first wrote in.
    let log = in_a_runtime(async {
        let log = KinesisLog::new(client.clone(), stream(&client, 1).await);
        log.append("k", Bytes::from_static(b"the first")).await.unwrap();
        log
    });
    in_a_runtime(a_stream_that_is_not_there_is_told_at_once(KinesisLog::new(client.clone(), "no-such-stream")));
    in_a_runtime(what_kinesis_would_refuse_is_not_sent(&log));
    in_a_runtime(the_largest_record_is_taken(&log));
    in_a_runtime(what_is_queued_goes_out_though_all_have_left(&client));
}

fn in_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

async fn a_stream_that_is_not_there_is_told_at_once(log: KinesisLog) {
    let shard = ShardId("shardId-000000000000".to_owned());
    let read = log.read(&shard, None, 1).await.unwrap_err();
    let appended = log.append("key", Bytes::from_static(b"data")).await.unwrap_err();
    for error in [read, appended] {
        assert!(matches!(error, LogError::Backend(_)), "{error:?}");
        assert!(error.to_string().contains("no-such-stream"), "{error}");
        assert!(!error.to_string().contains("given up"), "no try would help: {error}");
    }
}

async fn what_kinesis_would_refuse_is_not_sent(log: &KinesisLog) {
    let refused = async |key, data: Vec<u8>| {
        let error = log.append(key, data.into()).await.unwrap_err();
        assert!(matches!(error, LogError::Refused(_)), "no try would ever help: {error:?}");
        error.to_string()
    };
    let too_large = refused("key", vec![0; 1_048_576]).await;
    assert!(too_large.contains("1048579 bytes") && too_large.contains("at most 1048576"), "{too_large}");
    let no_key = refused("", Vec::new()).await;
    assert!(no_key.contains("0 characters") && no_key.contains("1 to 256"), "{no_key}");
}

async fn the_largest_record_is_taken(log: &KinesisLog) {
    log.append("k", vec![7; 1_048_575].into()).await.unwrap();
    let shards = log.shards().await.unwrap();
    let records = log.read(&shards[0].id, None, 10).await.unwrap();
    assert_eq!(records.iter().map(|record| record.data.len()).collect::<Vec<_>>(), [9, 1_048_575]);
}

async fn what_is_queued_goes_out_though_all_have_left(client: &Client) {
    let name = stream(client, 1).await;
    let log = KinesisLog::new(client.clone(), &name);
    // Time for the queue to take them, none for an answer.
    let given_up = tokio::time::timeout(Duration::ZERO, append_all(&log, "key", 0..20)).await;
    assert!(given_up.is_err());
    drop(log);
    let reader = KinesisLog::new(client.clone(), &name);
    while contents(&reader).await.firsts.get("key").map_or(0, Vec::len) < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(contents(&reader).await.firsts["key"], (0..20).collect::<Vec<_>>());
}
