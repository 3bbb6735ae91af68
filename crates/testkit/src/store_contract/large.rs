//! Values larger than what a store keeps in one piece behave as all others do.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use cloudping_ports::{CommitError, Expect, Key, LiveStore};

use super::{commit, conflict, delete, get, list, put};

/// Lengths on both sides of DynamoDB's limit for an item, 409,600 bytes, and of multiples of it, growing and shrinking by one and
/// by several pieces.
const LENGTHS: [usize; 10] = [0, 409_000, 409_700, 1_048_576, 800_001, 409_700, 409_000, 1_600_000, 1, 1_048_576];

/// A value whose every byte depends on its place and on `seed`.
fn value(length: usize, seed: u8) -> Bytes {
    (0..length).map(|at| (at / 1_000) as u8 ^ at as u8 ^ seed).collect()
}

fn describe(value: &Bytes) -> String {
    format!("{} bytes that begin with {:?}", value.len(), value.first())
}

pub(super) async fn grow_and_shrink(store: &impl LiveStore) {
    let key = Key::new("p", "s");
    let mut expect = Expect::Absent;
    for (seed, length) in (0..).zip(LENGTHS) {
        let wanted = value(length, seed);
        commit(store, vec![put(&key, expect, wanted.clone())]).await;
        let stored = get(store, &key).await.expect("it was just written");
        assert!(stored.value == wanted, "of {length} bytes came back {}", describe(&stored.value));
        assert_eq!(stored.version, u64::from(seed) + 1);
        expect = Expect::Version(stored.version);
        let stale = conflict(store, vec![put(&key, Expect::Version(99), value(9, 99))]).await;
        assert_eq!(stale, key);
        assert_eq!(conflict(store, vec![delete(&key, Expect::Absent)]).await, key);
    }
    commit(store, vec![delete(&key, expect)]).await;
    assert_eq!(get(store, &key).await, None, "after the delete");
    // Nothing of it is left that could become a part of another.
    commit(store, vec![put(&key, Expect::Absent, value(409_700, 77))]).await;
    let anew = get(store, &key).await.expect("it was just written");
    assert!(anew.version == 1 && anew.value == value(409_700, 77), "anew: {}", describe(&anew.value));
}

pub(super) async fn lie_among_small_ones(store: &impl LiveStore) {
    let lengths = [("a", 3), ("a!", 450_000), ("b", 900_000), ("b#000", 5), ("b#001", 420_000), ("c", 0)];
    for (sort, length) in lengths {
        commit(store, vec![put(&Key::new("p", sort), Expect::Absent, value(length, 1))]).await;
    }
    for (from, to, expected) in [("", "~", &lengths[..]), ("a", "b", &lengths[..2]), ("b", "c", &lengths[2..5])] {
        let listed = list(store, "p", from, to).await;
        let found: Vec<_> = listed.iter().map(|(key, item)| (key.sort.as_str(), item.value.len())).collect();
        assert_eq!(found, expected, "{from:?}..{to:?}");
        assert!(listed.iter().all(|(_, item)| item.value == value(item.value.len(), 1)));
    }
    // Each to the other side of the limit, and one gone, in one commit.
    let writes = vec![
        put(&Key::new("p", "a"), Expect::Version(1), value(500_000, 2)),
        put(&Key::new("p", "a!"), Expect::Version(1), value(7, 2)),
        delete(&Key::new("p", "b"), Expect::Version(1)),
        delete(&Key::new("p", "b#001"), Expect::Version(1)),
    ];
    commit(store, writes).await;
    let listed = list(store, "p", "", "~").await;
    let found: Vec<_> = listed.iter().map(|(key, item)| (key.sort.as_str(), item.value.len())).collect();
    assert_eq!(found, [("a", 500_000), ("a!", 7), ("b#000", 5), ("c", 0)]);
    assert!(listed[..2].iter().all(|(_, item)| item.value == value(item.value.len(), 2)));
}

/// Fifty writers change one large and one small item together, from the same version: one of them wins, and whoever reads meanwhile
/// sees one writer's bytes, never a mixture.
pub(super) async fn are_raced_for<S: LiveStore + 'static>(store: S) {
    const WRITERS: u8 = 50;
    let store = Arc::new(store);
    let (large, small) = (Key::new("p", "large"), Key::new("p", "small"));
    // In pieces, then in one, then in pieces again.
    for (generation, length) in (0..).zip([420_000, 9, 410_000]) {
        let expect = if generation == 0 { Expect::Absent } else { Expect::Version(generation) };
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, large, small) = (Arc::clone(&store), large.clone(), small.clone());
                tokio::spawn(async move {
                    let value = Bytes::from(vec![writer; length]);
                    let writes = vec![put(&small, expect, vec![writer]), put(&large, expect, value)];
                    let outcome = store.commit(writes).await;
                    if writer % 10 == 0
                        && let Some(read) = get(&*store, &large).await
                    {
                        let writers: BTreeSet<_> = read.value.iter().collect();
                        assert_eq!(writers.len(), 1, "version {} is a mixture", read.version);
                    }
                    match outcome {
                        Ok(()) => Some(writer),
                        Err(CommitError::Conflict(_)) => None,
                        Err(error) => panic!("a healthy store failed: {error}"),
                    }
                })
            })
            .collect();
        let mut winners = Vec::new();
        for writer in writers {
            winners.extend(writer.await.expect("no writer panics"));
        }
        let [winner] = winners[..] else { panic!("winners of generation {generation}: {winners:?}") };
        for (key, length) in [(&large, length), (&small, 1)] {
            let stored = get(&*store, key).await.expect("one writer has won");
            assert_eq!((stored.version, stored.value.len()), (generation + 1, length));
            assert!(stored.value.iter().all(|byte| *byte == winner), "{key:?}: {}", describe(&stored.value));
        }
    }
}
