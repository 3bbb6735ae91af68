//! SIGKILL at random moments loses nothing that was acknowledged, doubles nothing, and leaves files that open at once.
//!
//! Each test runs itself again as a child process that works on a data directory and prints to its stderr, a file, what
//! has returned; the parent kills it, looks, and starts it again on the same directory.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cloudping_backend_local::{LocalLog, LocalStore};
use cloudping_model::UtcMicros;
use cloudping_ports::{Change, CommitError, EventLog, Expect, Item, Key, LiveStore, Shard, Write};

/// Names the data directory to the child.
const CHILD_DIR: &str = "CLOUDPING_CRASH_TEST_DIR";
const KILLS: u64 = 25;
const WORKERS: usize = 6;
const SLOWEST_OPEN: Duration = Duration::from_secs(5);

/// How far each worker has come: its work is numbered from 1.
type Progress = BTreeMap<usize, u64>;

fn acknowledge(worker: usize, number: u64) {
    let line = format!("done {worker} {number}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// What a child said had returned, the last of each worker; a line cut short by the kill does not count.
fn read_acknowledged(path: &Path) -> Progress {
    let text = fs::read_to_string(path).unwrap();
    assert!(!text.contains("panicked"), "the child panicked:\n{text}");
    let whole_lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let mut last = Progress::new();
    for line in whole_lines.lines() {
        let mut words = line.strip_prefix("done ").expect(line).split(' ');
        let mut number = || words.next().unwrap().parse::<u64>().unwrap();
        let (worker, number) = (number(), number());
        last.insert(usize::try_from(worker).unwrap(), number);
    }
    last
}

/// Starts this test again as the child that works on a directory; `said` receives what it says.
fn start_child(test: &str, dir: &Path, said: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::null())
        .stderr(File::create(said).unwrap())
        .spawn()
        .unwrap()
}

/// Kills the child after so long; returns how far it had come.
fn kill_after(mut child: Child, life: Duration, said: &Path) -> Progress {
    sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    read_acknowledged(said)
}

/// Runs the child again and again and kills it each time. `look` reads from the directory how far each worker has come:
/// no less than was acknowledged or seen before, and no more than one further, whose answer the kill prevented.
fn kill_again_and_again(test: &str, look: impl Fn(&Path) -> Progress) {
    let base = tempfile::tempdir().unwrap();
    let (dir, said) = (base.path().join("data"), base.path().join("said"));
    let mut certain = Progress::new();
    let mut productive = 0;
    // Some children die while they open the file, most while they write; on a busy machine they live longer.
    let mut within = Duration::from_millis(150);
    for kill in 0..KILLS {
        let life = within.mul_f64(fastrand::f64());
        let acknowledged = kill_after(start_child(test, &dir, &said), life, &said);
        match acknowledged.is_empty() {
            true => within = within.mul_f64(1.3),
            false => productive += 1,
        }
        certain.extend(acknowledged);
        let seen = look(&dir);
        for worker in 0..WORKERS {
            let [seen, certain] = [&seen, &certain].map(|of| of.get(&worker).copied().unwrap_or(0));
            assert!(
                seen == certain || seen == certain + 1,
                "kill {kill}, worker {worker}: {certain} acknowledged, {seen} there"
            );
        }
        certain = seen;
    }
    println!("{test}: {productive} of {KILLS} children killed while they wrote, to {certain:?}");
    assert!(productive >= 5, "only {productive} children lived to write: the test shows too little");
}

/// Runs work on several tasks, without end.
fn run_child<F: Future<Output = ()> + Send + 'static>(worker: impl Fn(usize) -> F) -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let workers: Vec<_> = (0..WORKERS).map(|number| tokio::spawn(worker(number))).collect();
        for worker in workers {
            worker.await.unwrap();
        }
    });
    unreachable!("the workers never end")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}

fn opened_in_time<T>(open: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let opened = open();
    let took = start.elapsed();
    assert!(took < SLOWEST_OPEN, "opening took {took:?}");
    opened
}

fn open_log(dir: &Path) -> LocalLog {
    opened_in_time(|| LocalLog::open(dir, || UtcMicros(0)).unwrap())
}

/// The numbers that each worker has in the log, in the log's order.
async fn logged(log: &LocalLog) -> BTreeMap<usize, Vec<u64>> {
    let mut numbers: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for Shard { id: shard, .. } in log.shards().await.unwrap() {
        let records = log.read(&shard, None, usize::MAX).await.unwrap();
        for (index, record) in records.iter().enumerate() {
            assert_eq!(record.sequence, (index as u64 + 1).into(), "a gap in {shard}");
            let text = str::from_utf8(&record.data).unwrap();
            let (worker, number) = text.split_once(' ').unwrap();
            let worker = worker.parse().unwrap();
            numbers.entry(worker).or_default().push(number.parse().unwrap());
        }
    }
    numbers
}

fn append_without_end(dir: &Path) -> ! {
    let log = Arc::new(open_log(dir));
    let before = block_on(logged(&log));
    run_child(|worker| {
        let log = Arc::clone(&log);
        let first = before.get(&worker).map_or(1, |numbers| numbers.len() as u64 + 1);
        async move {
            for number in first.. {
                let data = format!("{worker} {number}").into();
                log.append(&format!("key {worker}"), data).await.unwrap();
                acknowledge(worker, number);
            }
        }
    })
}

#[test]
fn the_log_survives_being_killed() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        append_without_end(Path::new(&dir));
    }
    kill_again_and_again("the_log_survives_being_killed", |dir| {
        let logged = block_on(logged(&open_log(dir)));
        let progress = logged.into_iter().map(|(worker, numbers)| {
            let last = numbers.len() as u64;
            let expected: Vec<u64> = (1..=last).collect();
            assert_eq!(numbers, expected, "worker {worker}: lost, doubled or misplaced");
            (worker, last)
        });
        progress.collect()
    });
}

fn open_store(dir: &Path) -> LocalStore {
    opened_in_time(|| LocalStore::open(dir).unwrap())
}

/// A worker's two counters, in partitions of their own, and the one that all workers share.
fn counters(worker: usize) -> [Key; 3] {
    [
        Key::new(format!("left {worker}"), "count"),
        Key::new(format!("right {worker}"), "count"),
        Key::new("all", "count"),
    ]
}

fn count(item: Option<&Item>) -> u64 {
    item.map_or(0, |item| str::from_utf8(&item.value).unwrap().parse().unwrap())
}

/// Adds one to all three counters, in one commit; returns the worker's own count.
async fn count_up(store: &LocalStore, worker: usize) -> u64 {
    loop {
        let mut writes = Vec::new();
        let mut counted = 0;
        for key in counters(worker).into_iter().rev() {
            let item = store.get(&key).await.unwrap();
            counted = count(item.as_ref()) + 1;
            writes.push(Write {
                key,
                expect: Expect::unchanged(item.as_ref()),
                change: Change::Put(counted.to_string().into()),
            });
        }
        match store.commit(writes).await {
            Ok(()) => return counted,
            Err(CommitError::Conflict(key)) => assert_eq!(key.partition, "all"),
            Err(error) => panic!("{error}"),
        }
    }
}

fn count_without_end(dir: &Path) -> ! {
    let store = Arc::new(open_store(dir));
    run_child(|worker| {
        let store = Arc::clone(&store);
        async move {
            loop {
                acknowledge(worker, count_up(&store, worker).await);
            }
        }
    })
}

#[test]
fn the_store_survives_being_killed() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        count_without_end(Path::new(&dir));
    }
    kill_again_and_again("the_store_survives_being_killed", |dir| {
        let store = open_store(dir);
        let read = |key: &Key| {
            let item = block_on(store.get(key)).unwrap();
            let version = item.as_ref().map_or(0, |item| item.version);
            assert_eq!(count(item.as_ref()), version, "{key:?}: its count and its version");
            version
        };
        let mut progress = Progress::new();
        for worker in 0..WORKERS {
            let [left, right, _] = counters(worker).map(|key| read(&key));
            assert_eq!(left, right, "worker {worker}: half a commit");
            progress.insert(worker, left);
        }
        let total = progress.values().sum();
        assert_eq!(read(&counters(0)[2]), total, "the counter that all share");
        progress
    });
}

/// Acknowledges 1 before it creates the files, and 2 after.
fn create_and_wait(dir: &Path) -> ! {
    acknowledge(0, 1);
    let _log = open_log(dir);
    let _store = open_store(dir);
    acknowledge(0, 2);
    loop {
        std::thread::park();
    }
}

#[test]
fn a_kill_while_the_files_are_created_leaves_none_that_cannot_be_opened() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        create_and_wait(Path::new(&dir));
    }
    let test = "a_kill_while_the_files_are_created_leaves_none_that_cannot_be_opened";
    let base = tempfile::tempdir().unwrap();
    let said = base.path().join("said");
    let mut at_it = 0;
    // The kill comes within this time of the creation's beginning; it adapts to how long a creation takes.
    let mut within = Duration::from_millis(20);
    for kill in 0..60 {
        let dir = base.path().join(kill.to_string());
        let child = start_child(test, &dir, &said);
        while read_acknowledged(&said).is_empty() {
            sleep(Duration::from_micros(200));
        }
        let life = within.mul_f64(fastrand::f64());
        let in_time = kill_after(child, life, &said)[&0] == 1;
        at_it += u32::from(in_time);
        within = within.mul_f64(if in_time { 1.2 } else { 0.8 });
        open_log(&dir);
        open_store(&dir);
    }
    println!("{at_it} of 60 children killed while they created the files");
    assert!(at_it >= 5, "only {at_it} children died at it: the test shows too little");
}
