//! Random histories against an exact map: whatever is delivered twice, out of order, late, from shards that split and merge, by
//! processors that crash or will not die, every number in the live store is that of the distinct rounds.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudping_model::{Round, UtcMicros};
use cloudping_ports::{Record, SequenceNumber, ShardId};
use cloudping_stream_processor::Processor;
use cloudping_testkit::{FaultPlan, Faulty, MemoryStore, Operation, When};
use common::{MINUTE, START, check, history, records};

const HISTORIES: u64 = 10_000;

/// The shards of a log that may have been split and merged, in the order in which they came to be.
fn shards(rounds: &[Round], rng: &mut fastrand::Rng) -> BTreeMap<ShardId, Vec<Record>> {
    let (split, merge) = match rng.u8(0..3) {
        0 => (rounds.len(), rounds.len()),
        1 => (rng.usize(0..=rounds.len()), rounds.len()),
        _ => {
            let split = rng.usize(0..=rounds.len());
            (split, rng.usize(split..=rounds.len()))
        }
    };
    let mut shards: BTreeMap<ShardId, Vec<Record>> = BTreeMap::new();
    for (at, (round, record)) in rounds.iter().zip(records(rounds)).enumerate() {
        let name = match at {
            at if at < split => "0-whole".to_owned(),
            at if at < merge => format!("1-{}", round.id.vantage),
            _ => "2-merged".to_owned(),
        };
        shards.entry(ShardId(name)).or_default().push(record);
    }
    shards
}

/// The next batch of a shard, some of it once more; `None` when all was taken.
async fn next_batch(
    store: &Arc<MemoryStore>,
    shard: &ShardId,
    log: &[Record],
    rng: &mut fastrand::Rng,
) -> Option<(usize, usize)> {
    let checkpoint: Option<SequenceNumber> = Processor::new(store.clone()).checkpoint(shard).await.unwrap();
    let at = log.partition_point(|record| checkpoint.as_ref().is_some_and(|done| record.sequence <= *done));
    let until = log.len().min(at + rng.usize(1..20));
    (at < log.len()).then(|| (at - rng.usize(0..=at.min(10)), until))
}

/// Delivers a log as at-least-once delivery may. Two processors take turns on the same shards, each believing that it is alone.
async fn deliver(store: &Arc<MemoryStore>, rounds: &[Round], rng: &mut fastrand::Rng) {
    let shards = shards(rounds, rng);
    let faulty = Arc::new(Faulty::new(Arc::clone(store), FaultPlan::none()));
    let start = || Processor::new(faulty.clone());
    let mut processors = [start(), start()];
    let mut open: Vec<&ShardId> = shards.keys().collect();
    let now = UtcMicros(START + 400 * 24 * 60 * MINUTE);
    while !open.is_empty() {
        let which = rng.usize(0..open.len());
        // Mostly parents before children; what a follower of shards gets wrong changes no number either.
        let which = if rng.u8(0..4) == 0 { which } else { 0 };
        let processor = &mut processors[usize::from(rng.u8(0..8) == 0)];
        let (shard, log) = (open[which], &shards[open[which]]);
        let Some((from, until)) = next_batch(store, shard, log, rng).await else {
            open.remove(which);
            continue;
        };
        match rng.u8(0..7) {
            0 => *processor = start(),
            1 => faulty.fail_next(Operation::Commit, When::BeforeActing),
            2 => faulty.fail_next(Operation::Commit, When::AfterActing),
            3 => faulty.fail_next(Operation::Get, When::BeforeActing),
            _ => {}
        }
        let _may_fail = processor.process_batch(shard, &log[from..until], now).await;
    }
}

#[tokio::test]
async fn every_number_is_that_of_the_distinct_rounds() {
    for seed in 0..HISTORIES {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rounds = history(&mut rng);
        let store = Arc::new(MemoryStore::new());
        deliver(&store, &rounds, &mut rng).await;
        check(&store, &rounds, seed).await;
    }
}

/// Stops at every single write of a history, before it and after it.
#[tokio::test]
async fn a_crash_at_any_write_changes_no_number() {
    let mut stops = 0;
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rounds = history(&mut rng);
        for when in [When::BeforeActing, When::AfterActing] {
            for write in 1.. {
                let store = Arc::new(MemoryStore::new());
                if !crash_at(&store, &rounds, write, when).await {
                    break;
                }
                stops += 1;
                check(&store, &rounds, seed).await;
            }
        }
    }
    assert!(stops > 500, "{stops} stops");
}

/// Processes a log with a crash at one write; says whether there was so late a write. Only what is deleted beside a batch may fail
/// without failing it.
async fn crash_at(store: &Arc<MemoryStore>, rounds: &[Round], write: u64, when: When) -> bool {
    let plan = FaultPlan::none().fail(Operation::Commit, write, when);
    let faulty = Arc::new(Faulty::new(Arc::clone(store), plan));
    let (shard, log) = (ShardId("0".into()), records(rounds));
    let now = UtcMicros(START + 400 * 24 * 60 * MINUTE);
    let mut processor = Processor::new(faulty.clone());
    loop {
        let checkpoint = Processor::new(store.clone()).checkpoint(&shard).await.unwrap();
        let at = log.partition_point(|record| checkpoint.as_ref().is_some_and(|done| record.sequence <= *done));
        if at == log.len() {
            return faulty.calls(Operation::Commit) >= write;
        }
        let until = log.len().min(at + 7);
        if processor.process_batch(&shard, &log[at..until], now).await.is_err() {
            processor = Processor::new(faulty.clone());
        }
    }
}
