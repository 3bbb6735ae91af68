//! What every event log must do.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, ShardId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

/// Tests every clause of [`EventLog`]'s documentation; `make` yields a fresh, empty log each time.
///
/// Builds its own runtime, so call it from a plain `#[test]`.
///
/// # Panics
/// When a clause is broken.
pub fn run<L: EventLog + 'static>(make: impl AsyncFn() -> L) {
    let runtime = crate::runtime();
    runtime.block_on(async {
        a_fresh_log_is_empty(&make().await).await;
        one_keys_records_keep_their_order(&make().await).await;
        reading_in_steps_skips_and_repeats_nothing(&make().await).await;
        a_reader_at_the_end_sees_what_comes_next(&make().await).await;
        an_unknown_shard_is_named(&make().await).await;
        any_bytes_come_back_unchanged(&make().await).await;
        concurrent_appends_are_all_there_once(make().await).await;
    });
    random_appends_and_reads_match_a_model(&runtime, &make);
}

async fn append(log: &impl EventLog, key: &str, data: impl Into<Bytes>) {
    let appended = log.append(key, data.into()).await;
    appended.expect("an append to a healthy log returns");
}

async fn shards(log: &impl EventLog) -> Vec<ShardId> {
    let shards = log.shards().await.expect("a healthy log names its shards");
    shards.into_iter().map(|shard| shard.id).collect()
}

async fn read(log: &impl EventLog, shard: &ShardId, after: Option<&SequenceNumber>, limit: usize) -> Vec<Record> {
    let records = log.read(shard, after, limit).await;
    let records = records.expect("a shard of a healthy log can be read");
    assert!(records.len() <= limit, "{} > {limit}", records.len());
    let first = records.first().map(|record| &record.sequence);
    let follows = first.is_none_or(|first| after.is_none_or(|after| first > after));
    assert!(follows, "asked for what follows {after:?}, got {first:?}");
    records
}

/// A shard from its oldest record to its end, read in steps of `limit`.
async fn read_all(log: &impl EventLog, shard: &ShardId, limit: usize) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map(|record| record.sequence.clone());
        let step = read(log, shard, after.as_ref(), limit).await;
        if step.is_empty() {
            return all;
        }
        all.extend(step);
    }
}

/// The records of "key number" texts, by key, in the order of the log; a key must keep to one shard.
async fn numbers_by_key(log: &impl EventLog) -> BTreeMap<String, Vec<u32>> {
    let mut by_key = BTreeMap::new();
    for shard in shards(log).await {
        let mut in_shard: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for record in read_all(log, &shard, 1000).await {
            let text = str::from_utf8(&record.data).expect("the suite wrote text");
            let (key, number) = text.split_once(' ').expect("the suite wrote two words");
            let number = number.parse().expect("the suite wrote a number");
            in_shard.entry(key.to_owned()).or_default().push(number);
        }
        for (key, numbers) in in_shard {
            let before = by_key.insert(key.clone(), numbers);
            assert_eq!(before, None, "{key} has records in two shards");
        }
    }
    by_key
}

async fn a_fresh_log_is_empty(log: &impl EventLog) {
    let names = shards(log).await;
    assert!(!names.is_empty(), "a log has at least one shard");
    let distinct: HashSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?} repeats a shard");
    for shard in &names {
        assert_eq!(read(log, shard, None, 10).await, [], "fresh {shard}");
    }
    assert_eq!(shards(log).await, names, "shards without a reshard");
}

async fn one_keys_records_keep_their_order(log: &impl EventLog) {
    let keys = ["us-east-1", "eu-west-3", "ap-south-1", "k", "sa-east-1"];
    for number in 0..30 {
        for key in keys {
            append(log, key, format!("{key} {number}")).await;
        }
    }
    let logged = numbers_by_key(log).await;
    assert_eq!(logged.len(), keys.len(), "{:?}", logged.keys());
    for (key, numbers) in logged {
        assert_eq!(numbers, (0..30).collect::<Vec<_>>(), "{key}");
    }
}

async fn reading_in_steps_skips_and_repeats_nothing(log: &impl EventLog) {
    for number in 0..60 {
        append(log, &format!("key-{}", number % 7), number.to_string()).await;
    }
    let mut total = 0;
    for shard in shards(log).await {
        let whole = read_all(log, &shard, usize::MAX).await;
        total += whole.len();
        let ascending = whole.windows(2).all(|two| two[0].sequence < two[1].sequence);
        assert!(ascending, "sequence numbers of {shard} ascend: {whole:?}");
        for limit in [1, 2, 7, 59] {
            assert_eq!(read_all(log, &shard, limit).await, whole, "steps of {limit}");
        }
        assert_eq!(read(log, &shard, None, 0).await, [], "a limit of 0");
        for (index, record) in whole.iter().enumerate() {
            let rest = read(log, &shard, Some(&record.sequence), 100).await;
            assert_eq!(rest, whole[index + 1..], "after {}", record.sequence);
        }
    }
    assert_eq!(total, 60, "records in all shards");
}

async fn a_reader_at_the_end_sees_what_comes_next(log: &impl EventLog) {
    append(log, "key", "first").await;
    let names = shards(log).await;
    let mut place = None;
    for shard in &names {
        if let Some(record) = read(log, shard, None, 2).await.pop() {
            place = Some((shard, record));
        }
    }
    let (shard, first) = place.expect("the appended record is in a shard");
    assert_eq!(first.data, "first");
    let end = Some(&first.sequence);
    assert_eq!(read(log, shard, end, 10).await, [], "at the end");
    append(log, "key", "second").await;
    let news = read(log, shard, end, 10).await;
    assert_eq!(news.len(), 1, "{news:?}");
    assert_eq!(news[0].data, "second");
}

async fn an_unknown_shard_is_named(log: &impl EventLog) {
    let unknown = ShardId("no such shard".to_owned());
    let answer = log.read(&unknown, None, 1).await;
    let named = matches!(&answer, Err(LogError::NoShard(shard)) if *shard == unknown);
    assert!(named, "{answer:?}");
}

async fn any_bytes_come_back_unchanged(log: &impl EventLog) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let sent = [Bytes::from_static(&[0]), every_byte.repeat(1000).into()];
    for data in &sent {
        append(log, "bytes", data.clone()).await;
    }
    for shard in shards(log).await {
        let records = read(log, &shard, None, 3).await;
        if !records.is_empty() {
            let read: Vec<_> = records.into_iter().map(|record| record.data).collect();
            assert!(read == sent, "bytes differ");
            return;
        }
    }
    panic!("no shard holds the records");
}

async fn concurrent_appends_are_all_there_once<L: EventLog + 'static>(log: L) {
    const WRITERS: usize = 20;
    let log = Arc::new(log);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for number in 0..25 {
                    append(&*log, &format!("w{writer}"), format!("w{writer} {number}")).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no writer panics");
    }
    let logged = numbers_by_key(&*log).await;
    assert_eq!(logged.len(), WRITERS, "{:?}", logged.keys());
    for (key, numbers) in logged {
        assert_eq!(numbers, (0..25).collect::<Vec<_>>(), "{key}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append { key: u8, data: Vec<u8> },
    Read { limit: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let data = prop::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        3 => (0..6_u8, data).prop_map(|(key, data)| Step::Append { key, data }),
        1 => (0..12_usize).prop_map(|limit| Step::Read { limit }),
    ]
}

/// The model is a list of what was appended for each key. A reader goes forward through all shards in steps; what it
/// has seen of each key must be a prefix of the model at any time, and all of it in the end.
async fn check_against_model(log: &impl EventLog, steps: Vec<Step>) {
    let mut appended: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
    let mut seen: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
    let mut places: BTreeMap<String, SequenceNumber> = BTreeMap::new();
    for step in steps.into_iter().chain([Step::Read { limit: 1000 }]) {
        match step {
            Step::Append { key, data } => {
                let tagged: Vec<u8> = std::iter::once(key).chain(data.iter().copied()).collect();
                append(log, &format!("key {key}"), tagged).await;
                appended.entry(key).or_default().push(data);
            }
            Step::Read { limit } => {
                for shard in shards(log).await {
                    for record in read(log, &shard, places.get(&shard.0), limit).await {
                        let (key, data) = record.data.split_first().expect("tagged by the suite");
                        seen.entry(*key).or_default().push(data.to_vec());
                        places.insert(shard.0.clone(), record.sequence);
                    }
                }
                for (key, data) in &seen {
                    assert!(appended[key].starts_with(data), "key {key} out of order");
                }
            }
        }
    }
    assert_eq!(seen, appended, "the reader at the end");
}

fn random_appends_and_reads_match_a_model<L: EventLog>(runtime: &Runtime, make: &impl AsyncFn() -> L) {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(step(), 0..40), |steps| {
        runtime.block_on(async { check_against_model(&make().await, steps).await });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("a log differs from its model: {failure}");
    }
}
