//! What earlier releases stored is counted on from.

mod common;

use std::sync::Arc;

use bytes::Bytes;
use cloudping_model::{Pane, UtcMicros, VantageId};
use cloudping_ports::{Change, Expect, Key, LiveStore, ShardId, Write};
use cloudping_schemas::stored::{PaneItem, VantageHead, keys};
use cloudping_stream_processor::Processor;
use cloudping_testkit::MemoryStore;
use common::{MINUTE, head, panes, records, round};

const PANE_V1: &str = include_str!("../../schemas/golden/pane-v1.hex");
const HEAD_V1: &str = include_str!("../../schemas/golden/head-v1.hex");
/// The start of the golden pane.
const START: i64 = 1_767_225_660_000_000;

fn unhex(text: &str) -> Bytes {
    let digits = text.trim().as_bytes();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn put(key: Key, value: Bytes) -> Write {
    Write { key, expect: Expect::Absent, change: Change::Put(value) }
}

fn sent(panes: &[PaneItem]) -> u64 {
    panes.iter().flat_map(|pane| pane.series.values()).map(|summary| summary.sent()).sum()
}

#[tokio::test]
async fn a_store_of_version_1_is_taken_over() {
    let store = Arc::new(MemoryStore::new());
    let vantage = VantageId::new("v1").unwrap();
    // The same series in the minute that is open, and in the hour that holds the minutes before it.
    let minute = Key::new(keys::panes(&vantage, Pane::Minute), keys::pane_start(UtcMicros(START)));
    let writes = vec![put(Key::new(keys::HEADS, "v1"), unhex(HEAD_V1)), put(minute, unhex(PANE_V1))];
    store.commit(writes).await.unwrap();
    let before = VantageHead::decode(&unhex(HEAD_V1)).unwrap();

    let mut rng = fastrand::Rng::with_seed(1);
    let epoch = 1_767_225_700_000_000;
    // One more in the same minute, and one so much later that all is folded.
    let later =
        [START + 10_000_000, START + 200 * MINUTE].map(|at| round("v1", epoch, (at - START) as u64, at, &mut rng));
    let probes = later.iter().flat_map(|round| &round.samples).filter(|sample| sample.outcome.was_sent()).count();
    let mut processor = Processor::new(store.clone());
    for record in records(&later).chunks(1) {
        processor.process_batch(&ShardId("0".into()), record, later[1].started_at).await.unwrap();
    }

    let head = head(&store, "v1").await.unwrap();
    assert!(head.folded_until > before.folded_until && head.ledger[0].rounds == before.ledger[0].rounds + 1);
    let hours = panes(&store, "v1", Pane::Hour).await;
    let open: Vec<PaneItem> = panes(&store, "v1", Pane::Minute).await;
    let open: Vec<PaneItem> = open.into_iter().filter(|pane| pane.start >= head.folded_until).collect();
    // The golden pane has three probes.
    assert_eq!(sent(&hours) + sent(&open), 3 + probes as u64);
    assert_eq!(hours.len(), 1);
    assert_eq!(hours[0].start, Pane::Hour.start_of(UtcMicros(START)));
}
