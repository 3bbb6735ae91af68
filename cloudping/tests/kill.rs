//! kill -9 at random moments, twenty times and more: live view, ledger and archive hold each logged event once.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use cloudping_backend_local::{LocalLog, LocalStore};
use cloudping_batch_rollup::Tables;
use cloudping_environment::now;
use support::{REGIONS, Server, agreement};

const KILLS: usize = 22;
/// Some loss, so that rounds wait for late answers when the process dies.
const SCENARIO: &str = "[defaults]\njitter_ms = 0.2\nloss = 0.02\n";

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
    let (log, store) = (LocalLog::open(data, now).unwrap(), LocalStore::open(data).unwrap());
    let rounds = agreement::check(&log, &store, &Tables::in_directory(&data.join("tables"))).await;
    let epochs: BTreeSet<u64> = rounds.keys().map(|id| id.epoch).collect();
    assert!(epochs.len() > KILLS / 2, "rounds of {} starts only: the test tests little", epochs.len());
}
