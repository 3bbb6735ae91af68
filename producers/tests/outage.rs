//! The event log is away, the process is killed, the spool is too small: what arrives, in which order, and what is reported.

use std::io::{BufRead, BufReader};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cloudping_model::{
    Family, Gap, GapReason, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId,
};
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};
use cloudping_producers::outbox::Outbox;
use cloudping_producers::spool::{DEFAULT_BYTES, Spool};
use cloudping_schemas::event;
use cloudping_testkit::{FaultPlan, Faulty, MemoryLog, Operation, When};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_secs(1);
const DIRECTORY: &str = "CLOUDPING_TEST_SPOOL";

fn vantage() -> VantageId {
    VantageId::new("here").unwrap()
}

fn round(epoch: u64, number: u64) -> Round {
    let sample = Sample {
        target: TargetId::new("there").unwrap(),
        offset_us: 1,
        protocol: Protocol::TcpConnect,
        outcome: Outcome::Answered,
        rtt_us: Some(80_000),
        connect_us: Some(80_100),
        retransmits: 0,
        family: Family::V4,
        address: None,
    };
    let id = RoundId { vantage: vantage(), epoch, number };
    Round { id, started_at: UtcMicros(1_700_000_000_000_000), gap: None, samples: vec![sample; 10] }
}

fn spool(directory: &Path, limit: u64) -> Option<Spool> {
    Some(Spool::open(directory, &vantage(), limit, INTERVAL).unwrap())
}

fn memory() -> Arc<MemoryLog> {
    Arc::new(MemoryLog::new(NonZeroUsize::MIN))
}

/// Every record of the log: epoch, number, gap.
async fn arrived(log: &MemoryLog) -> Vec<(u64, u64, Option<Gap>)> {
    let shard = log.shards().await.unwrap().remove(0).id;
    let records = log.read(&shard, None, 100_000).await.unwrap();
    let rounds = records.iter().map(|record| event::decode(&record.data).unwrap());
    rounds.map(|round| (round.id.epoch, round.id.number, round.gap)).collect()
}

/// What becomes of an append.
enum Verdict {
    Taken,
    Failed(LogError),
    /// There is never an answer.
    Silence,
}

/// A log that takes only what it is told to.
struct Gate<F> {
    inner: Arc<MemoryLog>,
    judge: F,
}

#[async_trait]
impl<F: Fn(&Bytes) -> Verdict + Send + Sync> EventLog for Gate<F> {
    async fn append(&self, partition_key: &str, data: Bytes) -> Result<(), LogError> {
        match (self.judge)(&data) {
            Verdict::Taken => self.inner.append(partition_key, data).await,
            Verdict::Failed(error) => Err(error),
            Verdict::Silence => std::future::pending().await,
        }
    }

    async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        self.inner.shards().await
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        self.inner.read(shard, after, limit).await
    }
}

/// A log that cannot be reached before a moment: it refuses, or says nothing.
fn away(inner: &Arc<MemoryLog>, until: Instant, silent: bool) -> Arc<dyn EventLog> {
    let judge = move |_: &Bytes| match (Instant::now() < until, silent) {
        (false, _) => Verdict::Taken,
        (true, true) => Verdict::Silence,
        (true, false) => Verdict::Failed(LogError::Backend("no route to the log".into())),
    };
    Arc::new(Gate { inner: Arc::clone(inner), judge })
}

/// A log that will never take some rounds, and loses its connection at each second call.
fn picky(inner: &Arc<MemoryLog>, never: &'static [u64]) -> Arc<dyn EventLog> {
    let calls = AtomicU64::new(0);
    let judge = move |data: &Bytes| {
        if calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Verdict::Failed(LogError::Backend("connection reset".into()));
        }
        match never.contains(&event::decode(data).unwrap().id.number) {
            true => Verdict::Failed(LogError::Refused("the round is too old".into())),
            false => Verdict::Taken,
        }
    };
    Arc::new(Gate { inner: Arc::clone(inner), judge })
}

fn start(log: Arc<dyn EventLog>, spool: Option<Spool>) -> (Outbox, JoinHandle<()>, watch::Sender<bool>) {
    let (stop, shutdown) = watch::channel(false);
    let (outbox, emptying) = Outbox::new(vantage(), INTERVAL, log, spool, shutdown);
    (outbox, tokio::spawn(emptying), stop)
}

/// A round each second for `seconds`, with the log away for the first 60; then the end.
async fn through_an_outage(silent: bool, limit: u64, seconds: u64) -> Vec<(u64, u64, Option<Gap>)> {
    let directory = tempfile::tempdir().unwrap();
    let inner = memory();
    let away = away(&inner, Instant::now() + Duration::from_secs(60), silent);
    let (outbox, emptying, _stop) = start(away, spool(directory.path(), limit));
    for number in 0..seconds {
        outbox.put(round(7, number));
        tokio::time::sleep(INTERVAL).await;
    }
    drop(outbox);
    emptying.await.unwrap();
    arrived(&inner).await
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_a_minute_loses_nothing() {
    let expected: Vec<_> = (0..100).map(|number| (7, number, None)).collect();
    for silent in [false, true] {
        assert_eq!(through_an_outage(silent, DEFAULT_BYTES, 100).await, expected, "silent: {silent}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_full_spool_dropped_is_reported_by_the_next_round() {
    let room_for = 20;
    let size = event::encode(&round(7, 50)).len() as u64;
    let seen = through_an_outage(false, room_for * size, 100).await;
    assert_eq!(seen[0], (7, 0, None), "the round that was offered first may have arrived, it stays");
    let (_, first_kept, gap) = seen[1];
    let lost = first_kept - 1;
    assert!((38..=46).contains(&lost), "{lost} rounds lost of an outage of 60 with room for {room_for}");
    assert_eq!(gap, Some(Gap { reason: GapReason::SpoolFull, rounds: lost, micros: lost as i64 * 1_000_000 }));
    let rest: Vec<_> = (first_kept + 1..100).map(|number| (7, number, None)).collect();
    assert_eq!(seen[2..], rest);
}

#[tokio::test(start_paused = true)]
async fn without_a_spool_what_finds_no_room_is_counted_and_reported() {
    let inner = memory();
    let away = away(&inner, Instant::now() + Duration::from_secs(60), false);
    let (outbox, emptying, _stop) = start(away, None);
    for number in 0..1_005 {
        outbox.put(round(7, number));
    }
    tokio::time::sleep(Duration::from_secs(70)).await;
    outbox.put(round(7, 1_005));
    outbox.put(round(7, 1_006));
    drop(outbox);
    emptying.await.unwrap();
    let seen = arrived(&inner).await;
    assert_eq!(seen.len(), 1_002);
    let gap = Gap { reason: GapReason::SpoolFull, rounds: 5, micros: 5_000_000 };
    assert_eq!(seen[999..], [(7, 999, None), (7, 1_005, Some(gap)), (7, 1_006, None)]);
}

#[tokio::test(start_paused = true)]
async fn the_gap_of_a_round_without_a_probe_waits_for_one_that_has_some() {
    let inner = memory();
    let (outbox, emptying, _stop) = start(inner.clone(), None);
    let gap = |reason, rounds| Some(Gap { reason, rounds, micros: 7 });
    let (slept, slept_twice) =
        (gap(GapReason::Suspended, 2), Gap { reason: GapReason::Suspended, rounds: 4, micros: 14 });
    let (stepped, late) = (gap(GapReason::ClockStep, 0), gap(GapReason::Overload, 1));
    let without = |number, gap| Round { gap, samples: Vec::new(), ..round(7, number) };
    for number in [0, 1] {
        outbox.put(without(number, slept));
    }
    outbox.put(without(2, stepped));
    outbox.put(Round { gap: late, ..round(7, 3) });
    (4..7).for_each(|number| outbox.put(round(7, number)));
    drop(outbox);
    emptying.await.unwrap();
    let said = [None, None, None, late, Some(slept_twice), stepped, None];
    assert_eq!(arrived(&inner).await, (0..).zip(said).map(|(number, gap)| (7, number, gap)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_round_that_is_refused_for_good_keeps_none_back_and_is_reported_by_the_next() {
    let gap = |rounds| Some(Gap { reason: GapReason::SpoolFull, rounds, micros: rounds as i64 * 1_000_000 });
    let expected = [(7, 0, None), (7, 1, None), (7, 3, gap(1)), (7, 4, None), (7, 7, gap(2)), (7, 8, None)];
    for spooled in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let inner = memory();
        let spool = spooled.then(|| spool(directory.path(), DEFAULT_BYTES)).flatten();
        let (outbox, emptying, _stop) = start(picky(&inner, &[2, 5, 6]), spool);
        for number in 0..9 {
            outbox.put(round(7, number));
            tokio::time::sleep(INTERVAL).await;
        }
        drop(outbox);
        emptying.await.unwrap();
        assert_eq!(arrived(&inner).await, expected, "with a spool: {spooled}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_away_at_the_end_keeps_no_one_waiting_and_the_next_start_sends_first_what_was_left() {
    let directory = tempfile::tempdir().unwrap();
    let never = away(&memory(), Instant::now() + Duration::from_secs(1 << 30), false);
    let (outbox, emptying, stop) = start(never, spool(directory.path(), DEFAULT_BYTES));
    (0..3).for_each(|number| outbox.put(round(7, number)));
    tokio::time::sleep(Duration::from_secs(30)).await;
    let ended = Instant::now();
    stop.send_replace(true);
    drop(outbox);
    emptying.await.unwrap();
    assert!(ended.elapsed() < Duration::from_secs(1), "{:?}", ended.elapsed());

    let inner = memory();
    let (outbox, emptying, _stop) = start(inner.clone(), spool(directory.path(), DEFAULT_BYTES));
    outbox.put(round(8, 0));
    drop(outbox);
    emptying.await.unwrap();
    assert_eq!(arrived(&inner).await, [(7, 0, None), (7, 1, None), (7, 2, None), (8, 0, None)]);
}

/// Appends fail before and after they act, and the process ends at any moment: each round arrives at least once, always the
/// same, and the first arrivals are in order.
#[tokio::test(start_paused = true)]
async fn whatever_fails_each_round_arrives_unchanged_and_in_order() {
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let inner = memory();
        let mut plan = FaultPlan::none();
        for call in 1..300 {
            match rng.u8(0..4) {
                0 => plan = plan.fail(Operation::Append, call, When::BeforeActing),
                1 => plan = plan.fail(Operation::Append, call, When::AfterActing),
                _ => {}
            }
        }
        let log = Arc::new(Faulty::new(Arc::clone(&inner), plan));
        let mut put = 0;
        for epoch in 0..5 {
            let (outbox, emptying, _stop) = start(log.clone(), spool(directory.path(), DEFAULT_BYTES));
            for _ in 0..rng.u64(1..20) {
                outbox.put(round(epoch, put));
                put += 1;
                tokio::time::sleep(Duration::from_millis(rng.u64(1..1_500))).await;
            }
            if epoch < 4 {
                emptying.abort();
                let _aborted = emptying.await;
            } else {
                drop(outbox);
                // Its last attempt may be one that fails: then the rest waits for another start.
                emptying.await.unwrap();
            }
        }
        let (outbox, emptying, _stop) = start(inner.clone(), spool(directory.path(), DEFAULT_BYTES));
        drop(outbox);
        emptying.await.unwrap();
        let mut seen = arrived(&inner).await;
        seen.dedup();
        let numbers: Vec<u64> = seen.iter().map(|(_, number, _)| *number).collect();
        assert_eq!(numbers, (0..put).collect::<Vec<_>>(), "seed {seed}");
    }
}

/// Not a test of its own: the process that is killed. Says each round that it has put into the spool.
#[test]
fn victim() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let mut spool = spool(Path::new(&directory), DEFAULT_BYTES).unwrap();
    let epoch = u64::from(fastrand::u32(..));
    for number in 0.. {
        spool.push(&round(epoch, number)).unwrap();
        println!("\nspooled {epoch} {number}");
    }
}

#[tokio::test]
async fn kill_9_loses_no_round_that_was_spooled() {
    let directory = tempfile::tempdir().unwrap();
    let mut spooled: Vec<(u64, u64)> = Vec::new();
    for kill in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = (&mut lines).filter_map(|line| {
            let numbers = line.unwrap().strip_prefix("spooled ")?.to_owned();
            let (epoch, number) = numbers.split_once(' ')?;
            Some((epoch.parse::<u64>().unwrap(), number.parse::<u64>().unwrap()))
        });
        spooled.extend(said.take(fastrand::usize(1..40)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(spooled.len() > kill, "the victim ended before it spooled");
    }
    let inner = memory();
    let (outbox, emptying, _stop) = start(inner.clone(), spool(directory.path(), DEFAULT_BYTES));
    drop(outbox);
    emptying.await.unwrap();
    let seen: Vec<(u64, u64)> = arrived(&inner).await.into_iter().map(|(epoch, number, _)| (epoch, number)).collect();
    // A round may have been spooled and its word cut off; none may be missing, and order holds.
    let mut rest = seen.iter();
    assert!(spooled.iter().all(|said| rest.any(|found| found == said)), "said {spooled:?}, found {seen:?}");
    assert!(seen.len() >= spooled.len());
}
