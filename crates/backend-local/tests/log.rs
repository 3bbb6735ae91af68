//! What the local log promises beyond its port.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cloudping_backend_local::LocalLog;
use cloudping_model::UtcMicros;
use cloudping_ports::{EventLog, LogError, SequenceNumber, ShardId};

const ONE_SHARD: NonZeroU16 = NonZeroU16::MIN;

async fn append(log: &LocalLog, data: impl Into<String>) {
    log.append("key", data.into().into()).await.unwrap();
}

async fn only_shard(log: &LocalLog) -> ShardId {
    let shards = log.shards().await.unwrap();
    assert_eq!(shards.len(), 1);
    shards[0].id.clone()
}

/// The sequence numbers and texts of a log of one shard.
async fn contents(log: &LocalLog) -> Vec<(String, String)> {
    let shard = only_shard(log).await;
    let records = log.read(&shard, None, usize::MAX).await.unwrap();
    records
        .into_iter()
        .map(|record| {
            let text = String::from_utf8(record.data.to_vec()).unwrap();
            (record.sequence.to_string(), text)
        })
        .collect()
}

fn rows(numbers: impl Iterator<Item = u64>) -> Vec<(String, String)> {
    numbers.map(|number| (number.to_string(), format!("record {number}"))).collect()
}

#[tokio::test]
async fn a_reopened_log_holds_everything_and_goes_on_counting() {
    let dir = tempfile::tempdir().unwrap();
    for opening in 0..4 {
        let log = LocalLog::open_or_create(dir.path(), ONE_SHARD, || UtcMicros(0)).unwrap();
        for number in 1..=5 {
            append(&log, format!("record {}", opening * 5 + number)).await;
        }
        assert_eq!(contents(&log).await, rows(1..=(opening + 1) * 5));
    }
}

#[tokio::test]
async fn a_log_in_the_place_of_a_lost_one_goes_on_above_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let lost = LocalLog::open_or_create(dir.path(), ONE_SHARD, || UtcMicros(1_000_000)).unwrap();
    for _ in 0..3 {
        append(&lost, "before").await;
    }
    let place = lost.read(&only_shard(&lost).await, None, 10).await.unwrap().pop().unwrap().sequence;
    drop(lost);
    std::fs::remove_file(dir.path().join("log.redb")).unwrap();
    let log = LocalLog::open_or_create(dir.path(), ONE_SHARD, || UtcMicros(2_000_000)).unwrap();
    append(&log, "after").await;
    let news = log.read(&only_shard(&log).await, Some(&place), 10).await.unwrap();
    assert_eq!(news.len(), 1, "a reader at {place} misses what follows");
}

#[tokio::test]
async fn a_log_keeps_the_shards_it_was_created_with() {
    let dir = tempfile::tempdir().unwrap();
    let three = NonZeroU16::new(3).unwrap();
    LocalLog::open_or_create(dir.path(), three, || UtcMicros(0)).unwrap();
    let log = LocalLog::open(dir.path(), || UtcMicros(0)).unwrap();
    let shards: Vec<_> = log.shards().await.unwrap().into_iter().map(|shard| shard.id.0).collect();
    assert_eq!(shards, ["shard-0", "shard-1", "shard-2"]);
}

#[tokio::test]
async fn a_place_beyond_all_of_ours_is_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let log = LocalLog::open_or_create(dir.path(), ONE_SHARD, || UtcMicros(0)).unwrap();
    append(&log, "record").await;
    let shard = only_shard(&log).await;
    for digits in ["2", "18446744073709551615", "49590338271490256608559692538361571095921575989136588898"] {
        let place = SequenceNumber::parse(digits).unwrap();
        assert_eq!(log.read(&shard, Some(&place), 10).await.unwrap(), [], "{digits}");
    }
}

static CLOCK: AtomicI64 = AtomicI64::new(0);

#[tokio::test]
async fn trimming_takes_old_records_from_the_front_and_never_a_number_back() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let clock = || UtcMicros(CLOCK.load(Ordering::SeqCst));
        LocalLog::open_or_create(dir.path(), ONE_SHARD, clock).unwrap()
    };
    let log = open();
    // Record n arrives at n, but for a clock that is set back at the eighth.
    for number in 1..=10 {
        CLOCK.store(if number == 8 { 1 } else { number }, Ordering::SeqCst);
        append(&log, format!("record {number}")).await;
    }
    let shard = only_shard(&log).await;
    let trim = async |log: &LocalLog, up_to: u64, older_than| {
        log.trim(&shard, &up_to.into(), UtcMicros(older_than)).await.unwrap()
    };
    assert_eq!(trim(&log, 10, 1).await, 0, "none is older");
    assert_eq!(trim(&log, 3, 100).await, 3, "all are older, three are allowed");
    assert_eq!(contents(&log).await, rows(4..=10));
    assert_eq!(trim(&log, 10, 7).await, 3, "the seventh is not older and stops the trim before the eighth");
    assert_eq!(contents(&log).await, rows(7..=10));
    let early = log.read(&shard, Some(&2.into()), 1).await.unwrap();
    assert_eq!(early[0].sequence, 7.into(), "a reader from before the trim goes on at the oldest kept");
    assert_eq!(trim(&log, u64::MAX, 100).await, 4);
    assert_eq!(contents(&log).await, []);
    drop(log);
    let log = open();
    append(&log, "record 11").await;
    assert_eq!(contents(&log).await, rows(11..=11));
    let unknown = ShardId("shard-1".to_owned());
    let refused = log.trim(&unknown, &1.into(), UtcMicros(0)).await;
    assert!(matches!(refused, Err(LogError::NoShard(shard)) if shard == unknown));
}

#[tokio::test]
async fn a_long_trim_is_carried_out_to_its_end_while_appends_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = LocalLog::open_or_create(dir.path(), ONE_SHARD, || UtcMicros(0)).unwrap();
    let log = Arc::new(log);
    let write = async |from: u64, to: u64| {
        let appends: Vec<_> = (from..to)
            .map(|_| {
                let log = Arc::clone(&log);
                tokio::spawn(async move { append(&log, "data").await })
            })
            .collect();
        for append in appends {
            append.await.unwrap();
        }
    };
    write(0, 10_000).await;
    let shard = only_shard(&log).await;
    let (up_to, now) = (9_990.into(), UtcMicros(1));
    let (removed, ()) = tokio::join!(log.trim(&shard, &up_to, now), write(0, 100));
    assert_eq!(removed.unwrap(), 9_990);
    let kept = contents(&log).await;
    assert_eq!(kept.len(), 110);
    assert_eq!(kept[0].0, "9991");
}

#[tokio::test]
async fn a_watcher_learns_of_appends_and_then_finds_them() {
    let dir = tempfile::tempdir().unwrap();
    let log = LocalLog::open_or_create(dir.path(), ONE_SHARD, || UtcMicros(0)).unwrap();
    let log = Arc::new(log);
    let mut appended = log.appended();
    assert_eq!(*appended.borrow_and_update(), 0);
    let watcher = {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            appended.changed().await.unwrap();
            contents(&log).await
        })
    };
    append(&log, "record 1").await;
    assert_eq!(watcher.await.unwrap(), rows(1..=1));
    append(&log, "record 2").await;
    assert_eq!(*log.appended().borrow(), 2);
}

#[tokio::test]
async fn dropping_the_log_finishes_what_was_begun() {
    let dir = tempfile::tempdir().unwrap();
    let log = LocalLog::open_or_create(dir.path(), ONE_SHARD, || UtcMicros(0)).unwrap();
    for number in 1..=50 {
        let append = log.append("key", format!("record {number}").into());
        // Polled once, and so queued, but not waited for.
        let polled = tokio::time::timeout(std::time::Duration::ZERO, append).await;
        drop(polled);
    }
    drop(log);
    let log = LocalLog::open(dir.path(), || UtcMicros(0)).unwrap();
    assert_eq!(contents(&log).await, rows(1..=50));
}
