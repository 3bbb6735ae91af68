//! A live store made anew equals the one that it takes the place of, and goes on like it.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use cloudping_backend_local::{LocalLog, LocalStore};
use cloudping_batch_rollup::{Appender, Archiver, Tables};
use cloudping_model::{
    Addresses, Family, Gap, GapReason, Outcome, Pane, Protocol, Round, RoundId, RouteChange, Sample, TargetId,
    UtcMicros, VantageId,
};
use cloudping_ports::{Change, EventLog, Expect, Key, LiveStore, Write};
use cloudping_schemas::event;
use cloudping_schemas::stored::{ChangesItem, PaneItem, SeriesTable, VantageHead, keys};
use cloudping_schemas::tables::Origin;
use cloudping_stream_processor::{ALLOWED_LATENESS_US, Surroundings, deliver, run};
use serde_json::Value;
use support::cloudping;
use tokio::sync::watch;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
/// 2026-03-01T00:00:00Z.
const START: i64 = 1_772_323_200_000_000;
const VANTAGES: [&str; 2] = ["eu-west-1", "us-east-1"];
/// Rounds of a vantage point: 52 hours, one each 40 s.
const ROUNDS: u64 = 52 * 90;

fn now() -> UtcMicros {
    UtcMicros(START + 60 * HOUR)
}

fn sample(random: &mut fastrand::Rng, target: &str, number: u64) -> Sample {
    let outcome = Outcome::ALL[[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 6, 7][random.usize(0..12)]];
    // A route step after 30 hours, to one target, which has moved.
    let (base, address) = match target == "sa-east-1" && number >= 30 * 90 {
        true => (90_000, [192, 0, 2, 8]),
        false => (60_000, [192, 0, 2, 7]),
    };
    Sample {
        target: TargetId::new(target).unwrap(),
        offset_us: random.u32(0..900_000),
        protocol: Protocol::TcpConnect,
        outcome,
        rtt_us: (outcome == Outcome::Answered).then(|| base + random.u32(0..3_000)),
        connect_us: None,
        retransmits: u32::from(outcome == Outcome::Retransmitted),
        family: Family::V4,
        address: Some(address.into()),
    }
}

/// What both vantage points measure, in the order of time: with a restart, a gap, and rounds that never came.
fn history() -> Vec<Round> {
    let mut random = fastrand::Rng::with_seed(6);
    let mut rounds = Vec::new();
    for number in (0..ROUNDS).filter(|number| number % 1_000 != 7) {
        for vantage in VANTAGES {
            let (epoch, number_of_epoch) = if number < 2_000 { (1, number) } else { (2, number - 2_000) };
            let samples = ["ap-south-1", "sa-east-1"].map(|target| sample(&mut random, target, number));
            let gap =
                (number % 700 == 9).then_some(Gap { reason: GapReason::Overload, rounds: 3, micros: 120 * SECOND });
            rounds.push(Round {
                id: RoundId { vantage: VantageId::new(vantage).unwrap(), epoch, number: number_of_epoch },
                started_at: UtcMicros(START + number.cast_signed() * 40 * SECOND + random.i64(0..5 * SECOND)),
                gap,
                samples: samples.into(),
            });
        }
    }
    rounds
}

async fn append(log: &LocalLog, rounds: &[Round]) {
    // Appends that wait together share a sync; those of a vantage point stay in their order.
    let append = |vantage: &'static str| async move {
        for chunk in rounds.chunks(2_000) {
            let of_it = chunk.iter().filter(|round| round.id.vantage.as_str() == vantage);
            let appends = of_it.map(|round| log.append(vantage, event::encode(round).into()));
            futures::future::try_join_all(appends).await.unwrap();
        }
    };
    futures::future::join_all(VANTAGES.map(append)).await;
}

/// Processes the log to its end, as `up` does.
async fn process(log: &Arc<LocalLog>, store: &Arc<LocalStore>) {
    let surroundings = Surroundings {
        log: log.clone(),
        store: store.clone(),
        clock: now,
        allowed_lateness_us: ALLOWED_LATENESS_US,
        news: None,
    };
    run(surroundings, watch::channel(true).1).await;
}

/// What a live store holds of the vantage points.
#[derive(Debug, PartialEq)]
struct Content {
    panes: BTreeMap<(String, &'static str), Vec<PaneItem>>,
    heads: BTreeMap<String, VantageHead>,
    changes: Vec<RouteChange>,
}

async fn content(store: &LocalStore) -> Content {
    let mut content = Content { panes: BTreeMap::new(), heads: BTreeMap::new(), changes: Vec::new() };
    for vantage in VANTAGES {
        let id = VantageId::new(vantage).unwrap();
        let get = async |partition| store.get(&Key::new(partition, vantage)).await.unwrap().unwrap().value;
        let table = SeriesTable::decode(&get(keys::SERIES).await).unwrap();
        for pane in Pane::ALL {
            let items = store.list(&keys::panes(&id, pane), keys::ALL).await.unwrap();
            let items = items.iter().map(|(_, item)| PaneItem::decode(&item.value, &table).unwrap()).collect();
            content.panes.insert((vantage.to_owned(), pane.name()), items);
        }
        // How often the head was written is no matter.
        let head = VantageHead::decode(&get(keys::HEADS).await).unwrap();
        let head = VantageHead { revised: None, old_days_revised: None, ..head };
        content.heads.insert(vantage.to_owned(), head);
        for (_, item) in store.list(&keys::changes(&id), keys::ALL).await.unwrap() {
            let changes = ChangesItem::decode(&item.value).unwrap().changes;
            // The newest start of a round: out of the table, that of its first probe.
            content.changes.extend(changes.into_iter().map(|change| RouteChange { found_at: UtcMicros(0), ..change }));
        }
    }
    content
}

/// A data directory in which everything was measured and logged; two thirds of it are archived, and three quarters were processed.
struct World {
    directory: tempfile::TempDir,
    rounds: Vec<Round>,
    /// The live store of an uninterrupted run.
    expected: Content,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rounds = history();
        let log = Arc::new(LocalLog::open(directory.path(), now).unwrap());
        let archiver = Archiver::new(log.clone(), Self::tables(directory.path()));
        append(&log, &rounds[..rounds.len() * 2 / 3]).await;
        archiver.run_once().await.unwrap();
        append(&log, &rounds[rounds.len() * 2 / 3..rounds.len() * 3 / 4]).await;
        let store = Arc::new(LocalStore::open(directory.path()).unwrap());
        process(&log, &store).await;
        append(&log, &rounds[rounds.len() * 3 / 4..]).await;
        let elsewhere = tempfile::tempdir().unwrap();
        let uninterrupted = Arc::new(LocalStore::open(elsewhere.path()).unwrap());
        process(&log, &uninterrupted).await;
        let expected = content(&uninterrupted).await;
        let steps: Vec<_> = expected.changes.iter().map(|change| change.target.as_str()).collect();
        assert_eq!(steps, ["sa-east-1"; 2]);
        let moved = Some(Addresses { before: [192, 0, 2, 7].into(), after: [192, 0, 2, 8].into() });
        assert!(expected.changes.iter().all(|change| change.addresses == moved), "{:?}", expected.changes);
        Self { directory, rounds, expected }
    }

    fn tables(data: &Path) -> Tables {
        Tables::in_directory(&data.join("tables"))
    }

    fn data(&self) -> &Path {
        self.directory.path()
    }

    fn replay(&self, arguments: &[&str]) -> Output {
        replay(self.data(), arguments)
    }

    /// What the live store holds once an `up` has gone on with it to the end of the log.
    async fn gone_on(&self) -> Content {
        let log = Arc::new(LocalLog::open(self.data(), now).unwrap());
        let store = Arc::new(LocalStore::open(self.data()).unwrap());
        process(&log, &store).await;
        content(&store).await
    }
}

fn replay(data: &Path, arguments: &[&str]) -> Output {
    cloudping().args(["rollup", "replay", "-o", "json", "--data"]).arg(data).args(arguments).output().unwrap()
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_samples_it_goes_on_like_an_uninterrupted_run() {
    let world = World::new().await;
    // Imports are in the table and never in the live store.
    let mut foreign = world.rounds[5].clone();
    foreign.id.epoch = 77;
    Appender::new(World::tables(world.data())).append(vec![foreign], Origin::Csv).await.unwrap();
    // What no round tells must be kept.
    let own = [(keys::INGEST_KEYS, "eu-west-1"), (keys::DEAD_LETTERS, "a/1"), (keys::AUDITS, "0000000000000000007")];
    {
        let store = LocalStore::open(world.data()).unwrap();
        for (partition, sort) in own {
            let change = Change::Put(sort.to_owned().into());
            let write = Write { key: Key::new(partition, sort), expect: Expect::Absent, change };
            store.commit(vec![write]).await.unwrap();
        }
    }
    let planned = report(&world.replay(&["--dry-run"]));
    let archived = world.rounds.len() as u64 * 2 / 3;
    assert_eq!((&planned["dry_run"], &planned["days"], &planned["rounds"]), (&true.into(), &2.into(), &0.into()));
    assert_eq!(planned["samples"], 2 * archived + 2, "the imported ones are not told apart by the files");
    let done = report(&world.replay(&[]));
    assert_eq!((&done["rounds"], &done["samples"]), (&archived.into(), &(2 * archived).into()));
    assert_eq!((&done["duplicates"], &done["dead_letters"], &done["changes"]), (&0.into(), &0.into(), &2.into()));
    assert_eq!(world.gone_on().await, world.expected);
    let store = LocalStore::open(world.data()).unwrap();
    for (partition, sort) in own {
        assert_eq!(store.get(&Key::new(partition, sort)).await.unwrap().unwrap().value, sort, "{partition}");
    }
    let log = LocalLog::open(world.data(), now).unwrap();
    assert_eq!(deliver(&log, &store).await.unwrap(), 0, "the log had the changes from the old store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_log_it_equals_an_uninterrupted_run() {
    let world = World::new().await;
    let planned = report(&world.replay(&["--from", "log", "--dry-run"]));
    assert_eq!(planned["samples"], 2 * world.rounds.len());
    let done = report(&world.replay(&["--from", "log"]));
    assert_eq!(done["rounds"], world.rounds.len());
    assert_eq!(world.gone_on().await, world.expected);
    // The last of three days only: what is older is not there, and does not come back.
    let last = report(&world.replay(&["--from", "log", "--since", "2026-03-03"]));
    let of_last = world.rounds.iter().filter(|round| round.started_at.0 >= START + 48 * HOUR).count();
    assert_eq!(last["rounds"], of_last);
    let content = world.gone_on().await;
    for ((vantage, pane), items) in &content.panes {
        let first = items.iter().map(|item| item.start.0).min();
        assert!(first.is_none_or(|first| first >= START + 48 * HOUR), "{vantage} {pane}");
        let expected = &world.expected.panes[&(vantage.clone(), *pane)];
        let same = expected.iter().filter(|item| item.start.0 >= START + 48 * HOUR);
        assert!(items.iter().eq(same), "{vantage} {pane}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_directory_comes_back_from_the_tables() {
    let world = World::new().await;
    let lost = tempfile::tempdir().unwrap();
    let tables = world.data().join("tables");
    let tables = tables.to_str().unwrap();
    report(&replay(lost.path(), &["--tables", tables, "--rollups"]));
    let store = LocalStore::open(lost.path()).unwrap();
    let made = content(&store).await;
    let days = |content: &Content| -> Vec<PaneItem> {
        let days = content.panes.iter().filter(|((_, pane), _)| *pane == Pane::Day.name());
        days.flat_map(|(_, items)| items.first().cloned()).collect()
    };
    assert_eq!(days(&made), days(&world.expected), "the first day");
    let log = LocalLog::open(lost.path(), now).unwrap();
    assert_eq!(deliver(&log, &store).await.unwrap(), 2, "the new log gets the changes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_off_anywhere_there_is_the_old_store_or_the_new_one() {
    let world = World::new().await;
    let before = content(&LocalStore::open(world.data()).unwrap()).await;
    let (mut random, mut cut) = (fastrand::Rng::with_seed(8), 0);
    for _ in 0..6 {
        let mut command = cloudping();
        command.args(["rollup", "replay", "--data"]).arg(world.data());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.u64(0..1_200))).await;
        cut += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let found = content(&LocalStore::open(world.data()).unwrap()).await;
        let processed = found.heads["eu-west-1"].watermark;
        assert!(found == before || processed < before.heads["eu-west-1"].watermark, "neither the old nor the new");
    }
    assert!(cut > 0, "none was cut off");
    report(&world.replay(&[]));
    assert_eq!(world.gone_on().await, world.expected);
    assert!(!world.data().join("replay").exists(), "nothing is left over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_rounds_count_exactly_whatever_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let log = Arc::new(LocalLog::open(directory.path(), now).unwrap());
    let mut rounds = history();
    rounds.truncate(6_000);
    // A vantage point whose rounds of two hours came three hours late.
    let (held, rest): (Vec<Round>, Vec<Round>) = rounds
        .into_iter()
        .partition(|round| round.id.vantage.as_str() == VANTAGES[0] && (900..1_080).contains(&round.id.number));
    let (first, last) = rest.split_at(2_900);
    for part in [first, &held, last] {
        append(&log, part).await;
    }
    Archiver::new(log.clone(), World::tables(directory.path())).run_once().await.unwrap();
    let store = Arc::new(LocalStore::open(directory.path()).unwrap());
    process(&log, &store).await;
    let original = content(&store).await;
    assert!(original.heads[VANTAGES[0]].ledger.iter().map(|hour| hour.late).sum::<u64>() > 100);
    drop((store, log));
    report(&replay(directory.path(), &[]));
    let made = content(&LocalStore::open(directory.path()).unwrap()).await;
    for pane in [Pane::Hour, Pane::Day] {
        for vantage in VANTAGES {
            let figures = |content: &Content| -> Vec<_> {
                let items = &content.panes[&(vantage.to_owned(), pane.name())];
                let summaries = items
                    .iter()
                    .flat_map(|item| item.series.iter().map(|(key, s)| (item.start, key.clone(), s.clone())));
                let counts = |s: &cloudping_digest::SeriesSummary| {
                    (s.sent(), s.received(), s.lost(), s.retransmitted(), s.sum_us())
                };
                summaries.map(|(start, key, summary)| (start, key, counts(&summary))).collect()
            };
            assert_eq!(figures(&made), figures(&original), "{vantage} {pane:?}");
        }
    }
    assert_eq!(made.heads[VANTAGES[0]].ledger.iter().map(|hour| hour.late).sum::<u64>(), 0, "in order none is late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_imported_from_the_far_future_takes_nothing_away() {
    let world = World::new().await;
    let mut foreign = world.rounds[5].clone();
    foreign.started_at = foreign.started_at + 3_000 * 24 * HOUR;
    Appender::new(World::tables(world.data())).append(vec![foreign], Origin::Csv).await.unwrap();
    let done = report(&world.replay(&[]));
    assert_eq!(done["rounds"], world.rounds.len() as u64 * 2 / 3);
    assert_eq!(world.gone_on().await, world.expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_store_never_takes_the_place_of_one_that_holds_something() {
    let world = World::new().await;
    let before = content(&LocalStore::open(world.data()).unwrap()).await;
    for from in ["samples", "log"] {
        let output = world.replay(&["--from", from, "--since", "2999-01-01"]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains("there is no round to make a live store of"), "{message}");
        assert_eq!(content(&LocalStore::open(world.data()).unwrap()).await, before);
    }
    assert!(!world.data().join("replay").exists(), "nothing is left over");
}

/// Every file and folder below a folder, and their sizes.
fn everything(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
        }
        let length = path.metadata().unwrap().len();
        found.insert(path, length);
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_makes_nothing() {
    let world = World::new().await;
    let (tables, file) = (world.data().join("tables"), world.data().join("own.csv"));
    std::fs::write(&file, "ts,source,target,rtt_ms\n1772359200,a,b,7\n").unwrap();
    let (tables, file) = (tables.to_str().unwrap(), file.to_str().unwrap());
    let before = everything(world.data());
    let export = world.data().join("export");
    for arguments in [
        &["compact", "--tables", tables][..],
        &["vacuum", "--tables", tables],
        &["import", file, "--tables", tables],
        &["export", export.to_str().unwrap(), "--tables", tables],
    ] {
        let output = cloudping().arg("rollup").args(arguments).arg("--dry-run").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(everything(world.data()), before, "{arguments:?}");
    }
    let empty = tempfile::tempdir().unwrap();
    let nowhere = empty.path().join("tables");
    let output = cloudping().args(["rollup", "import", "--dry-run", file, "--tables"]).arg(&nowhere).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let planned = report(&replay(empty.path(), &["--dry-run", "--rollups", "--tables", tables]));
    assert_eq!(planned["days"], 2);
    for arguments in [&["--dry-run"][..], &["--dry-run", "--from", "log"]] {
        assert_eq!(replay(empty.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(everything(empty.path()), BTreeMap::new());
    // Beside an `up`, too: nothing is opened but what is read.
    let _running = LocalLog::open(world.data(), now).unwrap();
    assert_eq!(report(&world.replay(&["--dry-run"]))["days"], 2);
}

#[test]
fn what_is_in_use_or_missing_is_refused_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], code: i32, says: &str| {
        let output = replay(directory.path(), arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(message.contains(says), "{message}");
    };
    refused(&[], 2, "no table of samples there; name the archive with --tables");
    refused(&["--since", "soon"], 2, "expected a date such as 2026-03-01");
    refused(&["--allowed-lateness", "1h"], 2, "at most 25 minutes");
    refused(&["--planet"], 2, "holds measurements of the world");
    let output = replay(&directory.path().join("nowhere"), &[]);
    assert_eq!(output.status.code(), Some(2));
    let running = LocalLog::open(directory.path(), now).unwrap();
    refused(&[], 2, "another cloudping uses");
    drop(running);
}

#[test]
fn imports_name_what_they_leave_out_and_take_effect_once() {
    let directory = tempfile::tempdir().unwrap();
    let (tables, file) = (directory.path().join("tables"), directory.path().join("own.csv"));
    std::fs::write(&file, "ts,source,target,rtt_ms\n1772359200,a,b,7\n1772359201,a,b,\nsoon,a,b,7\n").unwrap();
    let import = |arguments: &[&str]| {
        let mut command = cloudping();
        command.args(["rollup", "import", "-o", "json", "--tables"]).arg(&tables).arg(&file).args(arguments);
        command.output().unwrap()
    };
    for (arguments, rounds, duplicates) in [(&["--dry-run"][..], 2, 0), (&[], 2, 0), (&[], 0, 2)] {
        let output = import(arguments);
        let done = report(&output);
        assert_eq!(
            (&done["rounds"], &done["duplicates"], &done["bad"]),
            (&rounds.into(), &duplicates.into(), &1.into())
        );
        let named = format!("{}:4: ts is \"soon\", expected a time", file.display());
        assert!(String::from_utf8_lossy(&output.stderr).contains(&named), "{output:?}");
    }
    for (arguments, says) in [
        (&["/nowhere/x.json"][..], "/nowhere/x.json: No such file"),
        (&["--format", "atlas", "--map", "/nowhere/map.toml"], "/nowhere/map.toml"),
        (&["--at", "noon"], "expected a time such as"),
    ] {
        let output = import(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{output:?}");
    }
}
