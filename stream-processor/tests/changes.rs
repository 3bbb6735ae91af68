//! Route steps: found once, dated, told to the log, and the levels on both sides of them.

mod common;

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use cloudping_model::{Addresses, Outcome, Round, RouteChange, Sample, TargetId, UtcMicros, VantageId};
use cloudping_ports::{EventLog, Key, LiveStore, Record, ShardId};
use cloudping_schemas::event;
use cloudping_schemas::stored::{ChangesItem, Regime, RegimesItem, keys};
use cloudping_stream_processor::{Processor, deliver};
use cloudping_testkit::{FaultPlan, Faulty, MemoryLog, MemoryStore, Operation, When};
use common::{MINUTE, START, records, round};

/// The minute of the step.
const STEP: i64 = 100;

/// Four rounds a minute; the round-trip time to `a` rises by 12 ms after [`STEP`] minutes, that to `b` stays.
fn history(minutes: i64) -> Vec<Round> {
    let mut rng = fastrand::Rng::with_seed(3);
    let rounds = (0..minutes * 4).map(|number| {
        let at = START + number * MINUTE / 4;
        let mut round = round("v1", 1, number as u64, at, &mut rng);
        for sample in &mut round.samples {
            let rise = if sample.target.as_str() == "a" && number >= STEP * 4 { 12_000 } else { 0 };
            sample.outcome = Outcome::Answered;
            sample.rtt_us = Some(70_000 + rise + rng.u32(0..400));
        }
        round
    });
    rounds.collect()
}

async fn changes(store: &MemoryStore) -> Vec<RouteChange> {
    let partition = keys::changes(&VantageId::new("v1").unwrap());
    let items = store.list(&partition, "".."~").await.unwrap();
    items.iter().flat_map(|(_, item)| ChangesItem::decode(&item.value).unwrap().changes).collect()
}

/// Processes a log in batches, with a new processor every so many of them.
async fn process(store: &Arc<MemoryStore>, rounds: &[Round], batch: usize, batches_of_one: usize) {
    let log: Vec<Record> = records(rounds);
    let mut processor = Processor::new(store.clone());
    for (at, batch) in log.chunks(batch).enumerate() {
        if at % batches_of_one == 0 {
            processor = Processor::new(store.clone());
        }
        processor.process_batch(&ShardId("0".into()), batch, rounds[rounds.len() - 1].started_at).await.unwrap();
    }
}

#[tokio::test]
async fn a_step_is_found_once_whatever_the_batches() {
    let rounds = history(STEP + 10);
    for (batch, batches_of_one) in [(1, 1), (3, 2), (50, usize::MAX), (1_000, usize::MAX)] {
        let store = Arc::new(MemoryStore::new());
        process(&store, &rounds, batch, batches_of_one).await;
        let found = changes(&store).await;
        let [change] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((change.target.as_str(), change.minute), ("a", UtcMicros(START + STEP * MINUTE)));
        let rise = i64::from(change.after_us) - i64::from(change.before_us);
        assert!((rise - 12_000).abs() < 200, "{rise}");
        assert_eq!((change.ended.since, change.ended.count), (UtcMicros(START), STEP as u64 * 4));
        let [p10, p50, p90, p99] = change.ended.percentiles_us.unwrap();
        assert!(70_000.0 <= p10 && p10 < p50 && p50 < p90 && p90 < p99 && p99 < 70_400.0);
    }
}

#[tokio::test]
async fn each_level_has_the_samples_of_its_minutes() {
    // Long enough for the step's hour to be folded.
    let rounds = history(STEP + 100);
    let store = Arc::new(MemoryStore::new());
    process(&store, &rounds, 40, 3).await;
    let item = store.get(&Key::new(keys::REGIMES, "v1")).await.unwrap().unwrap();
    let regimes = RegimesItem::decode(&item.value).unwrap().regimes;
    let table = common::table(&store, "v1").await;
    let of = |target: &str| {
        let place = |regime: &&Regime| table.get(regime.series).unwrap().target.as_str() == target;
        regimes.iter().find(place).unwrap()
    };
    let folded = common::head(&store, "v1").await.unwrap().folded_until;
    let minutes = (folded.0 - START) / MINUTE;
    assert_eq!((of("b").since, of("b").summary.received()), (UtcMicros(START), minutes as u64 * 4));
    let since = UtcMicros(START + STEP * MINUTE);
    assert_eq!((of("a").since, of("a").summary.received()), (since, (minutes - STEP) as u64 * 4));
    assert!(of("a").summary.min_us().unwrap() >= 82_000);
}

#[tokio::test]
async fn a_step_goes_to_the_log_and_changes_nothing_when_it_comes_back() {
    let rounds = history(STEP + 10);
    let store = Arc::new(MemoryStore::new());
    process(&store, &rounds, 50, usize::MAX).await;
    let log = MemoryLog::new(NonZeroUsize::MIN);
    assert_eq!(deliver(&log, store.as_ref()).await.unwrap(), 1);
    assert_eq!(deliver(&log, store.as_ref()).await.unwrap(), 0);
    let shard = log.shards().await.unwrap().remove(0).id;
    let logged = log.read(&shard, None, 10).await.unwrap();
    assert_eq!(logged.len(), 1);
    let told = event::decode_change(&logged[0].data).unwrap();
    assert_eq!(changes(&store).await, [told]);
    let head = common::head(&store, "v1").await;
    let mut processor = Processor::new(store.clone());
    let report = processor.process_batch(&ShardId("1".into()), &logged, rounds[0].started_at).await.unwrap();
    assert_eq!((report.counted, report.dead, report.changes.len()), (0, 0, 0));
    assert_eq!(common::head(&store, "v1").await, head);
}

fn ip(host: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, host])
}

/// The history, with each round's address of `a`.
fn reached(minutes: i64, address: impl Fn(i64) -> Option<IpAddr>) -> Vec<Round> {
    let mut rounds = history(minutes);
    for (number, round) in (0..).zip(&mut rounds) {
        round.samples.iter_mut().for_each(|sample| sample.address = address(number));
    }
    rounds
}

#[tokio::test]
async fn a_step_says_whether_the_address_changed_with_it() {
    let step = STEP * 4;
    let moved = Some(Addresses { before: ip(1), after: ip(2) });
    let stayed = Some(Addresses { before: ip(1), after: ip(1) });
    type Address = fn(i64) -> Option<IpAddr>;
    let cases: [(&str, Address, Option<Addresses>); 8] = [
        ("it stays", |_| Some(ip(1)), stayed),
        ("it changes with the step", |number| Some(ip(if number < STEP * 4 { 1 } else { 2 })), moved),
        ("it changes half a minute earlier", |number| Some(ip(if number < STEP * 4 - 2 { 1 } else { 2 })), moved),
        ("it changes half a minute later", |number| Some(ip(if number < STEP * 4 + 2 { 1 } else { 2 })), moved),
        ("it changed an hour before", |number| Some(ip(if number < STEP * 4 - 240 { 2 } else { 1 })), stayed),
        ("it is another one each time", |number| Some(ip((number % 5) as u8)), None),
        ("it is not known before", |number| (number >= STEP * 4).then(|| ip(2)), None),
        ("it is not known", |_| None, None),
    ];
    for (case, address, expected) in cases {
        let rounds = reached(STEP + 10, address);
        assert_eq!(rounds.len() as i64, step + 40);
        let store = Arc::new(MemoryStore::new());
        process(&store, &rounds, 7, 5).await;
        let found = changes(&store).await;
        let [change] = found.as_slice() else { panic!("{case}: {found:?}") };
        assert_eq!(change.addresses, expected, "{case}");
    }
}

/// Whatever is delivered again, in whichever batches, to processors that die: the same steps with the same addresses.
#[tokio::test]
async fn addresses_do_not_depend_on_the_delivery() {
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        // From an address that stays to one that changes all the time.
        let stays = rng.i64(1..200);
        let hosts = rng.u8(1..4);
        let rounds = reached(STEP + 12, |number| {
            let mut of_stretch = fastrand::Rng::with_seed(seed + (number / stays) as u64);
            Some(ip(of_stretch.u8(0..hosts)))
        });
        let once = Arc::new(MemoryStore::new());
        process(&once, &rounds, rounds.len(), usize::MAX).await;
        let expected = changes(&once).await;
        assert_eq!(expected.len(), 1);

        let store = Arc::new(MemoryStore::new());
        let faulty = Arc::new(Faulty::new(Arc::clone(&store), FaultPlan::none()));
        let (log, shard) = (records(&rounds), ShardId("0".into()));
        let mut processor = Processor::new(faulty.clone());
        let (mut at, now) = (0, rounds[rounds.len() - 1].started_at);
        while at < log.len() {
            match rng.u8(0..6) {
                0 => processor = Processor::new(faulty.clone()),
                1 => faulty.fail_next(Operation::Commit, When::BeforeActing),
                2 => faulty.fail_next(Operation::Commit, When::AfterActing),
                _ => {}
            }
            let (from, until) = (at - rng.usize(0..=at.min(20)), log.len().min(at + rng.usize(1..60)));
            if processor.process_batch(&shard, &log[from..until], now).await.is_ok() {
                at = until;
            }
        }
        assert_eq!(changes(&store).await, expected, "seed {seed}");
    }
}

/// The level between two steps is that level's alone, also while none of its minutes is folded.
#[tokio::test]
async fn two_steps_in_an_hour_end_two_levels() {
    let mut rounds = history(STEP + 40);
    for round in rounds.iter_mut().skip((STEP as usize + 20) * 4) {
        let second = round.samples.iter_mut().filter(|sample| sample.target.as_str() == "a");
        second.for_each(|sample| sample.rtt_us = sample.rtt_us.map(|rtt_us| rtt_us + 20_000));
    }
    let store = Arc::new(MemoryStore::new());
    process(&store, &rounds, 8, usize::MAX).await;
    let found = changes(&store).await;
    let levels: Vec<_> = found.iter().map(|change| (change.ended.since, change.ended.count)).collect();
    let step = UtcMicros(START + STEP * MINUTE);
    assert_eq!(levels, [(UtcMicros(START), STEP as u64 * 4), (step, 20 * 4)]);
    let p10 = found[1].ended.percentiles_us.unwrap()[0];
    assert!(p10 >= 82_000.0, "{p10}");
}

/// A vantage point's own line changes: all its series step in the same minute, more than a commit has writes.
#[tokio::test]
async fn hundreds_of_series_may_step_at_once() {
    const SERIES: u32 = 250;
    let rounds: Vec<Round> = history(STEP + 10)
        .into_iter()
        .map(|mut round| {
            let sample = round.samples.iter().find(|sample| sample.target.as_str() == "a").unwrap().clone();
            let of = |at| Sample { target: TargetId::new(&format!("t{at}")).unwrap(), ..sample.clone() };
            round.samples = (0..SERIES).map(of).collect();
            round
        })
        .collect();
    let store = Arc::new(MemoryStore::new());
    process(&store, &rounds, 1_000, usize::MAX).await;
    assert_eq!(changes(&store).await.len(), SERIES as usize);
    let log = MemoryLog::new(NonZeroUsize::MIN);
    assert_eq!(deliver(&log, store.as_ref()).await.unwrap(), SERIES as usize);
}
