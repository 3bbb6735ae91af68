//! Four hours in seconds: archivers, rollup, compactors, a vacuum and readers at once, over a storage that fails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cloudping_batch_rollup::{
    ArchiveOptions, Archiver, CompactError, CompactOptions, Compactor, Rollup, Table, Tables, Vacuum, VacuumOptions,
};
use cloudping_model::{Round, UtcMicros};
use cloudping_testkit::{FaultyObjects, MemoryLog, ObjectOperation, Verdict, When};
use deltalake_core::logstore::object_store::ObjectStore;
use deltalake_core::logstore::object_store::memory::InMemory;

use super::compact::{DAY, MIDNIGHT, files};
use super::snapshot::{everything_is_there_once, hours_are_sound, samples_are_sound};
use crate::common::contract::SMALL;
use crate::common::*;

const MINUTE: i64 = 60 * SECOND;
/// Four hours around midnight, so that a day ends within.
const START: i64 = MIDNIGHT + 21 * HOUR;
/// Minutes that pass at once.
const STRIDE: i64 = 15;
const STRIDES: i64 = 16;
/// Between two turns of an actor, so that the idle ones leave the machine to the others.
const REST: Duration = Duration::from_millis(30);
const ROOT: &str = "s3://bucket/world/tables";

/// Who is at work since when, so that the vacuum's retention is exactly as long as it must be.
///
/// A file that somebody reads left its table after the reader began, or by a commit that was under way then: so what is needed reaches back
/// to the oldest of those at work when a reader began.
#[derive(Default)]
struct AtWork {
    since: Mutex<BTreeMap<u64, (i64, i64)>>,
    next: AtomicU64,
}

struct Shift<'a>(&'a AtWork, u64);

impl AtWork {
    fn begin(&self) -> Shift<'_> {
        let mut since = self.since.lock().unwrap();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let now = wall();
        let needs = since.values().map(|(begun, _)| *begun).min().unwrap_or(now).min(now);
        since.insert(id, (now, needs));
        Shift(self, id)
    }

    /// The moment whose files, and all since, are needed.
    fn needed_since(&self) -> i64 {
        let since = self.since.lock().unwrap();
        since.values().map(|(_, needs)| *needs).min().unwrap_or_else(wall)
    }
}

impl Drop for Shift<'_> {
    fn drop(&mut self) {
        self.0.since.lock().unwrap().remove(&self.1);
    }
}

fn wall() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

/// Everything that the actors share.
struct World {
    storage: Arc<InMemory>,
    log: Arc<MemoryLog>,
    /// What will be logged, in this order; some of it twice, some of it late.
    schedule: Vec<Round>,
    /// So much of it is in the log.
    logged: AtomicUsize,
    /// So much of it is in the archive, as an archiver said.
    acknowledged: AtomicUsize,
    /// Simulated time.
    now: AtomicI64,
    over: AtomicBool,
    at_work: AtWork,
    faults: Arc<AtomicU64>,
    merged: AtomicU64,
    deleted: AtomicU64,
    /// Runs of the archivers, of the compactors, and of the readers.
    archived: AtomicU64,
    compacted: AtomicU64,
    read: AtomicU64,
}

/// Rounds of four hours, a tenth of them repeated and a twentieth late by up to two hours.
fn schedule(random: &mut fastrand::Rng) -> Vec<Round> {
    let rounds = rounds(random.u64(..1 << 40), START, (STRIDE * STRIDES).cast_unsigned(), 60);
    let mut due: Vec<(i64, Round)> = Vec::new();
    for round in rounds {
        let at = round.started_at.0;
        if random.u32(0..10) == 0 {
            due.push((at + random.i64(0..40) * MINUTE, round.clone()));
        }
        let late = if random.u32(0..20) == 0 { random.i64(0..120) * MINUTE } else { 0 };
        due.push((at + late, round));
    }
    due.sort_by_key(|(at, _)| *at);
    due.into_iter().map(|(_, round)| round).collect()
}

impl World {
    fn new(random: &mut fastrand::Rng) -> Arc<Self> {
        Arc::new(Self {
            storage: Arc::new(InMemory::new()),
            log: Arc::new(MemoryLog::default()),
            schedule: schedule(random),
            logged: AtomicUsize::new(0),
            acknowledged: AtomicUsize::new(0),
            now: AtomicI64::new(START),
            over: AtomicBool::new(false),
            at_work: AtWork::default(),
            faults: Arc::default(),
            merged: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
            archived: AtomicU64::new(0),
            compacted: AtomicU64::new(0),
            read: AtomicU64::new(0),
        })
    }

    fn tables(&self) -> Tables {
        Tables::in_storage(ROOT, self.storage.clone())
    }

    /// The tables over a storage that fails now and then, before or after a call took effect.
    fn faulty(&self, seed: u64) -> Tables {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        let faults = Arc::clone(&self.faults);
        let storage = FaultyObjects::new(self.storage.clone() as Arc<dyn ObjectStore>, move |call| {
            let mut random = random.lock().unwrap();
            // Commits are where it matters.
            let odds = if call.operation == ObjectOperation::Create { 8 } else { 400 };
            if random.u32(0..odds) > 0 {
                return Verdict::Pass;
            }
            faults.fetch_add(1, Ordering::Relaxed);
            if call.when == When::AfterActing && random.bool() { Verdict::AlreadyThere } else { Verdict::Fail }
        });
        Tables::in_storage(ROOT, Arc::new(storage))
    }

    fn now(&self) -> UtcMicros {
        UtcMicros(self.now.load(Ordering::SeqCst))
    }

    /// Lets time pass, and the log fill.
    async fn live(&self) {
        for _ in 0..STRIDES {
            let now = self.now.fetch_add(STRIDE * MINUTE, Ordering::SeqCst) + STRIDE * MINUTE;
            let logged = self.logged.load(Ordering::SeqCst);
            let due = self.schedule[logged..].iter().take_while(|round| round.started_at.0 < now).count();
            append(&self.log, &self.schedule[logged..logged + due]).await;
            self.logged.store(logged + due, Ordering::SeqCst);
            self.wait_for_all().await;
        }
        append(&self.log, &self.schedule[self.logged.load(Ordering::SeqCst)..]).await;
        self.logged.store(self.schedule.len(), Ordering::SeqCst);
        self.over.store(true, Ordering::SeqCst);
    }

    /// Until each kind of actor has had a whole turn since now, however slow the machine: of three more turns that two share, or of two of
    /// one, at least one began since.
    async fn wait_for_all(&self) {
        let done = || [&self.archived, &self.compacted, &self.read].map(|runs| runs.load(Ordering::SeqCst));
        let wanted: Vec<u64> = done().iter().zip([3, 3, 2]).map(|(done, turns)| done + turns).collect();
        while done().iter().zip(&wanted).any(|(done, wanted)| done < wanted) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn archive(&self, archiver: &Archiver) -> bool {
        let _shift = self.at_work.begin();
        let before = self.logged.load(Ordering::SeqCst);
        let done = archiver.run_once().await.is_ok();
        self.archived.fetch_add(1, Ordering::SeqCst);
        if done {
            self.acknowledged.fetch_max(before, Ordering::SeqCst);
        }
        done
    }

    async fn compact(&self, compactor: &Compactor, now: UtcMicros) -> bool {
        let _shift = self.at_work.begin();
        let options = CompactOptions { day_grace_us: 15 * MINUTE, fan_in: 12, ..CompactOptions::default() };
        let done = compactor.run_once(now, &options, &()).await;
        self.compacted.fetch_add(1, Ordering::SeqCst);
        if let Ok(report) | Err(CompactError::Partitions { report, .. }) = &done {
            self.merged.fetch_add(report.commits, Ordering::Relaxed);
        }
        done.is_ok()
    }

    async fn vacuum(&self, vacuum: &Vacuum) -> bool {
        // The log tells milliseconds apart.
        let needed = UtcMicros(self.at_work.needed_since() - 2_000);
        let options = VacuumOptions { retention_us: 0, force: true, dry_run: false };
        let done = vacuum.run_once(needed, &options, &()).await;
        if let Ok(report) = &done {
            self.deleted.fetch_add(report.files, Ordering::Relaxed);
        }
        done.is_ok()
    }

    async fn roll_up(&self, rollup: &Rollup) -> bool {
        let _shift = self.at_work.begin();
        rollup.run_once(self.now()).await.is_ok()
    }

    async fn look(&self) {
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        {
            let _shift = self.at_work.begin();
            samples_are_sound(&self.tables(), &self.schedule, &self.schedule[..acknowledged]).await;
        }
        let _shift = self.at_work.begin();
        hours_are_sound(&self.tables()).await;
        self.read.fetch_add(1, Ordering::SeqCst);
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// Runs an actor again and again until the time is over.
macro_rules! again_and_again {
    ($world:expr, |$shared:ident| $act:expr) => {{
        let $shared = Arc::clone(&$world);
        tokio::spawn(async move {
            while !$shared.over() {
                let _ = $act;
                tokio::time::sleep(REST).await;
            }
        })
    }};
}

async fn torture(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new(&mut random);
    let mut actors = Vec::new();
    for _ in 0..2 {
        let archiver = Archiver::with_options(world.log.clone(), world.faulty(random.u64(..)), BATCHES);
        actors.push(again_and_again!(world, |shared| shared.archive(&archiver).await));
        let compactor = Compactor::new(world.faulty(random.u64(..)));
        actors.push(again_and_again!(world, |shared| shared.compact(&compactor, shared.now()).await));
    }
    let rollup = Rollup::new(world.faulty(random.u64(..)));
    actors.push(again_and_again!(world, |shared| shared.roll_up(&rollup).await));
    let vacuum = Vacuum::new(world.faulty(random.u64(..)));
    actors.push(again_and_again!(world, |shared| shared.vacuum(&vacuum).await));
    actors.push(again_and_again!(world, |shared| shared.look().await));
    world.live().await;
    for actor in actors {
        actor.await.unwrap();
    }
    at_rest(&world, seed).await;
}

/// Nothing fails any more: all is made good.
async fn at_rest(world: &World, seed: u64) {
    let tables = world.tables();
    assert!(world.archive(&Archiver::new(world.log.clone(), tables.clone())).await);
    assert_eq!(world.acknowledged.load(Ordering::SeqCst), world.schedule.len());
    assert!(world.roll_up(&Rollup::new(tables.clone())).await);
    everything_is_there_once(&tables, &world.schedule).await;
    assert!(world.compact(&Compactor::new(tables.clone()), UtcMicros(START + 3 * DAY)).await);
    everything_is_there_once(&tables, &world.schedule).await;
    assert!(world.vacuum(&Vacuum::new(tables.clone())).await);
    everything_is_there_once(&tables, &world.schedule).await;
    let left = files(&tables, Table::Samples).await;
    assert!(left <= 8, "{left} files of two days");
    let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let (faults, merged) = (of(&world.faults), of(&world.merged));
    let (deleted, snapshots) = (of(&world.deleted), of(&world.read));
    println!(
        "seed {seed}: {faults} faults, {merged} merges, {deleted} files deleted, {snapshots} snapshots read, {left} files left"
    );
    assert!(faults > 10 && merged >= 2 && deleted > 30 && snapshots > 20, "the torture was none");
}

/// Small, so that there are many commits.
const BATCHES: ArchiveOptions = ArchiveOptions { rows_per_commit: 60, ..SMALL };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hours_of_everything_at_once() {
    for seed in [1, 2] {
        torture(seed).await;
    }
}
