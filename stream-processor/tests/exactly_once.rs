//! Random histories against an exact map: whatever is delivered twice, out of order, late or across a crash, every
//! number in the live store is that of the distinct rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use cloudping_digest::SeriesSummary;
use cloudping_model::{
    Family, Gap, GapReason, Outcome, Pane, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId,
};
use cloudping_ports::{CommitError, Key, LiveStore, Record, SequenceNumber, ShardId};
use cloudping_schemas::event;
use cloudping_schemas::stored::{DeadLetter, PaneItem, SeriesKey, VantageHead, keys};
use cloudping_stream_processor::{ProcessError, Processor};
use cloudping_testkit::{FaultPlan, Faulty, MemoryStore, Operation, When};

const MINUTE: i64 = 60_000_000;
/// 2026-01-01T23:30:00Z: histories cross hours and a day.
const START: i64 = 1_767_310_200_000_000;

fn round(vantage: &str, epoch: u64, number: u64, at: i64, rng: &mut fastrand::Rng) -> Round {
    let samples = ["a", "b"].map(|target| {
        let outcome = Outcome::ALL[[0, 0, 0, 0, 1, 2, 6, 7][rng.usize(0..8)]];
        Sample {
            target: TargetId::new(target).unwrap(),
            offset_us: rng.u32(0..900_000),
            protocol: Protocol::TcpConnect,
            outcome,
            rtt_us: (outcome == Outcome::Answered && rng.u8(0..20) > 0).then(|| rng.u32(1..200_000)),
            connect_us: None,
            retransmits: u32::from(outcome == Outcome::Retransmitted),
            family: Family::V4,
            address: None,
        }
    });
    Round {
        id: RoundId { vantage: VantageId::new(vantage).unwrap(), epoch, number },
        started_at: UtcMicros(at),
        gap: None,
        samples: samples.into(),
    }
}

fn records(rounds: &[Round]) -> Vec<Record> {
    let numbered = rounds.iter().zip(1_u64..);
    let record = |(round, number): (&Round, u64)| Record {
        sequence: SequenceNumber::from(number),
        data: Bytes::from(event::encode(round)),
    };
    numbered.map(record).collect()
}

/// A log as a bad day makes it: two vantage points, jumps in time, late and repeated rounds.
fn history(rng: &mut fastrand::Rng) -> Vec<Round> {
    let mut rounds: Vec<Round> = Vec::new();
    let (mut at, mut epoch) = (START, 1);
    let mut numbers = [0_u64; 2];
    for _ in 0..rng.usize(1..120) {
        if rng.u8(0..25) == 0 {
            epoch += 1;
            numbers = [0; 2];
        }
        if !rounds.is_empty() && rng.u8(0..6) == 0 {
            rounds.push(rounds[rng.usize(0..rounds.len())].clone());
            continue;
        }
        let jump = [1, 1, 5, 30, 120, 4_000, 30_000][rng.usize(0..7)];
        at += rng.i64(0..=jump) * 1_000_000;
        let lateness = if rng.u8(0..5) == 0 { rng.i64(0..3 * 60 * MINUTE) } else { 0 };
        let which = rng.usize(0..2);
        rounds.push(round(["v1", "v2"][which], epoch, numbers[which], at - lateness, rng));
        numbers[which] += 1;
    }
    rounds
}

type Totals = BTreeMap<(String, SeriesKey, i64), SeriesSummary>;

fn add(summary: &mut SeriesSummary, round: &Round, sample: &Sample) {
    let at = round.sent_at(sample).0;
    match (sample.outcome, sample.rtt_us) {
        (outcome, _) if !outcome.was_sent() => {}
        (Outcome::Answered, Some(rtt)) => summary.record_rtt(at, rtt),
        (Outcome::Answered, None) => summary.record_unknown(at),
        (outcome, _) => summary.record_loss(at, outcome == Outcome::Retransmitted),
    }
}

/// What each pane of a size must hold, from the distinct rounds.
fn expected(rounds: &[Round], pane: Pane) -> Totals {
    let (mut seen, mut totals) = (BTreeSet::new(), Totals::new());
    for round in rounds.iter().filter(|round| seen.insert(round.id.clone())) {
        for sample in round.samples.iter().filter(|sample| sample.outcome.was_sent()) {
            let key = SeriesKey { target: sample.target.clone(), protocol: sample.protocol, family: sample.family };
            let start = pane.start_of(round.sent_at(sample)).0;
            let total = totals.entry((round.id.vantage.to_string(), key, start)).or_default();
            add(total, round, sample);
        }
    }
    totals
}

async fn head(store: &MemoryStore, vantage: &str) -> Option<VantageHead> {
    let item = store.get(&Key::new(keys::HEADS, vantage)).await.unwrap()?;
    Some(VantageHead::decode(&item.value).unwrap())
}

async fn panes(store: &MemoryStore, vantage: &str, pane: Pane) -> Vec<PaneItem> {
    let partition = keys::panes(&VantageId::new(vantage).unwrap(), pane);
    let items = store.list(&partition, ""..":").await.unwrap();
    items.iter().map(|(_, item)| PaneItem::decode(&item.value).unwrap()).collect()
}

/// The day totals as a reader puts them together: days, plus hours and minutes that are not folded yet.
async fn days(store: &MemoryStore) -> Totals {
    let mut totals = Totals::new();
    for vantage in ["v1", "v2"] {
        let Some(head) = head(store, vantage).await else {
            continue;
        };
        for pane in Pane::ALL {
            for item in panes(store, vantage, pane).await {
                let folded = pane != Pane::Day && item.start + pane.micros() <= head.folded_until;
                let day = Pane::Day.start_of(item.start).0;
                for (key, summary) in item.series.iter().filter(|_| !folded) {
                    let total = totals.entry((vantage.to_owned(), key.clone(), day)).or_default();
                    total.merge(summary);
                }
            }
        }
    }
    totals
}

/// Sent, received, lost, retransmitted, and the sum of the round-trip times.
type Figures = (u64, u64, u64, u64, u64);

fn counts(totals: &Totals) -> Vec<(&(String, SeriesKey, i64), Figures)> {
    let figures = |s: &SeriesSummary| (s.sent(), s.received(), s.lost(), s.retransmitted(), s.sum_us());
    totals.iter().map(|(key, summary)| (key, figures(summary))).collect()
}

async fn check(store: &MemoryStore, rounds: &[Round], seed: u64) {
    let (found, model) = (days(store).await, expected(rounds, Pane::Day));
    assert_eq!(counts(&found), counts(&model), "days, seed {seed}");
    let minutes = expected(rounds, Pane::Minute);
    for vantage in ["v1", "v2"] {
        let distinct: BTreeSet<_> =
            (rounds.iter().map(|round| &round.id)).filter(|id| id.vantage.as_str() == vantage).collect();
        let Some(head) = head(store, vantage).await else {
            assert!(distinct.is_empty(), "no head for {vantage}, seed {seed}");
            continue;
        };
        let remembered: u64 =
            (head.seen.iter().flat_map(|seen| &seen.ranges)).map(|(first, last)| last - first + 1).sum();
        assert_eq!(remembered, distinct.len() as u64, "rounds of {vantage}, seed {seed}");
        for item in panes(store, vantage, Pane::Minute).await {
            for (key, summary) in &item.series {
                let place = (vantage.to_owned(), key.clone(), item.start.0);
                assert_eq!(Some(summary), minutes.get(&place), "minute {place:?}, seed {seed}");
            }
        }
    }
}

/// Delivers the log as at-least-once delivery may: in batches, some again, across crashes and lost answers.
async fn deliver(store: &Arc<MemoryStore>, rounds: &[Round], rng: &mut fastrand::Rng) {
    let (shard, log) = (ShardId("0".into()), records(rounds));
    let faulty = Arc::new(Faulty::new(Arc::clone(store), FaultPlan::none()));
    let mut processor = Processor::new(faulty.clone());
    loop {
        let checkpoint = processor.checkpoint(&shard).await.unwrap();
        let at = log.partition_point(|record| checkpoint.as_ref().is_some_and(|done| record.sequence <= *done));
        if at == log.len() {
            return;
        }
        let until = log.len().min(at + rng.usize(1..20));
        let from = at - rng.usize(0..=at.min(10));
        match rng.u8(0..6) {
            0 => processor = Processor::new(faulty.clone()),
            1 => faulty.fail_next(Operation::Commit, When::BeforeActing),
            2 => faulty.fail_next(Operation::Commit, When::AfterActing),
            3 => faulty.fail_next(Operation::Get, When::BeforeActing),
            _ => {}
        }
        let now = UtcMicros(START + 400 * 24 * 60 * MINUTE);
        let _may_fail = processor.process_batch(&shard, &log[from..until], now).await;
    }
}

#[tokio::test]
async fn every_number_is_that_of_the_distinct_rounds() {
    for seed in 0..400 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rounds = history(&mut rng);
        let store = Arc::new(MemoryStore::new());
        deliver(&store, &rounds, &mut rng).await;
        check(&store, &rounds, seed).await;
    }
}

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
    for _ in 0..2 {
        let mut processor = Processor::new(store.clone());
        let report = processor.process_batch(&shard, &log, rounds[1].started_at).await.unwrap();
        assert_eq!(report.dead, 1);
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
    assert_eq!(head(&store, "v1").await.unwrap().watermark, UtcMicros(START));
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
    assert!((75..=93).contains(&minutes.len()), "{} minutes kept", minutes.len());
    check(&store, &rounds, 10).await;
}
