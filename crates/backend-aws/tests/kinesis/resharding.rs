//! Splits and merges while records are written: their shards say where they come from, and no key's order breaks.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::ScalingType;
use bytes::Bytes;
use cloudping_backend_aws::KinesisLog;
use cloudping_ports::{EventLog, Shard, ShardId};
use cloudping_testkit::servers::Server;
use tokio::sync::watch;

use crate::support::{client, contents, expected, keys, parents_first, read_all, stream, until_active};

/// A hash key in the middle of the upper half of all: where the second of two shards is split.
const IN_THE_UPPER_HALF: &str = "255211775190703847597530955573826158592";

fn find<'a>(shards: &'a [Shard], id: &ShardId) -> &'a Shard {
    shards.iter().find(|shard| shard.id == *id).unwrap()
}

fn children<'a>(shards: &'a [Shard], parent: &ShardId) -> Vec<&'a Shard> {
    shards.iter().filter(|shard| shard.parents.contains(parent)).collect()
}

async fn split(client: &Client, log: &KinesisLog, name: &str, shard: &ShardId) -> Vec<Shard> {
    let request = client.split_shard().stream_name(name).shard_to_split(&shard.0);
    request.new_starting_hash_key(IN_THE_UPPER_HALF).send().await.unwrap();
    until_active(client, name).await;
    log.shards().await.unwrap()
}

async fn merge(client: &Client, log: &KinesisLog, name: &str, shard: &ShardId, beside: &ShardId) -> Vec<Shard> {
    let request = client.merge_shards().stream_name(name).shard_to_merge(&shard.0);
    request.adjacent_shard_to_merge(&beside.0).send().await.unwrap();
    until_active(client, name).await;
    log.shards().await.unwrap()
}

/// Appends to every key in turn until told to stop; how many records each key got.
async fn write(log: &KinesisLog, keys: &[String], progress: &watch::Sender<u32>, stop: &watch::Receiver<bool>) -> u32 {
    let mut count = 0;
    while !*stop.borrow() {
        let appends = keys.iter().map(|key| log.append(key, Bytes::from(format!("{key} {count}"))));
        for answer in futures::future::join_all(appends).await {
            answer.unwrap();
        }
        count += 1;
        progress.send_replace(count);
    }
    count
}

/// Waits until every key got some more records.
async fn some_more(progress: &watch::Receiver<u32>) {
    let mut progress = progress.clone();
    let now = *progress.borrow();
    progress.wait_for(|count| *count >= now + 5).await.unwrap();
}

/// Splits a shard, merges two, and changes the number of all.
async fn reshard(client: &Client, log: &KinesisLog, name: &str, progress: &watch::Receiver<u32>) {
    some_more(progress).await;
    let roots = log.shards().await.unwrap();
    assert!(roots.iter().all(|shard| shard.parents.is_empty() && !shard.closed), "{roots:?}");

    let shards = split(client, log, name, &roots[1].id).await;
    let halves = children(&shards, &roots[1].id);
    assert_eq!(halves.len(), 2, "{shards:?}");
    assert!(halves.iter().all(|half| half.parents == [roots[1].id.clone()] && !half.closed), "{halves:?}");
    assert!(find(&shards, &roots[1].id).closed && !find(&shards, &roots[0].id).closed, "{shards:?}");
    some_more(progress).await;

    let (left, right) = (halves[0].id.clone(), halves[1].id.clone());
    let shards = merge(client, log, name, &left, &right).await;
    let whole = children(&shards, &left);
    assert_eq!(whole.len(), 1, "{shards:?}");
    let parents: BTreeSet<&ShardId> = whole[0].parents.iter().collect();
    assert_eq!(parents, BTreeSet::from([&left, &right]));
    assert!(find(&shards, &left).closed && find(&shards, &right).closed, "{shards:?}");
    some_more(progress).await;

    let request = client.update_shard_count().stream_name(name).target_shard_count(4);
    request.scaling_type(ScalingType::UniformScaling).send().await.unwrap();
    until_active(client, name).await;
    some_more(progress).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_keeps_its_order_through_splits_and_merges() {
    let Some(server) = Server::kinesis() else { return };
    let client = client(&server.address());
    let name = stream(&client, 2).await;
    let log = KinesisLog::new(client.clone(), &name).with_patience(Duration::from_secs(60));
    let keys = keys(16);
    let (progress, watched) = watch::channel(0);
    let (stop, stopped) = watch::channel(false);
    let resharding = async {
        reshard(&client, &log, &name, &watched).await;
        stop.send_replace(true);
    };
    let (count, ()) = tokio::join!(write(&log, &keys, &progress, &stopped), resharding);

    let found = contents(&log).await;
    assert_eq!(found.firsts, expected(&keys, count));
    assert_eq!(found.repeated, 0);
    let shards = parents_first(log.shards().await.unwrap());
    assert_eq!(shards.iter().filter(|shard| !shard.closed).count(), 4, "{shards:?}");
    for shard in shards.iter().filter(|shard| shard.closed) {
        let held = read_all(&log, &shard.id).await;
        let last = held.last().map(|record| record.sequence.clone());
        assert_eq!(log.read(&shard.id, last.as_ref(), 10).await.unwrap(), [], "{} has an end", shard.id);
        assert!(!children(&shards, &shard.id).is_empty(), "{} was closed by its children", shard.id);
    }
}
