//! A long-running worker that shares the shards of a log with others.

mod reader;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cloudping_ports::{CommitError, EventLog, Expect, LiveStore, Shard, ShardId};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::leases::{Action, LOOKS_PER_LEASE, RollCall, Table, View, WorkerId, decide};
use crate::outbox::deliver;
use crate::runner::{AFTER_FAILURE, StepError, Surroundings};
use reader::{Ended, Listed, Reader};

/// The least time between two regular looks, whatever the lease time.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Its name among the workers.
    pub id: WorkerId,
    /// How long a worker may show no sign of life before others take its shards. All workers should have the same. Default 10 s.
    pub lease: Duration,
    /// The least time between two reads of one shard. Default 250 ms: Kinesis allows five a second, to all its readers together.
    pub pace: Duration,
    /// Whether what has expired is deleted, rather than left to a store that does so by itself
    /// ([`Processor::without_deletes`](crate::Processor::without_deletes)). Default true.
    pub deletes_expired: bool,
}

impl WorkerSettings {
    /// The defaults for a worker.
    #[must_use]
    pub fn new(id: WorkerId) -> Self {
        Self { id, lease: Duration::from_secs(10), pace: Duration::from_millis(250), deletes_expired: true }
    }
}

/// Works until `shutdown` is true: reads the shards that are its share, parents to their end before their children, and counts what they
/// hold. Then it finishes the batches that are under way and leaves its shards to the others.
///
/// Failures are logged, and tried again after a while. Dropped instead of shut down, the worker is dead to the others after the
/// lease time; what it had begun takes effect once.
pub async fn consume(surroundings: Surroundings, settings: WorkerSettings, mut shutdown: watch::Receiver<bool>) {
    let found = Arc::new(Notify::new());
    let (log, store) = (Arc::clone(&surroundings.log), Arc::clone(&surroundings.store));
    let mut worker = Worker::new(surroundings, settings, Arc::clone(&found));
    tokio::select! {
        () = worker.work() => {}
        () = deliver_what_is_found(log.as_ref(), store.as_ref(), &found) => {}
        // A sender that is gone will not ask for anything else.
        () = async { let _asked = shutdown.wait_for(|asked| *asked).await; } => {}
    }
    worker.leave().await;
    if let Err(error) = deliver(log.as_ref(), store.as_ref()).await {
        tracing::warn!(%error, "route changes wait for the next worker");
    }
}

/// Takes route changes to the log whenever some may wait.
async fn deliver_what_is_found(log: &dyn EventLog, store: &dyn LiveStore, found: &Notify) {
    loop {
        found.notified().await;
        while let Err(error) = deliver(log, store).await {
            tracing::warn!(%error, "route changes wait");
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }
}

struct Worker {
    surroundings: Surroundings,
    settings: WorkerSettings,
    table: Table,
    roll_call: RollCall,
    /// Regular looks so far.
    looks: u64,
    held: HashMap<ShardId, Held>,
    readers: JoinSet<Ended>,
    stop: watch::Sender<bool>,
    found: Arc<Notify>,
}

/// A shard that is being read.
struct Held {
    version: u64,
    listed: watch::Sender<Listed>,
    task: AbortHandle,
}

impl Worker {
    fn new(surroundings: Surroundings, settings: WorkerSettings, found: Arc<Notify>) -> Self {
        let table = Table::new(Arc::clone(&surroundings.store), settings.id.clone());
        Self {
            surroundings,
            settings,
            table,
            roll_call: RollCall::default(),
            looks: 0,
            held: HashMap::new(),
            readers: JoinSet::new(),
            stop: watch::Sender::new(false),
            found,
        }
    }

    /// Looks at regular times, and when a shard has ended: its children may be anyone's.
    async fn work(&mut self) {
        let mut times = tokio::time::interval((self.settings.lease / LOOKS_PER_LEASE).max(SHORTEST_LOOK));
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let regular = tokio::select! {
                _ = times.tick() => true,
                Some(ended) = self.readers.join_next_with_id() => match self.ended(ended) {
                    true => false,
                    false => continue,
                },
            };
            if let Err(error) = self.look(regular).await {
                tracing::warn!(worker = %self.settings.id, %error, "could not look after the leases, trying again");
            }
        }
    }

    /// Takes note that a reader has ended; says whether its shard has.
    fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) -> bool {
        let (id, finished) = match ended {
            Ok((id, ended)) => (id, ended == Ended::Finished),
            Err(error) => {
                if error.is_panic() {
                    // The lease is seen to lapse at the next look, and taken again.
                    tracing::error!(%error, "the reader of a shard broke");
                }
                (error.id(), false)
            }
        };
        self.held.retain(|_, held| held.task.id() != id);
        finished
    }

    async fn look(&mut self, regular: bool) -> Result<(), StepError> {
        if regular {
            self.looks += 1;
            self.table.beat().await?;
        }
        let shards = self.surroundings.log.shards().await?;
        let leases = self.table.leases().await?;
        // Read after the leases: whoever owns one has given a sign of life before.
        let signs = self.table.signs().await?;
        let mut presence = self.roll_call.call(self.looks, signs);
        presence.live.insert(self.settings.id.as_str().to_owned());
        self.tell_readers(&shards);
        let held = self.held.iter().map(|(shard, held)| (shard.clone(), held.version)).collect();
        let me = self.settings.id.as_str();
        for action in decide(&View { me, shards: &shards, leases: &leases, live: &presence.live, held: &held }) {
            self.act(action, &shards).await?;
        }
        for (worker, version) in presence.long_dead {
            match self.table.clear(&worker, version).await {
                // It woke up, or another one cleared it away.
                Ok(()) | Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(StepError::Process(error.into())),
            }
        }
        Ok(())
    }

    /// Tells the readers how the log lists their shards.
    fn tell_readers(&self, shards: &[Shard]) {
        let listed: BTreeMap<&ShardId, &Shard> = shards.iter().map(|shard| (&shard.id, shard)).collect();
        for (shard, held) in &self.held {
            held.listed.send_replace(Listed::of(listed.get(shard).copied()));
        }
    }

    async fn act(&mut self, action: Action, shards: &[Shard]) -> Result<(), StepError> {
        let worker = &self.settings.id;
        match action {
            Action::Take { shard, expect, from } => return self.take(shard, expect, from, shards).await,
            Action::Drop(shard) => {
                if let Some(held) = self.held.remove(&shard) {
                    held.task.abort();
                    tracing::info!(%worker, %shard, "lease lost: the shard is another worker's now");
                }
            }
            Action::Forget { shard, version } => match self.table.forget(&shard, version).await {
                Ok(()) => tracing::info!(%worker, %shard, "a finished shard is forgotten"),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            },
        }
        Ok(())
    }

    async fn take(
        &mut self,
        shard: ShardId,
        expect: Expect,
        from: Option<String>,
        shards: &[Shard],
    ) -> Result<(), StepError> {
        let worker = &self.settings.id;
        let fence = match self.table.take(&shard, expect).await {
            Ok(fence) => fence,
            Err(CommitError::Conflict(_)) => {
                tracing::debug!(%worker, %shard, "another worker was faster");
                return Ok(());
            }
            Err(error) => return Err(StepError::Process(error.into())),
        };
        let from = from.as_deref().unwrap_or("nobody");
        tracing::info!(%worker, %shard, from, term = fence.version, "lease taken");
        // Changes may wait from the worker that had the shard before.
        self.found.notify_one();
        let listed = watch::Sender::new(Listed::of(shards.iter().find(|listed| listed.id == shard)));
        let reader = Reader::new(
            shard.clone(),
            fence.clone(),
            &self.surroundings,
            &self.settings,
            (listed.subscribe(), self.stop.subscribe()),
            Arc::clone(&self.found),
        );
        let task = self.readers.spawn(reader.run());
        self.held.insert(shard, Held { version: fence.version, listed, task });
        Ok(())
    }

    /// Lets the readers finish their batches, and takes leave of the other workers.
    async fn leave(&mut self) {
        self.stop.send_replace(true);
        while self.readers.join_next().await.is_some() {}
        let worker = &self.settings.id;
        match self.table.leave().await {
            Ok(()) => tracing::info!(%worker, "leases released"),
            Err(error) => tracing::warn!(%worker, %error, "leases not released, others wait for the lease time"),
        }
    }
}
