//! Workers on one log and one store in memory, each through a machine of its own that can be stopped at any call.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cloudping_model::{Round, UtcMicros};
use cloudping_ports::{
    Change, CommitError, EventLog, Item, Key, LiveStore, LogError, Record, SequenceNumber, Shard, ShardId, StoreError,
    Write,
};
use cloudping_schemas::event;
use cloudping_schemas::stored::{LeaseItem, VantageHead, keys};
use cloudping_stream_processor::{ALLOWED_LATENESS_US, Processor, Surroundings, WorkerId, WorkerSettings, consume};
use cloudping_testkit::{MemoryLog, MemoryStore, When};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::common::{MINUTE, START, check, round};

/// Six vantage points, a round each every minute and a half: an hour of it is folded.
pub fn rounds() -> Vec<Round> {
    let mut rng = fastrand::Rng::with_seed(5);
    let round = |nth: u32| {
        let (vantage, number) = (format!("v{}", nth % 6), nth / 6);
        round(&vantage, 1, u64::from(number), START + i64::from(number) * MINUTE * 3 / 2, &mut rng)
    };
    (0..360).map(round).collect()
}

/// What the workers share.
pub struct World {
    pub log: Arc<MemoryLog>,
    pub store: Arc<MemoryStore>,
    too_early: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub fn new(shards: usize) -> Self {
        let log = Arc::new(MemoryLog::new(NonZeroUsize::new(shards).unwrap()));
        Self { log, store: Arc::new(MemoryStore::new()), too_early: Arc::default() }
    }

    pub fn machine(&self, stop: Option<(u64, When)>) -> Arc<Machine> {
        Arc::new(Machine {
            log: Arc::clone(&self.log),
            store: Arc::clone(&self.store),
            too_early: Arc::clone(&self.too_early),
            stop,
            calls: AtomicU64::new(0),
            stopped: watch::Sender::new(false),
            awake: watch::Sender::new(false),
            read: Mutex::default(),
            overslept: Mutex::default(),
        })
    }

    /// Puts the rounds into the log over some time, while a shard is split in two and these are merged.
    pub async fn produce(&self, rounds: &[Round]) {
        let mut halves = None;
        for (nth, part) in rounds.chunks(rounds.len() / 6).enumerate() {
            for round in part {
                let data = Bytes::from(event::encode(round));
                self.log.append(round.id.vantage.as_str(), data).await.unwrap();
            }
            if nth == 1 {
                let open = self.log.shards().await.unwrap().into_iter().find(|shard| !shard.closed);
                halves = Some(self.log.split(&open.unwrap().id));
            }
            if let (3, Some([left, right])) = (nth, &halves) {
                self.log.merge(left, right);
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    /// Waits until all rounds are counted, and all shards that take no more records are finished; then every number must be right.
    pub async fn settle(&self, rounds: &[Round]) {
        for _ in 0..200 {
            if self.counted().await >= rounds.len() as u64 && self.all_ends_reached().await {
                check(&self.store, rounds, 0).await;
                assert_eq!(self.reads_too_early(), Vec::<String>::new());
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("{} of {} rounds after 200 s; leases {:?}", self.counted().await, rounds.len(), self.leases().await);
    }

    /// Reads of a shard whose parents had not been processed to their end.
    pub fn reads_too_early(&self) -> Vec<String> {
        self.too_early.lock().unwrap().clone()
    }

    pub async fn counted(&self) -> u64 {
        let heads = self.store.list(keys::HEADS, keys::ALL).await.unwrap();
        let heads = heads.iter().map(|(_, item)| VantageHead::decode(&item.value).unwrap());
        heads.flat_map(|head| head.ledger).map(|hour| hour.rounds).sum()
    }

    /// Rounds that were processed more than once.
    pub async fn duplicates(&self) -> u64 {
        let heads = self.store.list(keys::HEADS, keys::ALL).await.unwrap();
        let heads = heads.iter().map(|(_, item)| VantageHead::decode(&item.value).unwrap());
        heads.flat_map(|head| head.ledger).map(|hour| hour.duplicates).sum()
    }

    async fn all_ends_reached(&self) -> bool {
        let (leases, shards) = (self.leases().await, self.log.shards().await.unwrap());
        shards
            .iter()
            .filter(|shard| shard.closed)
            .all(|shard| leases.get(&shard.id).is_some_and(|(_, item)| item.finished))
    }

    pub async fn leases(&self) -> BTreeMap<ShardId, (u64, LeaseItem)> {
        let items = self.store.list(keys::LEASES, keys::ALL).await.unwrap();
        let read =
            |(key, item): (Key, Item)| (ShardId(key.sort), (item.version, LeaseItem::decode(&item.value).unwrap()));
        items.into_iter().map(read).collect()
    }

    /// How many shards each worker has that has any, in order.
    pub async fn shares(&self) -> Vec<(String, usize)> {
        let mut shares: BTreeMap<String, usize> = BTreeMap::new();
        for owner in self.leases().await.into_values().filter_map(|(_, item)| item.owner) {
            *shares.entry(owner).or_default() += 1;
        }
        shares.into_iter().collect()
    }

    /// Waits until a worker has no lease, for the lease time and some looks at the most.
    pub async fn wait_until_without_leases(&self, worker: &str) {
        for _ in 0..30 {
            if self.shares().await.iter().all(|(owner, _)| owner != worker) {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("{worker} still has leases: {:?}", self.leases().await);
    }

    pub async fn signs_of_life(&self) -> Vec<String> {
        let items = self.store.list(keys::WORKERS, keys::ALL).await.unwrap();
        items.into_iter().map(|(key, _)| key.sort).collect()
    }
}

/// What one worker sees of the world.
pub struct Machine {
    log: Arc<MemoryLog>,
    store: Arc<MemoryStore>,
    too_early: Arc<Mutex<Vec<String>>>,
    /// From this call on nothing comes back: the call itself has happened before, or not.
    stop: Option<(u64, When)>,
    calls: AtomicU64,
    stopped: watch::Sender<bool>,
    awake: watch::Sender<bool>,
    read: Mutex<HashSet<ShardId>>,
    /// What became of commits under a lease that were asked for before the sleep, and reached the store after it.
    overslept: Mutex<Vec<Result<(), Key>>>,
}

impl Machine {
    pub fn has_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    pub async fn stopped(&self) {
        self.stopped.subscribe().wait_for(|stopped| *stopped).await.unwrap();
    }

    /// Everything goes on as if nothing had been.
    pub fn wake(&self) {
        self.awake.send_replace(true);
    }

    pub fn overslept(&self) -> Vec<Result<(), Key>> {
        self.overslept.lock().unwrap().clone()
    }

    /// Does the call; says whether there was a sleep before it.
    async fn pass<R>(&self, act: impl Future<Output = R>) -> (R, bool) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        match self.stop {
            Some((at, When::AfterActing)) if call == at => {
                let done = act.await;
                self.sleep().await;
                (done, false)
            }
            Some((at, _)) if call >= at => {
                let slept = self.sleep().await;
                (act.await, slept)
            }
            _ => (act.await, false),
        }
    }

    async fn sleep(&self) -> bool {
        self.stopped.send_replace(true);
        let slept = !*self.awake.borrow();
        self.awake.subscribe().wait_for(|awake| *awake).await.unwrap();
        slept
    }

    /// Notes a first read of a shard before its parents were processed.
    async fn note_early_read(&self, shard: &ShardId) {
        if !self.read.lock().unwrap().insert(shard.clone()) {
            return;
        }
        let shards = self.log.shards().await.unwrap();
        let parents = shards.iter().filter(|listed| listed.id == *shard).flat_map(|listed| &listed.parents);
        for parent in parents {
            let last = self.log.read(parent, None, usize::MAX).await.unwrap().pop().map(|last| last.sequence);
            let reached = Processor::new(self.store.clone()).checkpoint(parent).await.unwrap();
            if last != reached {
                self.too_early
                    .lock()
                    .unwrap()
                    .push(format!("{shard} read while {parent} was at {reached:?} of {last:?}"));
            }
        }
    }
}

#[async_trait]
impl EventLog for Machine {
    async fn append(&self, partition_key: &str, data: Bytes) -> Result<(), LogError> {
        self.pass(self.log.append(partition_key, data)).await.0
    }

    async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        self.pass(self.log.shards()).await.0
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        self.note_early_read(shard).await;
        // Small batches: more calls to stop at.
        self.pass(self.log.read(shard, after, limit.min(8))).await.0
    }
}

#[async_trait]
impl LiveStore for Machine {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.pass(self.store.get(key)).await.0
    }

    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        self.pass(self.store.list(partition, sort)).await.0
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let under_a_lease = writes[0].change == Change::Check && writes[0].key.partition == keys::LEASES;
        let (done, slept) = self.pass(self.store.commit(writes)).await;
        if under_a_lease && slept {
            let noted = match &done {
                Ok(()) => Ok(()),
                Err(CommitError::Conflict(key)) => Err(key.clone()),
                Err(other) => panic!("a store in memory does not fail: {other}"),
            };
            self.overslept.lock().unwrap().push(noted);
        }
        done
    }
}

/// A running worker.
pub struct Running {
    pub task: JoinHandle<()>,
    shutdown: watch::Sender<bool>,
}

impl Running {
    /// A worker with a log and a store of its own choice.
    pub fn start(name: &str, log: Arc<dyn EventLog>, store: Arc<dyn LiveStore>) -> Self {
        let clock = || UtcMicros(START + 400 * 24 * 60 * MINUTE);
        let surroundings = Surroundings { log, store, clock, allowed_lateness_us: ALLOWED_LATENESS_US, news: None };
        let settings = WorkerSettings::new(WorkerId::new(name).unwrap());
        let shutdown = watch::Sender::new(false);
        let task = tokio::spawn(consume(surroundings, settings, shutdown.subscribe()));
        Self { task, shutdown }
    }

    pub fn on(name: &str, machine: &Arc<Machine>) -> Self {
        Self::start(name, machine.clone(), machine.clone())
    }

    pub async fn shut_down(self) {
        self.shutdown.send_replace(true);
        self.task.await.unwrap();
    }
}
