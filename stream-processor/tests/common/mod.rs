//! Random rounds, and what the live store must hold of them.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cloudping_digest::SeriesSummary;
use cloudping_model::{Family, Outcome, Pane, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_ports::{Change, Expect, Key, LiveStore, Record, SequenceNumber, Write};
use cloudping_schemas::event;
use cloudping_schemas::stored::{PaneItem, SeriesKey, SeriesTable, VantageHead, keys};
use cloudping_stream_processor::MINUTES_KEPT_US;
use cloudping_testkit::MemoryStore;

pub const MINUTE: i64 = 60_000_000;
/// 2026-01-01T23:30:00Z: histories cross hours and a day.
pub const START: i64 = 1_767_310_200_000_000;

pub fn round(vantage: &str, epoch: u64, number: u64, at: i64, rng: &mut fastrand::Rng) -> Round {
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

pub fn records(rounds: &[Round]) -> Vec<Record> {
    let numbered = rounds.iter().zip(1_u64..);
    let record = |(round, number): (&Round, u64)| Record {
        sequence: SequenceNumber::from(number),
        data: Bytes::from(event::encode(round)),
    };
    numbered.map(record).collect()
}

/// A log as a bad day makes it: two vantage points, jumps in time, late and repeated rounds.
pub fn history(rng: &mut fastrand::Rng) -> Vec<Round> {
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

pub type Totals = BTreeMap<(String, SeriesKey, i64), SeriesSummary>;

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
pub fn expected(rounds: &[Round], pane: Pane) -> Totals {
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

/// What a store holds of the vantage points' heads, tables and panes.
pub async fn copy(store: &dyn LiveStore) -> MemoryStore {
    let copy = MemoryStore::new();
    let heads = store.list(keys::HEADS, keys::ALL).await.unwrap();
    let vantages: Vec<_> = heads.iter().map(|(key, _)| VantageId::new(&key.sort).unwrap()).collect();
    let panes = vantages.iter().flat_map(|vantage| Pane::ALL.map(|pane| keys::panes(vantage, pane)));
    for partition in [keys::HEADS.to_owned(), keys::SERIES.to_owned()].into_iter().chain(panes) {
        for (key, item) in store.list(&partition, keys::ALL).await.unwrap() {
            let write = Write { key, expect: Expect::Absent, change: Change::Put(item.value) };
            copy.commit(vec![write]).await.unwrap();
        }
    }
    copy
}

/// The vantage points that the store knows of.
async fn known(store: &MemoryStore) -> BTreeSet<String> {
    let heads = store.list(keys::HEADS, keys::ALL).await.unwrap();
    heads.into_iter().map(|(key, _)| key.sort).collect()
}

pub async fn head(store: &MemoryStore, vantage: &str) -> Option<VantageHead> {
    let item = store.get(&Key::new(keys::HEADS, vantage)).await.unwrap()?;
    Some(VantageHead::decode(&item.value).unwrap())
}

pub async fn table(store: &MemoryStore, vantage: &str) -> SeriesTable {
    let item = store.get(&Key::new(keys::SERIES, vantage)).await.unwrap();
    item.map_or(SeriesTable::default(), |item| SeriesTable::decode(&item.value).unwrap())
}

pub async fn panes(store: &MemoryStore, vantage: &str, pane: Pane) -> Vec<PaneItem> {
    let partition = keys::panes(&VantageId::new(vantage).unwrap(), pane);
    let items = store.list(&partition, ""..":").await.unwrap();
    let table = table(store, vantage).await;
    items.iter().map(|(_, item)| PaneItem::decode(&item.value, &table).unwrap()).collect()
}

/// The day totals as a reader puts them together: days, plus hours and minutes that are not folded yet.
pub async fn days(store: &MemoryStore) -> Totals {
    let mut totals = Totals::new();
    for vantage in known(store).await {
        let vantage = vantage.as_str();
        let Some(head) = head(store, vantage).await else {
            continue;
        };
        for pane in Pane::ALL {
            for item in panes(store, vantage, pane).await {
                let folded = match pane {
                    Pane::Minute => item.start < head.folded_until,
                    Pane::Hour => item.start < head.hours_folded_until,
                    Pane::Day => false,
                };
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

pub async fn check(store: &MemoryStore, rounds: &[Round], seed: u64) {
    let (found, model) = (days(store).await, expected(rounds, Pane::Day));
    assert_eq!(counts(&found), counts(&model), "days, seed {seed}");
    let minutes = expected(rounds, Pane::Minute);
    let mut vantages = known(store).await;
    vantages.extend(rounds.iter().map(|round| round.id.vantage.to_string()));
    for vantage in vantages.iter().map(String::as_str) {
        let distinct: BTreeSet<_> =
            (rounds.iter().map(|round| &round.id)).filter(|id| id.vantage.as_str() == vantage).collect();
        let Some(head) = head(store, vantage).await else {
            assert!(distinct.is_empty(), "no head for {vantage}, seed {seed}");
            continue;
        };
        let remembered: u64 =
            (head.seen.iter().flat_map(|seen| &seen.ranges)).map(|(first, last)| last - first + 1).sum();
        assert_eq!(remembered, distinct.len() as u64, "rounds of {vantage}, seed {seed}");
        // Expired panes stay until the next fold, and get no more.
        let kept = |item: &PaneItem| item.start + MINUTE > head.watermark - MINUTES_KEPT_US;
        for item in panes(store, vantage, Pane::Minute).await.into_iter().filter(kept) {
            for (key, summary) in &item.series {
                let place = (vantage.to_owned(), key.clone(), item.start.0);
                assert_eq!(Some(summary), minutes.get(&place), "minute {place:?}, seed {seed}");
            }
        }
    }
}
