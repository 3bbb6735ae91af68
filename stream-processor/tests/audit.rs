//! The self-audit tells the truth about the digests.

mod common;

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use cloudping_model::{Outcome, Pane, Round, UtcMicros, VantageId};
use cloudping_ports::{Change, EventLog, Expect, Key, LiveStore, Write};
use cloudping_schemas::event;
use cloudping_schemas::stored::{AuditItem, keys};
use cloudping_stream_processor::{Auditor, Processor};
use cloudping_testkit::{MemoryLog, MemoryStore};
use common::{MINUTE, panes, round, table};

/// An hour that begins with the first round.
const START: i64 = 1_767_308_400_000_000;

/// A round a second to forty targets for ninety minutes, in the log and in the live store.
async fn measured() -> (Arc<MemoryLog>, Arc<MemoryStore>, UtcMicros) {
    let (log, store) = (Arc::new(MemoryLog::new(NonZeroUsize::MIN)), Arc::new(MemoryStore::new()));
    let mut rng = fastrand::Rng::with_seed(5);
    let mut processor = Processor::new(store.clone());
    let rounds: Vec<Round> = (0..5_400_u64).map(|number| second(number, &mut rng)).collect();
    for round in &rounds {
        log.append("v1", Bytes::from(event::encode(round))).await.unwrap();
    }
    let shard = log.shards().await.unwrap().remove(0).id;
    let now = rounds[5_399].started_at;
    loop {
        let checkpoint = processor.checkpoint(&shard).await.unwrap();
        let records = log.read(&shard, checkpoint.as_ref(), 1_000).await.unwrap();
        if records.is_empty() {
            return (log, store, now);
        }
        processor.process_batch(&shard, &records, now).await.unwrap();
    }
}

fn second(number: u64, rng: &mut fastrand::Rng) -> Round {
    let mut round = round("v1", 1, number, START + number as i64 * 1_000_000, rng);
    let sample = round.samples[0].clone();
    round.samples = (0..40_u32)
        .map(|target| {
            let mut sample = sample.clone();
            sample.target = cloudping_model::TargetId::new(&format!("t{target}")).unwrap();
            sample.outcome = if rng.u8(0..100) == 0 { Outcome::Timeout } else { Outcome::Answered };
            let jitter = (rng.f64() * rng.f64() * 3_000.0) as u32;
            sample.rtt_us = (sample.outcome == Outcome::Answered).then_some(70_000 + jitter);
            sample
        })
        .collect();
    round
}

#[tokio::test]
async fn an_hour_is_recounted_once_and_found_right() {
    let (log, store, now) = measured().await;
    let mut auditor = Auditor::new(log, store.clone());
    let item = auditor.run_once(now).await.unwrap().expect("an hour is folded");
    assert_eq!((item.hour, item.at, item.mismatches), (UtcMicros(START), now, 0));
    assert!(item.series > 0 && item.samples > item.series * 3_500, "{item:?}");
    for quantile in &item.quantiles {
        assert!(
            quantile.rank_error_max <= 0.001 && quantile.rank_error_mean <= quantile.rank_error_max,
            "{quantile:?}"
        );
    }
    assert!(item.quantiles.iter().any(|quantile| quantile.error_us_max > 0.0), "3,600 values are not kept one by one");
    let stored = store.list(keys::AUDITS, "".."~").await.unwrap();
    assert_eq!(AuditItem::decode(&stored[0].1.value).unwrap(), item);
    assert_eq!(auditor.run_once(now).await.unwrap(), None);
}

#[tokio::test]
async fn a_digest_that_is_not_the_events_is_found() {
    let (log, store, now) = measured().await;
    let vantage = VantageId::new("v1").unwrap();
    let key = Key::new(keys::panes(&vantage, Pane::Hour), keys::pane_start(UtcMicros(START)));
    let version = store.get(&key).await.unwrap().unwrap().version;
    let mut pane = panes(&store, "v1", Pane::Hour).await.remove(0);
    for summary in pane.series.values_mut() {
        summary.record_rtt(START + MINUTE, 70_001);
    }
    let bytes = pane.encode(&mut table(&store, "v1").await);
    let forged = Write { key, expect: Expect::Version(version), change: Change::Put(Bytes::from(bytes)) };
    store.commit(vec![forged]).await.unwrap();
    let item = Auditor::new(log, store).run_once(now).await.unwrap().unwrap();
    assert_eq!(item.mismatches, item.series);
}
