//! Batches of records become commits to the live store.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use cloudping_model::{RouteChange, UtcMicros, VantageId};
use cloudping_ports::{
    Change, CommitError, Expect, Item, Key, LiveStore, MAX_WRITES_PER_COMMIT, Record, SequenceNumber, ShardId,
    StoreError, Write,
};
use cloudping_schemas::event::{self, Columns, Head};
use cloudping_schemas::stored::{DeadLetter, StoredError, keys};

use crate::retention::{ALLOWED_LATENESS_US, EPOCHS_KEPT, MAX_ALLOWED_LATENESS_US};
use crate::seen::Arrival;
use crate::vantage::VantageState;
use crate::vantage_store::{expire, fold, hold_for, load, observe};

/// A commit leaves room for the lease that it may depend on ([`Fenced`](crate::Fenced)).
pub(crate) const WRITES_OF_A_COMMIT: usize = MAX_WRITES_PER_COMMIT - 1;
/// A vantage point's changes are committed when they touch this many items: one more round and its folding still fit into
/// a commit, since a round spans ten minutes at most.
const WRITES_OF_ONE_VANTAGE: usize = 60;
/// Several vantage points share a commit up to so many writes: a store may have to keep large values in pieces, and DynamoDB takes a
/// hundred of both.
const WRITES_SHARED: usize = 80;
/// Several vantage points share a commit up to this size: DynamoDB takes 4 MB.
const BYTES_OF_A_COMMIT: usize = 3_000_000;
/// So much of a record that cannot be read is kept.
const LETTER_BYTES: usize = 32_768;

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

impl ProcessError {
    /// Whether another writer was first.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Commit(CommitError::Conflict(_)))
    }
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchReport {
    /// Rounds counted.
    pub counted: usize,
    /// The samples in them.
    pub samples: usize,
    /// Rounds that had been counted before.
    pub duplicates: usize,
    /// Records that went to the dead letters.
    pub dead: usize,
    /// Route steps that were found. They are in the live store, and wait there for [`deliver`](crate::deliver).
    pub changes: Vec<RouteChange>,
    /// When the youngest round began, of those counted now or before.
    pub newest: Option<UtcMicros>,
}

/// Folds records into the live store. Holds a cache of what it last wrote; rebuilt from the store when it is cold.
pub struct Processor {
    store: Arc<dyn LiveStore>,
    states: HashMap<VantageId, VantageState>,
    /// The checkpoint items as they were last read or written.
    checkpoints: HashMap<ShardId, Option<Item>>,
    columns: Columns,
    allowed_lateness_us: i64,
    deletes_expired: bool,
}

impl Processor {
    /// A processor on a store, its cache cold. Rounds may be late by [`ALLOWED_LATENESS_US`].
    #[must_use]
    pub fn new(store: Arc<dyn LiveStore>) -> Self {
        let (states, checkpoints, columns) = (HashMap::new(), HashMap::new(), Columns::default());
        Self { store, states, checkpoints, columns, allowed_lateness_us: ALLOWED_LATENESS_US, deletes_expired: true }
    }

    /// Changes how late rounds may be, in µs: 0 to [`MAX_ALLOWED_LATENESS_US`], to which other values are brought.
    #[must_use]
    pub fn with_allowed_lateness(mut self, micros: i64) -> Self {
        self.allowed_lateness_us = micros.clamp(0, MAX_ALLOWED_LATENESS_US);
        self
    }

    /// Leaves what is no longer kept to the store, which deletes it by [`keys::expires_at`]: on DynamoDB that costs nothing, a delete as
    /// much as a write. Nobody reads it meanwhile.
    #[must_use]
    pub fn without_deletes(mut self) -> Self {
        self.deletes_expired = false;
        self
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
            self.checkpoints.clear();
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
        let (mut touched, mut dead) = (Vec::new(), Vec::new());
        let mut columns = std::mem::take(&mut self.columns);
        for record in records {
            let refused = match event::is_change(&record.data) {
                true => event::decode_change(&record.data).err().map(|error| error.to_string()),
                false => match columns.read(&record.data) {
                    Ok(round) => self.take(&round, now, &mut touched, &mut report).await?,
                    Err(error) => Some(error.to_string()),
                },
            };
            dead.extend(refused.map(|reason| letter(shard, record, reason)));
        }
        self.columns = columns;
        report.dead = dead.len();
        let groups: Vec<Vec<Write>> = touched.iter().filter_map(|vantage| self.finish(vantage)).collect();
        let mut tail = self.dead_letters(&dead).await?;
        let moved = self.moved(shard, &last.sequence).await?;
        tail.extend(moved.clone());
        for commit in pack(groups, tail) {
            self.store.commit(commit).await?;
        }
        if let Some(Write { expect, change: Change::Put(value), .. }) = moved {
            self.checkpoints.insert(shard.clone(), Some(Item { version: expect.next_version(), value }));
        }
        if let Err(error) = self.expire(&touched).await {
            // The batch has taken effect. What was not deleted goes with the next fold.
            tracing::warn!(%error, "expired windows were not deleted");
            self.states.clear();
        }
        Ok(report)
    }

    /// The last writes of a vantage point in a batch.
    fn finish(&mut self, vantage: &VantageId) -> Option<Vec<Write>> {
        let state = self.states.get_mut(vantage)?;
        state.touched = false;
        Some(state.take_writes())
    }

    /// Applies a round to its vantage point's state; gives why, if it is refused.
    async fn take(
        &mut self,
        round: &Head<'_>,
        now: UtcMicros,
        touched: &mut Vec<VantageId>,
        report: &mut BatchReport,
    ) -> Result<Option<String>, ProcessError> {
        let store = self.store.as_ref();
        let state = match self.states.get_mut(round.vantage_text()) {
            Some(state) => state,
            None => {
                let vantage = match round.vantage() {
                    Ok(vantage) => vantage,
                    Err(error) => return Ok(Some(error.to_string())),
                };
                let state = load(store, vantage.clone(), self.allowed_lateness_us).await?;
                self.states.entry(vantage).or_insert(state)
            }
        };
        if let Err(error) = state.dictionary.open(round) {
            return Ok(Some(error.to_string()));
        }
        if state.pending() > WRITES_OF_ONE_VANTAGE {
            store.commit(state.take_writes()).await?;
        }
        if !std::mem::replace(&mut state.touched, true) {
            touched.push(state.vantage.clone());
        }
        let arrival = state.arrive(round, now);
        if matches!(arrival, Arrival::First | Arrival::Again) {
            report.newest = report.newest.max(Some(round.started_at));
        }
        match arrival {
            Arrival::First => {
                report.counted += 1;
                report.samples += round.len();
            }
            Arrival::Again => {
                report.duplicates += 1;
                return Ok(None);
            }
            Arrival::Forgotten => return Ok(Some(too_old(round.epoch))),
            Arrival::Beyond(bound) => return Ok(Some(bound.to_string())),
        }
        hold_for(store, state, round).await?;
        state.count(round, now);
        if let Some(target) = state.observe_target() {
            report.changes.extend(observe(store, state, target).await?);
        }
        while let Some(target) = state.fold_target() {
            fold(store, state, target).await?;
            if state.pending() > WRITES_OF_ONE_VANTAGE {
                store.commit(state.take_writes()).await?;
            }
        }
        Ok(None)
    }

    /// Deletes what has expired of the vantage points of a batch. Has no part in the batch's effect: a crash before or within it leaves
    /// the rest to the next fold.
    async fn expire(&mut self, touched: &[VantageId]) -> Result<(), ProcessError> {
        for vantage in touched {
            let Some(state) = self.states.get_mut(vantage) else { continue };
            if std::mem::take(&mut state.expiry_due) && self.deletes_expired {
                expire(self.store.as_ref(), state).await?;
            }
        }
        Ok(())
    }

    /// The letters that are not in the store yet.
    async fn dead_letters(&self, dead: &[DeadLetter]) -> Result<Vec<Write>, ProcessError> {
        let mut writes = Vec::new();
        for letter in dead {
            let key = Key::new(keys::DEAD_LETTERS, keys::dead_letter(&letter.shard, &letter.sequence));
            if self.store.get(&key).await?.is_none() {
                let change = Change::Put(Bytes::from(letter.encode()));
                writes.push(Write { key, expect: Expect::Absent, change });
            }
        }
        Ok(writes)
    }

    /// What moves the shard's checkpoint behind `last`; `None` if it is there already: a processor that wakes from the dead must not
    /// have what others did delivered again.
    async fn moved(&mut self, shard: &ShardId, last: &SequenceNumber) -> Result<Option<Write>, ProcessError> {
        let key = checkpoint_key(shard);
        let item = match self.checkpoints.entry(shard.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(self.store.get(&key).await?),
        };
        let reached = item.as_ref().and_then(|item| SequenceNumber::parse(&String::from_utf8_lossy(&item.value)));
        let change = Change::Put(Bytes::copy_from_slice(last.as_str().as_bytes()));
        let write = Write { key, expect: Expect::unchanged(item.as_ref()), change };
        Ok(reached.is_none_or(|reached| reached < *last).then_some(write))
    }
}

/// The letter holds the record's beginning: a hundred letters must fit into a commit.
fn letter(shard: &ShardId, record: &Record, reason: String) -> DeadLetter {
    let (length, kept) = (record.data.len(), record.data.len().min(LETTER_BYTES));
    let reason = if kept < length { format!("{reason} (the first {kept} of {length} bytes are kept)") } else { reason };
    let data = record.data[..kept].to_vec();
    DeadLetter { shard: shard.0.clone(), sequence: record.sequence.to_string(), reason, data }
}

fn too_old(epoch: u64) -> String {
    format!("epoch {epoch} is older than the last {EPOCHS_KEPT} of its vantage point: it may have been counted")
}

/// Puts the groups into as few commits as hold them, each group whole; the tail goes last.
fn pack(groups: Vec<Vec<Write>>, tail: Vec<Write>) -> Vec<Vec<Write>> {
    let mut commits: Vec<Vec<Write>> = Vec::new();
    let tail_parts = tail.chunks(WRITES_OF_A_COMMIT).map(<[Write]>::to_vec);
    for group in groups.into_iter().chain(tail_parts) {
        match commits.last_mut() {
            Some(commit)
                if commit.len() + group.len() <= WRITES_SHARED
                    && bytes_of(commit) + bytes_of(&group) <= BYTES_OF_A_COMMIT =>
            {
                commit.extend(group);
            }
            _ => commits.push(group),
        }
    }
    commits.retain(|commit| !commit.is_empty());
    commits
}

fn bytes_of(writes: &[Write]) -> usize {
    let size = |write: &Write| match &write.change {
        Change::Put(value) => value.len(),
        Change::Delete | Change::Check => 0,
    };
    writes.iter().map(size).sum()
}

/// Where a shard's checkpoint is stored.
pub(crate) fn checkpoint_key(shard: &ShardId) -> Key {
    Key::new(keys::CHECKPOINTS, shard.0.clone())
}
