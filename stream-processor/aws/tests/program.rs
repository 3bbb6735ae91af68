//! The function as Kinesis' event source drives it.

#[path = "../../tests/common/mod.rs"]
mod common;
mod rig;

use std::sync::Arc;
use std::time::Duration;

use cloudping_model::{Outcome, Round, RouteChange};
use cloudping_ports::{EventLog, LiveStore};
use cloudping_schemas::event;
use cloudping_schemas::stored::{DeadLetter, keys};
use cloudping_stream_processor::Processor;
use cloudping_testkit::HttpFault;
use cloudping_testkit::event_source::{EventSource, EventSourceSettings};
use common::{MINUTE, START, round};
use rig::{Rig, STREAM, VANTAGES};
use serde_json::{Value, json};

const COMMIT: &str = "DynamoDB_20120810.TransactWriteItems";

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

#[tokio::test(flavor = "multi_thread")]
async fn a_split_in_mid_stream_and_a_function_that_is_killed_change_no_number() {
    let Some(mut rig) = Rig::start().await else { return };
    let rounds = rounds(300);
    let append = async |rig: &Rig, rounds: &[Round]| {
        for round in rounds {
            rig.log.append(round.id.vantage.as_str(), event::encode(round).into()).await.unwrap();
        }
    };
    let settings = EventSourceSettings { stream: STREAM.to_owned(), batch_size: 40, bisect: true, retries: 10 };
    let mut source = EventSource::new(&rig.runtime.address(), settings);
    append(&rig, &rounds[..150]).await;
    assert_eq!(source.poll(&rig.log).await.unwrap(), 40);
    let halves = (u128::MAX / 2).to_string();
    let split = rig.kinesis.split_shard().stream_name(STREAM).shard_to_split(rig.shard().await.0);
    split.new_starting_hash_key(halves).send().await.unwrap();
    while rig.log.shards().await.unwrap().len() < 3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    append(&rig, &rounds[150..]).await;
    rig.restart();
    // Twice the table does what it is asked, and its answer is lost.
    (0..2).for_each(|_| rig.door.plan(COMMIT, HttpFault::AnswerLost));
    let (mut done, mut idle) = (40, 0);
    while idle < 3 {
        let now = source.poll(&rig.log).await.unwrap();
        done += now;
        // A parent's end is seen by a reading that finds nothing.
        idle = if now == 0 { idle + 1 } else { 0 };
    }
    assert_eq!((done, source.discarded()), (300, &[][..]));
    rig.check(&rounds).await;
    assert!(rig.log.shards().await.unwrap()[0].closed);
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
