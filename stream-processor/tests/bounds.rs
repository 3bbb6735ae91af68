//! A vantage point that asks for more than it may take up: its round is a dead letter, and everybody else's go on.

mod common;

use std::sync::Arc;

use bytes::Bytes;
use cloudping_model::{Gap, GapReason, Round, Sample, TargetId, UtcMicros};
use cloudping_ports::{LiveStore, Record, SequenceNumber, ShardId};
use cloudping_schemas::event;
use cloudping_schemas::stored::{DeadLetter, keys, missing_rounds};
use cloudping_stream_processor::{BatchReport, Processor};
use cloudping_testkit::MemoryStore;
use common::{START, head, records, round, table};

const SECOND: i64 = 1_000_000;

/// A round of the first vantage point that has these targets.
fn of_targets(number: u64, targets: std::ops::Range<usize>, rng: &mut fastrand::Rng) -> Round {
    let plain = round("v1", 1, number, START + number as i64 * SECOND, rng);
    let sample = |n| Sample { target: TargetId::new(&format!("t{n}")).unwrap(), ..plain.samples[0].clone() };
    Round { samples: targets.map(sample).collect(), ..plain }
}

/// Gives the batch to a new processor, and asserts that its checkpoint moves to the last record.
async fn process(store: &Arc<MemoryStore>, log: &[Record]) -> BatchReport {
    let (shard, mut processor) = (ShardId("0".into()), Processor::new(store.clone()));
    let report = processor.process_batch(&shard, log, UtcMicros(START + 3_600 * SECOND)).await.unwrap();
    assert_eq!(processor.checkpoint(&shard).await.unwrap().as_ref(), log.last().map(|record| &record.sequence));
    report
}

/// The reasons of the dead letters, by their sequence numbers.
async fn reasons(store: &MemoryStore) -> Vec<(String, String)> {
    let letters = store.list(keys::DEAD_LETTERS, keys::ALL).await.unwrap();
    let letters = letters.into_iter().map(|(_, item)| DeadLetter::decode(&item.value).unwrap());
    letters.map(|letter| (letter.sequence, letter.reason)).collect()
}

#[tokio::test]
async fn a_round_of_too_many_series_is_a_dead_letter_and_the_rest_goes_on() {
    let mut rng = fastrand::Rng::with_seed(21);
    let rounds = [
        of_targets(0, 0..10_000, &mut rng),
        of_targets(1, 10_000..20_000, &mut rng),
        of_targets(2, 19_999..20_001, &mut rng),
        round("v2", 1, 0, START, &mut rng),
        of_targets(3, 0..10_000, &mut rng),
        of_targets(2, 19_999..20_000, &mut rng),
    ];
    let store = Arc::new(MemoryStore::new());
    for (counted, duplicates) in [(5, 0), (0, 5)] {
        let report = process(&store, &records(&rounds)).await;
        assert_eq!((report.counted, report.duplicates, report.dead), (counted, duplicates, 1));
    }
    assert_eq!((table(&store, "v1").await.len(), table(&store, "v2").await.len()), (20_000, 2));
    let seen = head(&store, "v1").await.unwrap().seen;
    assert_eq!(seen[0].ranges, [(0, 3)], "the number of the refused round was free for another");
    let reason = "its vantage point would have more than 20000 series";
    assert_eq!(reasons(&store).await, [("3".to_owned(), reason.to_owned())]);
}

#[tokio::test]
async fn a_round_of_one_hole_too_many_is_a_dead_letter_and_the_rest_goes_on() {
    let mut rng = fastrand::Rng::with_seed(22);
    let of_number = |number, rng: &mut _| Round { samples: Vec::new(), ..round("v1", 1, number, START, rng) };
    let mut rounds: Vec<Round> = (0..=4_096).map(|n| of_number(n * 2, &mut rng)).collect();
    rounds.push(round("v2", 1, 0, START, &mut rng));
    rounds.push(of_number(1, &mut rng));
    let store = Arc::new(MemoryStore::new());
    let report = process(&store, &records(&rounds)).await;
    assert_eq!((report.counted, report.duplicates, report.dead), (4_098, 0, 1));
    let reasons = reasons(&store).await;
    assert_eq!((reasons.len(), reasons[0].0.as_str()), (1, "4097"));
    assert!(reasons[0].1.contains("more than 4096 separate ranges"), "{}", reasons[0].1);
    let head = head(&store, "v1").await.unwrap();
    assert_eq!((head.seen[0].ranges.len(), head.ledger[0].rounds), (4_095, 4_097));
}

#[tokio::test]
async fn a_gap_beyond_measure_is_a_dead_letter_and_sums_do_not_overflow() {
    let mut rng = fastrand::Rng::with_seed(23);
    let gap = Some(Gap { reason: GapReason::Suspended, rounds: u64::MAX, micros: 0 });
    // The greatest numbers that an event may have, in epoch after epoch.
    let most = i64::MAX as u64;
    let rounds: Vec<Round> = (1..6)
        .map(|epoch| Round { gap, ..round("v1", epoch, most, START + epoch as i64 * SECOND, &mut rng) })
        .collect();
    let mut log = records(&rounds);
    // A gap that comes twice is merged: this one's rounds count, 2^64 - 1.
    let mut forged = event::encode(&round("v1", 9, 0, START, &mut rng));
    forged.extend(b"\x42\x0d\x08\x02\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    log.insert(2, Record { sequence: SequenceNumber::from(0), data: Bytes::from(forged) });
    (1..).zip(&mut log).for_each(|(number, record)| record.sequence = SequenceNumber::from(number));
    let store = Arc::new(MemoryStore::new());
    let report = process(&store, &log).await;
    assert_eq!((report.counted, report.dead), (5, 1));
    let reason = "event: gap.rounds[0] is 18446744073709551615, expected at most 2^32";
    assert!(reasons(&store).await[0].1 == reason, "{:?}", reasons(&store).await);
    let ledger = head(&store, "v1").await.unwrap().ledger;
    assert_eq!((ledger[0].dropped, ledger[0].rounds), (5 << 32, 5));
    assert_eq!(missing_rounds(&ledger).len(), 1);
}
