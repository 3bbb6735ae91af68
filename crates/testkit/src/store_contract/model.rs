//! Random operations on a store and on a plain map, which must agree.

use std::collections::BTreeMap;

use cloudping_ports::{Change, CommitError, Expect, Item, Key, LiveStore, Write, check_shape};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use super::{get, list};

type Model = BTreeMap<Key, Item>;

#[derive(Debug, Clone)]
enum Operation {
    Commit(Vec<Intent>),
    Get(Key),
    List(String, String, String),
}

/// A write whose expectation may depend on what is stored when its turn comes.
#[derive(Debug, Clone)]
struct Intent {
    key: Key,
    expect: Option<Expect>,
    change: Change,
}

fn key() -> impl Strategy<Value = Key> {
    ("[pq]", "[abc]{0,2}x").prop_map(|(partition, sort)| Key::new(partition, sort))
}

fn intent() -> impl Strategy<Value = Intent> {
    let expect = prop_oneof![
        8 => Just(None),
        1 => Just(Some(Expect::Absent)),
        1 => (0..4_u64).prop_map(|version| Some(Expect::Version(version))),
    ];
    let change = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..20).prop_map(|value| Change::Put(value.into())),
        1 => Just(Change::Delete),
        1 => Just(Change::Check),
    ];
    (key(), expect, change).prop_map(|(key, expect, change)| Intent { key, expect, change })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => prop::collection::vec(intent(), 0..5).prop_map(Operation::Commit),
        1 => key().prop_map(Operation::Get),
        1 => ("[pq]", "[abcx]{0,2}", "[abcxz]{0,2}")
            .prop_map(|(partition, from, to)| Operation::List(partition, from, to)),
    ]
}

impl Intent {
    fn resolve(self, model: &Model) -> Write {
        let current = Expect::unchanged(model.get(&self.key));
        Write { expect: self.expect.unwrap_or(current), key: self.key, change: self.change }
    }
}

fn apply(model: &mut Model, write: Write) {
    match write.change {
        Change::Put(value) => {
            let version = model.get(&write.key).map_or(0, |item| item.version) + 1;
            model.insert(write.key, Item { version, value });
        }
        Change::Delete => {
            model.remove(&write.key);
        }
        Change::Check => {}
    }
}

async fn check_commit(store: &impl LiveStore, model: &mut Model, writes: Vec<Write>) {
    let well_formed = check_shape(&writes).is_ok();
    let broken: Vec<Key> = writes
        .iter()
        .filter(|write| Expect::unchanged(model.get(&write.key)) != write.expect)
        .map(|write| write.key.clone())
        .collect();
    match store.commit(writes.clone()).await {
        Ok(()) => {
            assert!(well_formed && broken.is_empty(), "committed: {writes:?}");
            for write in writes {
                apply(model, write);
            }
        }
        Err(CommitError::Invalid(_)) => assert!(!well_formed, "refused: {writes:?}"),
        Err(CommitError::Conflict(key)) => {
            assert!(well_formed && broken.contains(&key), "{key:?}: {writes:?}");
        }
        Err(error) => panic!("a healthy store failed: {error}"),
    }
}

fn listed(model: &Model, partition: &str, from: &str, to: &str) -> Vec<(Key, Item)> {
    model
        .iter()
        .filter(|(key, _)| key.partition == partition)
        .filter(|(key, _)| from <= key.sort.as_str() && key.sort.as_str() < to)
        .map(|(key, item)| (key.clone(), item.clone()))
        .collect()
}

async fn check_against_model(store: &impl LiveStore, operations: Vec<Operation>) {
    let mut model = Model::new();
    for operation in operations {
        match operation {
            Operation::Commit(intents) => {
                let writes = intents.into_iter().map(|intent| intent.resolve(&model));
                let writes = writes.collect();
                check_commit(store, &mut model, writes).await;
            }
            Operation::Get(key) => {
                assert_eq!(get(store, &key).await.as_ref(), model.get(&key), "{key:?}");
            }
            Operation::List(partition, from, to) => {
                let expected = listed(&model, &partition, &from, &to);
                assert_eq!(list(store, &partition, &from, &to).await, expected);
            }
        }
    }
    for partition in ["p", "q"] {
        let expected = listed(&model, partition, "", "~");
        assert_eq!(list(store, partition, "", "~").await, expected);
    }
}

pub(super) fn random_operations_match_a_model<S: LiveStore>(runtime: &Runtime, make: &impl AsyncFn() -> S) {
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let operations = prop::collection::vec(operation(), 0..40);
    let outcome = TestRunner::new(config).run(&operations, |operations| {
        runtime.block_on(async { check_against_model(&make().await, operations).await });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("a store differs from its model: {failure}");
    }
}
