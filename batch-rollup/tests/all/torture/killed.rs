//! `kill -9` before every single write of an archiver, a compactor, a rollup and a vacuum.
//!
//! Each test runs itself again as a child process that works on a directory and kills itself before its n-th write; the parent looks at what is
//! there, and goes on where the child stopped. To be killed after a write is to be killed before the next one.

#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use cloudping_batch_rollup::{Archiver, CompactOptions, Compactor, Rollup, Table, Tables, Vacuum, VacuumOptions};
use cloudping_model::{Round, UtcMicros};
use cloudping_testkit::{FaultyObjects, ObjectOperation, Verdict, When};
use deltalake_core::logstore::object_store::local::LocalFileSystem;

use super::compact::{DAY, MIDNIGHT};
use super::snapshot::{everything_is_there_once, samples_are_sound};
use crate::common::contract::{SMALL, log_of};
use crate::common::*;

/// Names the directory to the child.
const CHILD_DIR: &str = "CLOUDPING_TORTURE_DIR";
/// Tells the child before which write it dies.
const CHILD_WRITE: &str = "CLOUDPING_TORTURE_WRITE";
/// More writes than any actor makes.
const ENOUGH: u64 = 100;

#[derive(Clone, Copy, PartialEq)]
enum Actor {
    Archive,
    Compact,
    RollUp,
    Vacuum,
}

/// What is archived before the child begins, and what it archives.
fn history() -> (Vec<Round>, Vec<Round>) {
    let mut rounds = rounds(1, TEN, 24, 300);
    let fresh = rounds.split_off(72);
    (rounds, fresh)
}

fn tables(directory: &Path) -> Tables {
    Tables::in_directory(&directory.join("tables"))
}

fn wall() -> UtcMicros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UtcMicros(i64::try_from(since.as_micros()).unwrap())
}

async fn act(actor: Actor, tables: Tables) {
    let (mut before, fresh) = history();
    match actor {
        Actor::Archive => {
            before.extend(fresh);
            Archiver::with_options(log_of(&before).await, tables, SMALL).run_once().await.map(|_| ()).unwrap();
        }
        Actor::Compact => {
            let now = UtcMicros(MIDNIGHT + 2 * DAY);
            let options = CompactOptions { fan_in: 8, ..CompactOptions::default() };
            Compactor::new(tables).run_once(now, &options, &()).await.map(|_| ()).unwrap();
        }
        Actor::RollUp => Rollup::new(tables).run_once(UtcMicros(MIDNIGHT + 2 * DAY)).await.map(|_| ()).unwrap(),
        Actor::Vacuum => {
            let options = VacuumOptions { retention_us: 0, force: true, dry_run: false };
            Vacuum::new(tables).run_once(wall(), &options, &()).await.map(|_| ()).unwrap();
        }
    }
}

/// Tables on which an actor has something to do.
async fn prepare(actor: Actor, directory: &Path) {
    let tables = tables(directory);
    for table in Table::ALL {
        tables.open_or_create(table).await.unwrap();
    }
    let (before, _) = history();
    let log = log_of(&[]).await;
    // So many commits that the archiver's own bring the log's checkpoint, two more writes.
    let rounds_per_commit = if actor == Actor::Archive { 4 } else { 8 };
    for part in before.chunks(rounds_per_commit) {
        append(&log, part).await;
        Archiver::new(log.clone(), tables.clone()).run_once().await.unwrap();
        if actor == Actor::Compact {
            act(Actor::RollUp, tables.clone()).await;
        }
    }
    if actor == Actor::Vacuum {
        act(Actor::RollUp, tables.clone()).await;
        act(Actor::Compact, tables).await;
    }
}

/// What the child does: never returns if it has `write` writes to make.
fn child(actor: Actor, directory: &Path, write: u64) {
    let writes = AtomicU64::new(0);
    let storage = FaultyObjects::new(Arc::new(LocalFileSystem::new()), move |call| {
        let reads = matches!(call.operation, ObjectOperation::Get | ObjectOperation::List);
        if call.when == When::BeforeActing && !reads && writes.fetch_add(1, Ordering::SeqCst) + 1 == write {
            // The shell's parent is this process.
            Command::new("sh").args(["-c", "kill -9 $PPID"]).status().ok();
        }
        Verdict::Pass
    });
    let tables = Tables::in_storage(&format!("file://{}/tables", directory.display()), Arc::new(storage));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(act(actor, tables));
}

/// Runs the child; whether it lived.
fn survives(test: &str, directory: &Path, write: u64) -> bool {
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD_DIR, directory)
        .env(CHILD_WRITE, write.to_string())
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let killed = std::os::unix::process::ExitStatusExt::signal(&done.status) == Some(9);
    assert!(killed || done.status.success(), "{test}, write {write}: {said}");
    !killed
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Kills an actor before each of its writes, looks, and lets the others go on from there.
fn kill_at_every_write(test: &str, actor: Actor, at_least: u64) {
    if let Some(directory) = std::env::var_os(CHILD_DIR) {
        let write = std::env::var(CHILD_WRITE).unwrap().parse().unwrap();
        return child(actor, &PathBuf::from(directory), write);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let base = tempfile::tempdir().unwrap();
    runtime.block_on(prepare(actor, base.path()));
    let (before, fresh) = history();
    let mut all = before.clone();
    all.extend(fresh);
    for write in 1..ENOUGH {
        let work = tempfile::tempdir().unwrap();
        copy(base.path(), work.path());
        let lived = survives(test, work.path(), write);
        let tables = tables(work.path());
        runtime.block_on(async {
            samples_are_sound(&tables, &all, &before).await;
            for actor in [Actor::Archive, Actor::RollUp, Actor::Compact, Actor::Vacuum] {
                act(actor, tables.clone()).await;
            }
            everything_is_there_once(&tables, &all).await;
        });
        if lived {
            println!("{test}: killed before each of {} writes", write - 1);
            assert!(write > at_least, "only {} writes: the test shows too little", write - 1);
            return;
        }
    }
    panic!("{ENOUGH} writes are more than there are");
}

#[test]
fn an_archiver() {
    kill_at_every_write("torture::killed::an_archiver", Actor::Archive, 7);
}

#[test]
fn a_compactor() {
    kill_at_every_write("torture::killed::a_compactor", Actor::Compact, 6);
}

#[test]
fn a_rollup() {
    kill_at_every_write("torture::killed::a_rollup", Actor::RollUp, 2);
}

#[test]
fn a_vacuum() {
    kill_at_every_write("torture::killed::a_vacuum", Actor::Vacuum, 8);
}
