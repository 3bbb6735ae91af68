//! The archive's upkeep by hand, beside a cloudping that archives: nobody's numbers change, whoever reads meanwhile.

mod support;

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudping_backend_local::{LocalLog, LocalStore};
use cloudping_batch_rollup::{Archiver, Tables};
use cloudping_environment::now;
use cloudping_model::{Family, Outcome, Pane, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use serde_json::Value;
use support::{Server, agreement, cloudping};
use tokio::runtime::Runtime;

/// Archive runs before the start: each leaves a small file.
const RUNS: u64 = 12;
const ROUNDS: u64 = 20;
const TARGETS: [&str; 3] = ["eu-west-1", "sa-east-1", "us-east-1"];

fn rollup(tables: &Path, arguments: &[&str]) -> Output {
    cloudping().arg("rollup").args(arguments).arg("--tables").arg(tables).output().unwrap()
}

/// The JSON of a run that must succeed.
fn report(tables: &Path, arguments: &[&str]) -> Value {
    let output = rollup(tables, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `rollup stats` says of a table.
fn table(tables: &Path, name: &str) -> Value {
    let stats = report(tables, &["stats", "--columns"]);
    let mut found = stats["tables"].as_array().unwrap().iter().filter(|table| table["table"] == name);
    found.next().unwrap_or_else(|| panic!("no {name} in {stats}")).clone()
}

fn round(number: u64, started_at: UtcMicros) -> Round {
    let sample = |(target, nth): (&&str, u32)| Sample {
        target: TargetId::new(target).unwrap(),
        offset_us: nth * 1_000,
        protocol: Protocol::TcpConnect,
        outcome: Outcome::Answered,
        rtt_us: Some(20_000 * (nth + 1) + u32::try_from(number).unwrap() * 7),
        connect_us: Some(90_000),
        retransmits: 0,
        family: Family::V4,
        address: None,
    };
    let id = RoundId { vantage: VantageId::new("laptop").unwrap(), epoch: 1, number };
    Round { id, started_at, gap: None, samples: TARGETS.iter().zip(0..).map(sample).collect() }
}

/// Rounds of an hour that is closed, in many small files, as an archiver leaves them.
async fn fill(data: &Path) {
    let log = Arc::new(LocalLog::open(data, now).unwrap());
    let archiver = Archiver::new(log.clone(), Tables::in_directory(&data.join("tables")));
    let hour = Pane::Hour.start_of(now()) - 2 * Pane::Hour.micros();
    for number in 0..RUNS * ROUNDS {
        let round = round(number, hour + i64::try_from(number).unwrap() * 1_000_000);
        log.append("laptop", event::encode(&round).into()).await.unwrap();
        if number % ROUNDS == ROUNDS - 1 {
            assert_eq!(archiver.run_once().await.unwrap().rounds, ROUNDS);
        }
    }
}

#[test]
fn upkeep_by_hand_beside_a_running_up_changes_no_number() {
    let dir = tempfile::tempdir().unwrap();
    let (data, tables) = (dir.path().join("data"), dir.path().join("data/tables"));
    std::fs::create_dir(&data).unwrap();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(fill(&data));
    let samples = RUNS * ROUNDS * TARGETS.len() as u64;
    let before = table(&tables, "samples");
    assert_eq!((&before["files"], &before["small_files"], &before["rows"]), (&12.into(), &12.into(), &samples.into()));
    let planned = report(&tables, &["compact", "--dry-run"]);
    assert_eq!((&planned["dry_run"], &planned["files_before"]), (&true.into(), &12.into()), "{planned}");
    assert_eq!(table(&tables, "samples"), before, "a dry run does nothing");

    let arguments = ["--no-catalogue", "--target", "shop=127.0.0.1:9", "--interval", "200ms", "--archive-every", "1s"];
    let server = Server::up(&data, &arguments);
    let start = Instant::now();
    let (mut compacted, mut runs) = (0, 0);
    while start.elapsed() < Duration::from_secs(5) || runs < 3 {
        compacted += report(&tables, &["compact"])["files_before"].as_u64().unwrap();
        report(&tables, &["run"]);
        let vacuumed = report(&tables, &["vacuum"]);
        assert_eq!(vacuumed["files"], 0, "what was replaced is too young to go: {vacuumed}");
        let counted = server.sql("select count(*), count(distinct round) from samples where source = 'laptop'");
        assert_eq!(counted["rows"][0], serde_json::json!([samples, RUNS * ROUNDS]), "after {runs} rounds");
        runs += 1;
    }
    server.stop();
    // Whoever was faster: `up` looks after its tables itself, too.
    assert!(compacted == 0 || compacted == 12, "{compacted} files");
    let after = table(&tables, "samples");
    // The small files, and what whoever was slower had written when the other's commit came first.
    assert!(after["unreferenced_files"].as_u64().unwrap() >= 12, "{after}");
    let checked = report(&tables, &["check"]);
    assert_eq!(checked["differences"], 0, "{checked}");
    assert!(checked["samples"].as_u64().unwrap() >= samples, "{checked}");
    let (log, store) = (LocalLog::open(&data, now).unwrap(), LocalStore::open(&data).unwrap());
    let rounds = runtime.block_on(agreement::check(&log, &store, &Tables::in_directory(&tables)));
    assert!(rounds.keys().any(|id| id.vantage.as_str() == "local"), "up has measured nothing: the test tests little");
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], expected: &str| {
        let output = rollup(dir.path(), arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{expected:?} is not in {text:?}");
    };
    for command in ["run", "compact", "vacuum", "check", "stats"] {
        refused(&[command], "no table of samples is there; name the folder `tables`");
    }
    refused(&["check", "--from", "2026-3-1"], "expected a day such as 2026-03-01");
    refused(&["check", "--from", "2026-03-02", "--to", "2026-03-01"], "--from is after --to");
    refused(&["vacuum", "--keep", "8d"], "1h to 7d");
    refused(&["vacuum", "--keep", "1s"], "1h to 7d");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "looking makes nothing");
}
