//! What may go wrong, case by case: every number in the live store stays that of the distinct rounds.

mod common;

use std::sync::Arc;

use bytes::Bytes;
use cloudping_model::{Gap, GapReason, Pane, Round, UtcMicros};
use cloudping_ports::{CommitError, LiveStore, Record, SequenceNumber, ShardId};
use cloudping_schemas::stored::{DeadLetter, keys};
use cloudping_stream_processor::{ProcessError, Processor};
use cloudping_testkit::MemoryStore;
use common::{MINUTE, START, check, head, panes, records, round};

#[tokio::test]
async fn of_two_processors_alive_at_once_only_one_counts() {
    let mut rng = fastrand::Rng::with_seed(7);
    let rounds: Vec<Round> =
        (0..40_u32).map(|n| round("v1", 1, u64::from(n), START + i64::from(n) * 10_000_000, &mut rng)).collect();
    let (shard, log) = (ShardId("0".into()), records(&rounds));
    let store = Arc::new(MemoryStore::new());
    let mut zombie = Processor::new(store.clone());
    let mut owner = Processor::new(store.clone());
    let now = rounds[39].started_at;
    zombie.process_batch(&shard, &log[..10], now).await.unwrap();
    owner.process_batch(&shard, &log[..30], now).await.unwrap();
    let refused = zombie.process_batch(&shard, &log[10..20], now).await.unwrap_err();
    assert!(matches!(refused, ProcessError::Commit(CommitError::Conflict(_))), "{refused}");
    let mut next = Processor::new(store.clone());
    next.process_batch(&shard, &log[20..], now).await.unwrap();
    check(&store, &rounds, 7).await;
}

#[tokio::test]
async fn what_a_round_reports_missing_is_booked_once() {
    let mut rng = fastrand::Rng::with_seed(7);
    let gap = |reason, rounds| Some(Gap { reason, rounds, micros: 1_000_000 });
    let mut rounds: Vec<Round> =
        (0..3).map(|number| round("v1", 1, number, START + number as i64 * MINUTE, &mut rng)).collect();
    rounds[0].gap = gap(GapReason::Suspended, 4);
    rounds[2].gap = gap(GapReason::SpoolFull, 3);
    rounds.push(rounds[0].clone());
    let store = Arc::new(MemoryStore::default());
    let mut processor = Processor::new(store.clone());
    let now = UtcMicros(START + 60 * MINUTE);
    processor.process_batch(&ShardId("0".into()), &records(&rounds), now).await.unwrap();
    let ledger = head(&store, "v1").await.unwrap().ledger;
    assert_eq!(ledger.iter().map(|hour| (hour.rounds, hour.duplicates)).collect::<Vec<_>>(), [(3, 1)]);
    assert_eq!((ledger[0].dropped, ledger[0].gaps), (7, [0, 1, 0, 1]));
}

#[tokio::test]
async fn a_poison_record_is_kept_with_its_reason_and_the_rest_goes_on() {
    let mut rng = fastrand::Rng::with_seed(8);
    let rounds = [round("v1", 1, 0, START, &mut rng), round("v1", 1, 1, START + 1_000_000, &mut rng)];
    let mut log = records(&rounds);
    let poison = Record { sequence: SequenceNumber::from(2), data: Bytes::from_static(b"\xffpoison") };
    log[1].sequence = SequenceNumber::from(3);
    log.insert(1, poison);
    let (shard, store) = (ShardId("0".into()), Arc::new(MemoryStore::new()));
    let samples = rounds.iter().map(|round| round.samples.len()).sum();
    for (counted, duplicates, samples) in [(2, 0, samples), (0, 2, 0)] {
        let mut processor = Processor::new(store.clone());
        let report = processor.process_batch(&shard, &log, rounds[1].started_at).await.unwrap();
        assert_eq!((report.counted, report.duplicates, report.samples), (counted, duplicates, samples));
        assert_eq!((report.dead, report.newest), (1, Some(rounds[1].started_at)));
    }
    check(&store, &rounds, 8).await;
    let letters = store.list(keys::DEAD_LETTERS, ""..":").await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter = DeadLetter::decode(&letters[0].1.value).unwrap();
    assert_eq!((letter.shard.as_str(), letter.sequence.as_str()), ("0", "2"));
    assert_eq!(letter.data, b"\xffpoison");
    assert!(letter.reason.contains("ProbeRound"), "{}", letter.reason);
}

#[tokio::test]
async fn a_clock_that_runs_ahead_closes_no_window_of_the_present() {
    let mut rng = fastrand::Rng::with_seed(9);
    let rounds = [round("v1", 1, 0, START + 600 * MINUTE, &mut rng), round("v1", 1, 1, START, &mut rng)];
    let (shard, store) = (ShardId("0".into()), Arc::new(MemoryStore::new()));
    let mut processor = Processor::new(store.clone());
    processor.process_batch(&shard, &records(&rounds), UtcMicros(START)).await.unwrap();
    let head = head(&store, "v1").await.unwrap();
    assert_eq!(head.watermark, UtcMicros(START));
    assert!(head.folded_until <= UtcMicros(START), "{:?}", head.folded_until);
    check(&store, &rounds, 9).await;
}

#[tokio::test]
async fn old_panes_are_deleted() {
    let mut rng = fastrand::Rng::with_seed(10);
    let rounds: Vec<Round> =
        (0..600_u32).map(|n| round("v1", 1, u64::from(n), START + i64::from(n) * MINUTE, &mut rng)).collect();
    let (shard, store) = (ShardId("0".into()), Arc::new(MemoryStore::new()));
    let mut processor = Processor::new(store.clone());
    for batch in records(&rounds).chunks(20) {
        let now = rounds[599].started_at;
        processor.process_batch(&shard, batch, now).await.unwrap();
    }
    let minutes = panes(&store, "v1", Pane::Minute).await;
    assert!((75..=152).contains(&minutes.len()), "{} minutes kept", minutes.len());
    check(&store, &rounds, 10).await;
}

#[tokio::test]
async fn of_a_large_record_that_cannot_be_read_the_beginning_is_kept() {
    let poison = Record { sequence: SequenceNumber::from(1), data: Bytes::from(vec![0xff; 1_000_000]) };
    let store = Arc::new(MemoryStore::new());
    let mut processor = Processor::new(store.clone());
    processor.process_batch(&ShardId("0".into()), &[poison], UtcMicros(START)).await.unwrap();
    let letters = store.list(keys::DEAD_LETTERS, ""..":").await.unwrap();
    let letter = DeadLetter::decode(&letters[0].1.value).unwrap();
    assert_eq!(letter.data, vec![0xff; 32_768]);
    assert!(letter.reason.ends_with("(the first 32768 of 1000000 bytes are kept)"), "{}", letter.reason);
}

/// A clock that runs days ahead, then silence until the present has caught up: more hours to fold at once than a commit has writes.
#[tokio::test]
async fn many_hours_are_folded_one_after_another() {
    let mut rng = fastrand::Rng::with_seed(11);
    let ahead = |hour: i64| START + (hour + 1) * 60 * MINUTE;
    let rounds: Vec<Round> =
        (0..120_u32).map(|n| round("v1", 1, u64::from(n), ahead(i64::from(n)), &mut rng)).collect();
    let store = Arc::new(MemoryStore::new());
    let mut processor = Processor::new(store.clone());
    processor.process_batch(&ShardId("0".into()), &records(&rounds), UtcMicros(START)).await.unwrap();
    let last = [round("v1", 1, 120, ahead(125), &mut rng)];
    let mut log = records(&last);
    log[0].sequence = SequenceNumber::from(1_000);
    processor.process_batch(&ShardId("0".into()), &log, last[0].started_at).await.unwrap();
    let all: Vec<Round> = rounds.into_iter().chain(last).collect();
    check(&store, &all, 11).await;
}
