//! What a head says of old panes: a reader that lists no more than it must sees what one sees that lists everything.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudping_model::{Pane, UtcMicros, VantageId};
use cloudping_ports::{Key, LiveStore, ShardId};
use cloudping_schemas::stored::{VantageHead, keys};
use cloudping_stream_processor::Processor;
use cloudping_testkit::MemoryStore;
use common::{MINUTE, START, history, records, round};

const HISTORIES: u64 = 500;

/// Versions of panes by partition and sort key.
type Panes = BTreeMap<Key, u64>;

/// What a reader knows of a vantage point.
#[derive(Default)]
struct Reader {
    head: Option<(u64, VantageHead)>,
    listed: u64,
    days_listed: u64,
    panes: Panes,
    short_readings: usize,
    /// Readings of everything but old days.
    middling_readings: usize,
}

async fn list(store: &MemoryStore, vantage: &VantageId, pane: Pane, from: UtcMicros) -> Panes {
    let from = keys::pane_start(from);
    let items = store.list(&keys::panes(vantage, pane), &*from..keys::ALL.end).await.unwrap();
    items.into_iter().map(|(key, item)| (key, item.version)).collect()
}

async fn everything(store: &MemoryStore, vantage: &VantageId) -> Panes {
    let mut panes = Panes::new();
    for pane in Pane::ALL {
        panes.extend(list(store, vantage, pane, UtcMicros(0)).await);
    }
    panes
}

impl Reader {
    async fn read(&mut self, store: &MemoryStore, vantage: &VantageId) {
        let Some(item) = store.get(&Key::new(keys::HEADS, vantage.as_str())).await.unwrap() else { return };
        let head = VantageHead::decode(&item.value).unwrap();
        let revised = head.revised.expect("the processor says it");
        assert!(revised <= item.version, "{revised} is yet to come: {}", item.version);
        match &self.head {
            Some((version, _)) if *version == item.version => return,
            Some((_, before)) if revised <= self.listed => {
                let young = list(store, vantage, Pane::Minute, before.young_from()).await;
                self.panes.extend(young);
                self.short_readings += 1;
            }
            Some((_, before)) if head.old_days_revised.expect("the processor says it") <= self.days_listed => {
                for (pane, from) in
                    [(Pane::Minute, UtcMicros(0)), (Pane::Hour, UtcMicros(0)), (Pane::Day, before.young_days_from())]
                {
                    self.panes.extend(list(store, vantage, pane, from).await);
                }
                self.listed = item.version;
                self.middling_readings += 1;
            }
            _ => {
                self.panes = everything(store, vantage).await;
                (self.listed, self.days_listed) = (item.version, item.version);
            }
        }
        self.head = Some((item.version, head));
    }
}

#[tokio::test]
async fn young_minutes_are_all_that_changed_unless_the_head_says_more() {
    let (mut short_readings, mut middling_readings) = (0, 0);
    for seed in 0..HISTORIES {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rounds = history(&mut rng);
        let log = records(&rounds);
        let store = Arc::new(MemoryStore::new());
        // Without deletes a pane, once there, stays.
        let start = || Processor::new(Arc::clone(&store) as _).without_deletes();
        let (mut processor, shard) = (start(), ShardId("0".into()));
        let vantages: Vec<VantageId> = rounds.iter().map(|round| round.id.vantage.clone()).collect();
        let mut readers: BTreeMap<VantageId, Reader> =
            vantages.into_iter().map(|vantage| (vantage, Reader::default())).collect();
        let now = UtcMicros(START + 400 * 24 * 60 * MINUTE);
        let mut rest = &log[..];
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(rng.usize(1..=rest.len().min(9)));
            rest = after;
            if rng.u8(0..8) == 0 {
                processor = start();
            }
            processor.process_batch(&shard, batch, now).await.unwrap();
            for (vantage, reader) in &mut readers {
                // Not after every batch: several commits may lie between two readings.
                if rng.u8(0..3) > 0 {
                    reader.read(&store, vantage).await;
                    if reader.head.is_some() {
                        assert_eq!(reader.panes, everything(&store, vantage).await, "{vantage}, seed {seed}");
                    }
                }
            }
        }
        short_readings += readers.values().map(|reader| reader.short_readings).sum::<usize>();
        middling_readings += readers.values().map(|reader| reader.middling_readings).sum::<usize>();
    }
    assert!(short_readings > 1_000, "only {short_readings} short readings: nothing was tested");
    assert!(middling_readings > 1_000, "only {middling_readings} readings without old days: nothing was tested");
}

#[tokio::test]
async fn what_is_no_longer_kept_is_deleted_unless_that_is_left_to_the_store() {
    let mut rng = fastrand::Rng::with_seed(1);
    let rounds: Vec<_> = (0..4).map(|hour| round("v", 1, hour, START + hour as i64 * 60 * MINUTE, &mut rng)).collect();
    let (shard, now) = (ShardId("0".into()), UtcMicros(START + 24 * 60 * MINUTE));
    let left = async |deletes: bool| {
        let store = Arc::new(MemoryStore::new());
        let processor = Processor::new(Arc::clone(&store) as _);
        let mut processor = if deletes { processor } else { processor.without_deletes() };
        processor.process_batch(&shard, &records(&rounds), now).await.unwrap();
        list(&store, &rounds[0].id.vantage, Pane::Minute, UtcMicros(0)).await.len()
    };
    assert_eq!((left(true).await, left(false).await), (2, 4));
}
