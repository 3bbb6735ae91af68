//! Whether live view, ledger and archive hold each event of a log once.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudping_batch_rollup::{Table, Tables};
use cloudping_model::{Pane, Round, RoundId, VantageId};
use cloudping_ports::{EventLog, Item, Key, LiveStore, Shard};
use cloudping_schemas::event;
use cloudping_schemas::stored::{PaneItem, SeriesTable, VantageHead, keys};
use datafusion::prelude::SessionContext;

/// Probes sent, answered and lost.
type Counts = (u64, u64, u64);

fn add(total: &mut Counts, more: Counts) {
    *total = (total.0 + more.0, total.1 + more.1, total.2 + more.2);
}

/// Holds all three against the log; gives its distinct rounds.
pub async fn check(log: &dyn EventLog, store: &dyn LiveStore, tables: &Tables) -> BTreeMap<RoundId, Round> {
    let rounds = logged(log).await;
    let mut truth: BTreeMap<String, Counts> = BTreeMap::new();
    for round in rounds.values() {
        let sent = round.samples.iter().filter(|sample| sample.outcome.was_sent()).count() as u64;
        let lost = round.samples.iter().filter(|sample| sample.outcome.is_loss()).count() as u64;
        add(truth.entry(round.id.vantage.to_string()).or_default(), (sent, sent - lost, lost));
    }
    assert_eq!(live_view(store).await, truth, "live view");
    assert_eq!(ledger(store).await, truth, "ledger");
    let (rows, distinct) = archive(tables).await;
    let samples: usize = rounds.values().map(|round| round.samples.len()).sum();
    assert_eq!(rows, samples as u64, "rows of the archive");
    assert_eq!(distinct, rounds.len() as u64, "rounds of the archive");
    eprintln!("{} rounds, {samples} samples: all agree", rounds.len());
    rounds
}

/// The distinct rounds of the log.
async fn logged(log: &dyn EventLog) -> BTreeMap<RoundId, Round> {
    let mut rounds = BTreeMap::new();
    for Shard { id: shard, .. } in log.shards().await.unwrap() {
        let mut after = None;
        loop {
            let records = log.read(&shard, after.as_ref(), 1_000).await.unwrap();
            let Some(last) = records.last() else { break };
            after = Some(last.sequence.clone());
            for record in records.iter().filter(|record| !event::is_change(&record.data)) {
                let round = event::decode(&record.data).unwrap();
                rounds.insert(round.id.clone(), round);
            }
        }
    }
    rounds
}

async fn heads(store: &dyn LiveStore) -> Vec<(String, VantageHead)> {
    let items = store.list(keys::HEADS, "".."~").await.unwrap();
    let head = |(key, item): (Key, Item)| (key.sort, VantageHead::decode(&item.value).unwrap());
    items.into_iter().map(head).collect()
}

/// Days, and the hours and minutes that are not folded into them yet.
async fn live_view(store: &dyn LiveStore) -> BTreeMap<String, Counts> {
    let mut totals = BTreeMap::new();
    for (vantage, head) in heads(store).await {
        let total: &mut Counts = totals.entry(vantage.clone()).or_default();
        let id = VantageId::new(&vantage).unwrap();
        let table = store.get(&Key::new(keys::SERIES, &*vantage)).await.unwrap();
        let table = table.map_or(SeriesTable::default(), |item| SeriesTable::decode(&item.value).unwrap());
        for pane in Pane::ALL {
            for (_, item) in store.list(&keys::panes(&id, pane), "".."~").await.unwrap() {
                let item = PaneItem::decode(&item.value, &table).unwrap();
                let folded = match pane {
                    Pane::Minute => item.start < head.folded_until,
                    Pane::Hour => item.start < head.hours_folded_until,
                    Pane::Day => false,
                };
                for summary in item.series.values().filter(|_| !folded) {
                    add(total, (summary.sent(), summary.received() + summary.unknown(), summary.lost()));
                }
            }
        }
    }
    totals
}

async fn ledger(store: &dyn LiveStore) -> BTreeMap<String, Counts> {
    let total = |head: &VantageHead| {
        let mut total = Counts::default();
        for hour in &head.ledger {
            add(&mut total, (hour.sent, hour.received, hour.lost));
        }
        total
    };
    heads(store).await.into_iter().map(|(vantage, head)| (vantage, total(&head))).collect()
}

/// Rows, and distinct rounds.
async fn archive(tables: &Tables) -> (u64, u64) {
    let table = tables.open(Table::Samples).await.unwrap().unwrap();
    let provider = Arc::new(table.table_provider().build().await.unwrap());
    let session = SessionContext::new();
    session.register_table("samples", provider).unwrap();
    let query = "select count(*), count(distinct concat(source, '/', epoch, '/', round)) from samples";
    let batches = session.sql(query).await.unwrap().collect().await.unwrap();
    let number = |column: usize| {
        let column = batches[0].column(column);
        let values = column.as_any().downcast_ref::<datafusion::arrow::array::Int64Array>().unwrap();
        u64::try_from(values.value(0)).unwrap()
    };
    (number(0), number(1))
}
