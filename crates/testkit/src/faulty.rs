//! Backends that fail on demand.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cloudping_ports::{
    CommitError, EventLog, Item, Key, LiveStore, LogError, Record, SequenceNumber, Shard, ShardId, StoreError, Write,
};

/// A call of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// [`EventLog::append`].
    Append,
    /// [`EventLog::shards`].
    Shards,
    /// [`EventLog::read`].
    Read,
    /// [`LiveStore::get`].
    Get,
    /// [`LiveStore::list`].
    List,
    /// [`LiveStore::commit`].
    Commit,
}

/// At which point of a call the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing is done.
    BeforeActing,
    /// Everything is done, but the answer is lost. An answer that was itself an error is passed on.
    AfterActing,
}

/// The error that a planned fault yields, inside the port's own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("injected fault: {operation:?} call {call}, {when:?}")]
pub struct InjectedFault {
    /// The call that failed.
    pub operation: Operation,
    /// Its number among the calls of that operation, from 1.
    pub call: u64,
    /// Whether it took effect.
    pub when: When,
}

/// Which calls fail.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    faults: BTreeMap<(Operation, u64), When>,
}

impl FaultPlan {
    /// No call fails.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Lets the `call`-th call (from 1) of an operation fail too.
    #[must_use]
    pub fn fail(mut self, operation: Operation, call: u64, when: When) -> Self {
        self.faults.insert((operation, call), when);
        self
    }
}

/// Wraps a log or a store; calls go through to it except those that a [`FaultPlan`] makes fail.
#[derive(Debug)]
pub struct Faulty<T: ?Sized> {
    state: Mutex<State>,
    inner: Arc<T>,
}

#[derive(Debug)]
struct State {
    plan: FaultPlan,
    calls: BTreeMap<Operation, u64>,
}

impl<T: ?Sized> Faulty<T> {
    /// Wraps a backend, which others may go on using directly.
    #[must_use]
    pub fn new(inner: Arc<T>, plan: FaultPlan) -> Self {
        let calls = BTreeMap::new();
        Self { state: Mutex::new(State { plan, calls }), inner }
    }

    /// The backend beneath, which never fails by plan.
    #[must_use]
    pub fn inner(&self) -> &Arc<T> {
        &self.inner
    }

    /// How many calls of an operation have begun.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.state().calls.get(&operation).copied().unwrap_or(0)
    }

    /// Lets the next call of an operation fail, in addition to the plan.
    pub fn fail_next(&self, operation: Operation, when: When) {
        let mut state = self.state();
        let next = state.calls.get(&operation).copied().unwrap_or(0) + 1;
        state.plan.faults.insert((operation, next), when);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_fault(&self, operation: Operation) -> Option<InjectedFault> {
        let mut state = self.state();
        let counter = state.calls.entry(operation).or_default();
        *counter += 1;
        let call = *counter;
        let when = *state.plan.faults.get(&(operation, call))?;
        Some(InjectedFault { operation, call, when })
    }

    async fn run<R, E: From<InjectedFault>>(
        &self,
        operation: Operation,
        act: impl Future<Output = Result<R, E>>,
    ) -> Result<R, E> {
        match self.next_fault(operation) {
            None => act.await,
            Some(fault) if fault.when == When::BeforeActing => Err(fault.into()),
            Some(fault) => {
                act.await?;
                Err(fault.into())
            }
        }
    }
}

impl From<InjectedFault> for LogError {
    fn from(fault: InjectedFault) -> Self {
        Self::Backend(Box::new(fault))
    }
}

impl From<InjectedFault> for StoreError {
    fn from(fault: InjectedFault) -> Self {
        Self(Box::new(fault))
    }
}

impl From<InjectedFault> for CommitError {
    fn from(fault: InjectedFault) -> Self {
        Self::Store(fault.into())
    }
}

#[async_trait]
impl<L: EventLog + ?Sized> EventLog for Faulty<L> {
    async fn append(&self, partition_key: &str, data: Bytes) -> Result<(), LogError> {
        let act = self.inner.append(partition_key, data);
        self.run(Operation::Append, act).await
    }

    async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        self.run(Operation::Shards, self.inner.shards()).await
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        let act = self.inner.read(shard, after, limit);
        self.run(Operation::Read, act).await
    }
}

#[async_trait]
impl<S: LiveStore + ?Sized> LiveStore for Faulty<S> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.run(Operation::Get, self.inner.get(key)).await
    }

    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        let act = self.inner.list(partition, sort);
        self.run(Operation::List, act).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let act = self.inner.commit(writes);
        self.run(Operation::Commit, act).await
    }
}

#[cfg(test)]
mod tests {
    use cloudping_ports::{Change, Expect};

    use super::*;
    use crate::{MemoryLog, MemoryStore};

    fn put(sort: &str) -> Vec<Write> {
        vec![Write { key: Key::new("p", sort), expect: Expect::Absent, change: Change::Put(Bytes::from_static(b"v")) }]
    }

    async fn logged(log: &MemoryLog) -> Vec<Bytes> {
        let mut data = Vec::new();
        for shard in log.shards().await.unwrap() {
            let records = log.read(&shard.id, None, 100).await.unwrap();
            data.extend(records.into_iter().map(|record| record.data));
        }
        data
    }

    #[tokio::test]
    async fn a_fault_before_acting_leaves_no_trace_and_one_after_acting_does() {
        let plan = FaultPlan::none().fail(Operation::Append, 2, When::BeforeActing).fail(
            Operation::Append,
            3,
            When::AfterActing,
        );
        let log = Faulty::new(Arc::new(MemoryLog::default()), plan);
        let mut failed = Vec::new();
        for data in ["1", "2", "3", "4"] {
            if let Err(LogError::Backend(source)) = log.append("key", data.into()).await {
                failed.push(*source.downcast::<InjectedFault>().unwrap());
            }
        }
        let fault = |call, when| InjectedFault { operation: Operation::Append, call, when };
        let expected = [fault(2, When::BeforeActing), fault(3, When::AfterActing)];
        assert_eq!(failed, expected);
        assert_eq!(logged(log.inner()).await, ["1", "3", "4"]);
        assert_eq!(log.calls(Operation::Append), 4);
        assert_eq!(log.calls(Operation::Read), 0);
    }

    #[tokio::test]
    async fn operations_are_counted_apart() {
        let plan = FaultPlan::none().fail(Operation::Get, 2, When::BeforeActing);
        let store = Faulty::new(Arc::new(MemoryStore::new()), plan);
        store.commit(put("a")).await.unwrap();
        store.commit(put("b")).await.unwrap();
        assert_eq!(store.list("p", "a".."z").await.unwrap().len(), 2);
        assert!(store.get(&Key::new("p", "a")).await.unwrap().is_some());
        assert!(store.get(&Key::new("p", "a")).await.is_err());
        assert!(store.get(&Key::new("p", "a")).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_commit_whose_answer_is_lost_has_happened() {
        let store = Faulty::new(Arc::new(MemoryStore::new()), FaultPlan::none());
        store.fail_next(Operation::Commit, When::AfterActing);
        let lost = store.commit(put("a")).await;
        assert!(matches!(lost, Err(CommitError::Store(_))), "{lost:?}");
        let again = store.commit(put("a")).await;
        assert!(matches!(again, Err(CommitError::Conflict(_))), "{again:?}");
        store.fail_next(Operation::Commit, When::AfterActing);
        let refused = store.commit(put("a")).await;
        assert!(matches!(refused, Err(CommitError::Conflict(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn wraps_a_backend_known_only_by_its_port() {
        let store: Arc<dyn LiveStore> = Arc::new(MemoryStore::new());
        let faulty = Faulty::new(store, FaultPlan::none());
        faulty.commit(put("a")).await.unwrap();
        faulty.fail_next(Operation::List, When::BeforeActing);
        assert!(faulty.list("p", "a".."z").await.is_err());
    }
}
