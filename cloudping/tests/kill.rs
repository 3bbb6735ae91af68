//! kill -9 at random moments, twenty times and more: live view, ledger and archive hold each logged event once.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloudping_backend_local::{LocalLog, LocalStore};
use cloudping_batch_rollup::{Table, Tables};
use cloudping_model::{Pane, Round, RoundId, UtcMicros, VantageId};
use cloudping_ports::{EventLog, Key, LiveStore, Shard};
use cloudping_schemas::event;
use cloudping_schemas::stored::{PaneItem, SeriesTable, VantageHead, keys};
use datafusion::prelude::SessionContext;
use support::{REGIONS, Server};

const KILLS: usize = 22;
/// Some loss, so that rounds wait for late answers when the process dies.
const SCENARIO: &str = "[defaults]\njitter_ms = 0.2\nloss = 0.02\n";

/// Probes sent, answered and lost.
type Counts = (u64, u64, u64);

fn add(total: &mut Counts, more: Counts) {
    *total = (total.0 + more.0, total.1 + more.1, total.2 + more.2);
}

fn clock() -> UtcMicros {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UtcMicros(i64::try_from(now.as_micros()).unwrap())
}

#[test]
fn each_logged_event_counts_once_whatever_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("scenario.toml");
    std::fs::write(&scenario, SCENARIO).unwrap();
    let data = dir.path().join("data");
    let file = scenario.to_str().unwrap();
    let arguments = ["--regions", REGIONS, "--scenario", file, "--interval", "200ms", "--archive-every", "1s"];
    let seed = fastrand::u64(..);
    eprintln!("moments drawn from seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..KILLS {
        let server = Server::start(&data, &arguments);
        std::thread::sleep(Duration::from_millis(rng.u64(50..3_000)));
        server.kill();
    }
    let server = Server::start(&data, &arguments);
    std::thread::sleep(Duration::from_secs(2));
    server.stop();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(all_agree(&data));
}

async fn all_agree(data: &Path) {
    let rounds = logged(data).await;
    let epochs: BTreeSet<u64> = rounds.keys().map(|id| id.epoch).collect();
    assert!(epochs.len() > KILLS / 2, "rounds of {} starts only: the test tests little", epochs.len());
    let mut truth: BTreeMap<String, Counts> = BTreeMap::new();
    for round in rounds.values() {
        let sent = round.samples.iter().filter(|sample| sample.outcome.was_sent()).count() as u64;
        let lost = round.samples.iter().filter(|sample| sample.outcome.is_loss()).count() as u64;
        add(truth.entry(round.id.vantage.to_string()).or_default(), (sent, sent - lost, lost));
    }
    let store = LocalStore::open(data).unwrap();
    assert_eq!(live_view(&store).await, truth, "live view");
    assert_eq!(ledger(&store).await, truth, "ledger");
    let (rows, distinct) = archive(data).await;
    let samples: usize = rounds.values().map(|round| round.samples.len()).sum();
    assert_eq!(rows, samples as u64, "rows of the archive");
    assert_eq!(distinct, rounds.len() as u64, "rounds of the archive");
    eprintln!("{} rounds of {} epochs, {samples} samples: all agree", rounds.len(), epochs.len());
}

/// The distinct rounds of the log.
async fn logged(data: &Path) -> BTreeMap<RoundId, Round> {
    let log = LocalLog::open(data, clock).unwrap();
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

async fn heads(store: &LocalStore) -> Vec<(String, VantageHead)> {
    let items = store.list(keys::HEADS, "".."~").await.unwrap();
    let head = |(key, item): (cloudping_ports::Key, cloudping_ports::Item)| {
        (key.sort, VantageHead::decode(&item.value).unwrap())
    };
    items.into_iter().map(head).collect()
}

/// Days, and the hours and minutes that are not folded into them yet.
async fn live_view(store: &LocalStore) -> BTreeMap<String, Counts> {
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

async fn ledger(store: &LocalStore) -> BTreeMap<String, Counts> {
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
async fn archive(data: &Path) -> (u64, u64) {
    let table = Tables::in_directory(&data.join("tables")).open(Table::Samples).await.unwrap().unwrap();
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
