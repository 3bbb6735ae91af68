//! Batches of records become commits to the live store.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use cloudping_model::{Pane, Round, UtcMicros, VantageId};
use cloudping_ports::{
    Change, CommitError, Expect, Key, LiveStore, MAX_WRITES_PER_COMMIT, Record, SequenceNumber, ShardId, StoreError,
    Write,
};
use cloudping_schemas::event;
use cloudping_schemas::stored::{DeadLetter, PaneItem, StoredError, VantageHead, keys};

use crate::retention::EPOCHS_KEPT;
use crate::seen::Arrival;
use crate::vantage::{PaneId, VantageState, head_key, kept_us, pane_key};

/// A vantage point's changes are committed when they touch this many items: one more round and its folding still fit into
/// a commit, since a round spans ten minutes at most.
const WRITES_OF_ONE_VANTAGE: usize = 60;
/// Expired panes that one commit may delete beside its changes.
const DELETES_AT_ONCE: usize = 30;

/// Why a batch was not processed. The checkpoint has not moved; the same batch may be given again.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The live store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A commit failed, or another processor changed the same items first.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// An item of the live store cannot be read.
    #[error("{key:?}: {source}")]
    Stored {
        /// Which item.
        key: Key,
        /// What is wrong with it.
        source: StoredError,
    },
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchReport {
    /// Rounds counted.
    pub counted: usize,
    /// Rounds that had been counted before.
    pub duplicates: usize,
    /// Records that went to the dead letters.
    pub dead: usize,
}

/// Folds records into the live store. Holds a cache of what it last wrote; rebuilt from the store when it is cold.
pub struct Processor {
    store: Arc<dyn LiveStore>,
    states: HashMap<VantageId, VantageState>,
}

impl Processor {
    /// A processor on a store, its cache cold.
    #[must_use]
    pub fn new(store: Arc<dyn LiveStore>) -> Self {
        let states = HashMap::new();
        Self { store, states }
    }

    /// The last record of the shard whose effect is in the store.
    ///
    /// # Errors
    /// [`ProcessError::Store`].
    pub async fn checkpoint(&self, shard: &ShardId) -> Result<Option<SequenceNumber>, ProcessError> {
        let item = self.store.get(&checkpoint_key(shard)).await?;
        let text = item.map(|item| String::from_utf8_lossy(&item.value).into_owned());
        Ok(text.and_then(|digits| SequenceNumber::parse(&digits)))
    }

    /// Counts every round of the batch that was not counted before, and moves the shard's checkpoint behind it.
    ///
    /// A record that cannot be read goes to the dead letters with its reason; the rest of the batch goes on. After an
    /// error nothing, a part or all of the batch may have taken effect; given again, it takes effect once.
    ///
    /// # Errors
    /// [`ProcessError`]; the same batch should be given again, by whoever owns the shard then.
    pub async fn process_batch(
        &mut self,
        shard: &ShardId,
        records: &[Record],
        now: UtcMicros,
    ) -> Result<BatchReport, ProcessError> {
        let result = self.try_batch(shard, records, now).await;
        if result.is_err() {
            // What was taken for written may not be.
            self.states.clear();
        }
        result
    }

    async fn try_batch(
        &mut self,
        shard: &ShardId,
        records: &[Record],
        now: UtcMicros,
    ) -> Result<BatchReport, ProcessError> {
        let Some(last) = records.last() else {
            return Ok(BatchReport::default());
        };
        let mut report = BatchReport::default();
        let (rounds, mut dead) = decode(shard, records);
        let mut groups = Vec::new();
        for (vantage, rounds) in rounds {
            let (writes, forgotten) = self.count(&vantage, &rounds, now, &mut report).await?;
            groups.push(writes);
            dead.extend(forgotten.into_iter().map(|(record, why)| letter(shard, record, why)));
        }
        report.dead = dead.len();
        let tail = self.tail(shard, &last.sequence, &dead).await?;
        for commit in pack(groups, tail) {
            self.store.commit(commit).await?;
        }
        Ok(report)
    }

    /// Applies one vantage point's rounds and gives the writes that remain to be committed.
    async fn count<'a>(
        &mut self,
        vantage: &VantageId,
        rounds: &[(&'a Record, Round)],
        now: UtcMicros,
        report: &mut BatchReport,
    ) -> Result<(Vec<Write>, Vec<(&'a Record, String)>), ProcessError> {
        let mut state = match self.states.remove(vantage) {
            Some(state) => state,
            None => load(self.store.as_ref(), vantage).await?,
        };
        let mut forgotten = Vec::new();
        for (record, round) in rounds {
            if state.pending() > WRITES_OF_ONE_VANTAGE {
                self.store.commit(state.take_writes()).await?;
            }
            let needed = state.needed(round);
            hold(self.store.as_ref(), &mut state, &needed).await?;
            match state.apply(round, now) {
                Arrival::First => report.counted += 1,
                Arrival::Again => report.duplicates += 1,
                Arrival::Forgotten => forgotten.push((*record, too_old(round))),
            }
            if let Some(target) = state.fold_target() {
                self.fold(&mut state, target).await?;
            }
        }
        let writes = state.take_writes();
        self.states.insert(vantage.clone(), state);
        Ok((writes, forgotten))
    }

    /// Folds what ended before `target`, and deletes what is no longer kept.
    async fn fold(&self, state: &mut VantageState, target: UtcMicros) -> Result<(), ProcessError> {
        let from = state.head().folded_until;
        let mut children = self.hold_range(state, Pane::Minute, from, target).await?;
        let hours = VantageState::parents(&children);
        hold(self.store.as_ref(), state, &hours).await?;
        children.extend(hours);
        let first_hour = Pane::Hour.start_of(from);
        children.extend(self.hold_range(state, Pane::Hour, first_hour, target).await?);
        hold(self.store.as_ref(), state, &VantageState::parents(&children)).await?;
        state.fold(target);
        for pane in Pane::ALL {
            self.expire(state, pane).await?;
        }
        Ok(())
    }

    /// Holds every pane of a size that exists in the store or at hand and starts in the range; gives their ids.
    async fn hold_range(
        &self,
        state: &mut VantageState,
        pane: Pane,
        from: UtcMicros,
        until: UtcMicros,
    ) -> Result<Vec<PaneId>, ProcessError> {
        let partition = keys::panes(state.vantage(), pane);
        let (first, end) = (keys::pane_start(from), keys::pane_start(until));
        for (key, item) in self.store.list(&partition, &first..&end).await? {
            let stored = PaneItem::decode(&item.value).map_err(|source| ProcessError::Stored { key, source })?;
            let expect = Expect::Version(item.version);
            state.hold((pane, stored.start), Some(stored), expect);
        }
        Ok(state.held(pane, from, until))
    }

    /// Has expired panes of a size deleted, some at a time; what remains goes with the next folds.
    async fn expire(&self, state: &mut VantageState, pane: Pane) -> Result<(), ProcessError> {
        let partition = keys::panes(state.vantage(), pane);
        let oldest_kept = state.head().watermark - kept_us(pane) - pane.micros();
        let end = keys::pane_start(oldest_kept + 1);
        let expired = self.store.list(&partition, &keys::pane_start(UtcMicros(0))..&end).await?;
        for (key, item) in expired {
            if state.deletes() >= DELETES_AT_ONCE {
                break;
            }
            let start = PaneItem::decode(&item.value).map_err(|source| ProcessError::Stored { key, source })?.start;
            state.delete((pane, start), item.version);
        }
        Ok(())
    }

    /// The last writes of a batch: its dead letters and the shard's checkpoint.
    async fn tail(
        &self,
        shard: &ShardId,
        last: &SequenceNumber,
        dead: &[DeadLetter],
    ) -> Result<Vec<Write>, ProcessError> {
        let mut writes = Vec::new();
        for letter in dead {
            let key = Key::new(keys::DEAD_LETTERS, keys::dead_letter(&letter.shard, &letter.sequence));
            if self.store.get(&key).await?.is_none() {
                let change = Change::Put(Bytes::from(letter.encode()));
                writes.push(Write { key, expect: Expect::Absent, change });
            }
        }
        let key = checkpoint_key(shard);
        let expect = Expect::unchanged(self.store.get(&key).await?.as_ref());
        let change = Change::Put(Bytes::copy_from_slice(last.as_str().as_bytes()));
        writes.push(Write { key, expect, change });
        Ok(writes)
    }
}

type Delivered<'a> = BTreeMap<VantageId, Vec<(&'a Record, Round)>>;

/// Sorts a batch into each vantage point's rounds, in their order, and what cannot be read.
fn decode<'a>(shard: &ShardId, records: &'a [Record]) -> (Delivered<'a>, Vec<DeadLetter>) {
    let (mut rounds, mut dead) = (Delivered::new(), Vec::new());
    for record in records {
        match event::decode(&record.data) {
            Ok(round) => {
                let of_vantage = rounds.entry(round.id.vantage.clone()).or_default();
                of_vantage.push((record, round));
            }
            Err(error) => dead.push(letter(shard, record, error.to_string())),
        }
    }
    (rounds, dead)
}

fn letter(shard: &ShardId, record: &Record, reason: String) -> DeadLetter {
    DeadLetter { shard: shard.0.clone(), sequence: record.sequence.to_string(), reason, data: record.data.to_vec() }
}

fn too_old(round: &Round) -> String {
    let epoch = round.id.epoch;
    format!("epoch {epoch} is older than the last {EPOCHS_KEPT} of its vantage point: it may have been counted")
}

/// Puts the groups into as few commits as hold them, each group whole; the tail goes last.
fn pack(groups: Vec<Vec<Write>>, tail: Vec<Write>) -> Vec<Vec<Write>> {
    let mut commits: Vec<Vec<Write>> = Vec::new();
    let tail_parts = tail.chunks(MAX_WRITES_PER_COMMIT).map(<[Write]>::to_vec);
    for group in groups.into_iter().chain(tail_parts) {
        match commits.last_mut() {
            Some(commit) if commit.len() + group.len() <= MAX_WRITES_PER_COMMIT => commit.extend(group),
            _ => commits.push(group),
        }
    }
    commits.retain(|commit| !commit.is_empty());
    commits
}

fn checkpoint_key(shard: &ShardId) -> Key {
    Key::new(keys::CHECKPOINTS, shard.0.clone())
}

async fn load(store: &dyn LiveStore, vantage: &VantageId) -> Result<VantageState, ProcessError> {
    let key = head_key(vantage);
    let item = store.get(&key).await?;
    let expect = Expect::unchanged(item.as_ref());
    let head = item.map(|item| VantageHead::decode(&item.value)).transpose();
    let head = head.map_err(|source| ProcessError::Stored { key, source })?;
    Ok(VantageState::new(vantage.clone(), head.unwrap_or_default(), expect))
}

/// Reads those panes that are not at hand.
async fn hold(store: &dyn LiveStore, state: &mut VantageState, panes: &[PaneId]) -> Result<(), ProcessError> {
    for pane in panes {
        if state.holds(*pane) {
            continue;
        }
        let key = pane_key(state.vantage(), *pane);
        let item = store.get(&key).await?;
        let expect = Expect::unchanged(item.as_ref());
        let stored = item.map(|item| PaneItem::decode(&item.value)).transpose();
        let stored = stored.map_err(|source| ProcessError::Stored { key, source })?;
        state.hold(*pane, stored, expect);
    }
    Ok(())
}
