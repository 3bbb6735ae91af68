//! What every live store must do.

mod large;
mod model;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use cloudping_ports::{Change, CommitError, Expect, Item, Key, LiveStore, MAX_WRITES_PER_COMMIT, Write};

/// Tests every clause of [`LiveStore`]'s documentation; `make` yields a fresh, empty store each time.
///
/// Builds its own runtime, so call it from a plain `#[test]`.
///
/// # Panics
/// When a clause is broken.
pub fn run<S: LiveStore + 'static>(make: impl AsyncFn() -> S) {
    let runtime = crate::runtime();
    runtime.block_on(async {
        an_item_is_read_back(&make().await).await;
        versions_count_writes(&make().await).await;
        a_deleted_item_begins_anew(&make().await).await;
        broken_expectations_are_conflicts(&make().await).await;
        a_check_guards_the_commit_and_changes_nothing(&make().await).await;
        a_commit_is_whole_or_nothing(&make().await).await;
        a_list_holds_its_range_in_order(&make().await).await;
        malformed_commits_are_refused(&make().await).await;
        the_largest_commit_is_carried_out(&make().await).await;
        any_bytes_come_back_unchanged(&make().await).await;
        optimistic_writers_lose_no_update(make().await).await;
        large::grow_and_shrink(&make().await).await;
        large::lie_among_small_ones(&make().await).await;
        large::are_raced_for(make().await).await;
    });
    model::random_operations_match_a_model(&runtime, &make);
}

fn put(key: &Key, expect: Expect, value: impl Into<Bytes>) -> Write {
    Write { key: key.clone(), expect, change: Change::Put(value.into()) }
}

fn delete(key: &Key, expect: Expect) -> Write {
    Write { key: key.clone(), expect, change: Change::Delete }
}

fn item(version: u64, value: &'static str) -> Item {
    Item { version, value: value.into() }
}

async fn get(store: &impl LiveStore, key: &Key) -> Option<Item> {
    store.get(key).await.expect("a healthy store can be read")
}

async fn list(store: &impl LiveStore, partition: &str, from: &str, to: &str) -> Vec<(Key, Item)> {
    let listed = store.list(partition, from..to).await;
    listed.expect("a partition of a healthy store can be listed")
}

async fn commit(store: &impl LiveStore, writes: Vec<Write>) {
    let committed = store.commit(writes).await;
    committed.expect("expectations that hold make no conflict");
}

async fn conflict(store: &impl LiveStore, writes: Vec<Write>) -> Key {
    match store.commit(writes).await {
        Err(CommitError::Conflict(key)) => key,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

async fn an_item_is_read_back(store: &impl LiveStore) {
    let key = Key::new("us-east-1", "minute#0001");
    assert_eq!(get(store, &key).await, None, "before the first write");
    commit(store, vec![put(&key, Expect::Absent, "value")]).await;
    assert_eq!(get(store, &key).await, Some(item(1, "value")));
    for other in [Key::new("us-east-1", "minute#0002"), Key::new("us-east-2", "minute#0001")] {
        assert_eq!(get(store, &other).await, None, "{other:?}");
    }
}

async fn versions_count_writes(store: &impl LiveStore) {
    let key = Key::new("p", "s");
    let mut expect = Expect::Absent;
    for version in 1..=5 {
        commit(store, vec![put(&key, expect, version.to_string())]).await;
        let stored = get(store, &key).await;
        assert_eq!(stored.as_ref().map(|item| item.version), Some(version));
        expect = Expect::unchanged(stored.as_ref());
    }
}

async fn a_deleted_item_begins_anew(store: &impl LiveStore) {
    let key = Key::new("p", "s");
    commit(store, vec![put(&key, Expect::Absent, "one")]).await;
    commit(store, vec![put(&key, Expect::Version(1), "two")]).await;
    commit(store, vec![delete(&key, Expect::Version(2))]).await;
    assert_eq!(get(store, &key).await, None, "after the delete");
    assert_eq!(list(store, "p", "", "~").await, [], "after the delete");
    let stale = conflict(store, vec![put(&key, Expect::Version(2), "stale")]).await;
    assert_eq!(stale, key);
    commit(store, vec![delete(&key, Expect::Absent)]).await;
    assert_eq!(get(store, &key).await, None, "deleting what is absent");
    commit(store, vec![put(&key, Expect::Absent, "anew")]).await;
    assert_eq!(get(store, &key).await, Some(item(1, "anew")));
}

async fn broken_expectations_are_conflicts(store: &impl LiveStore) {
    let (key, absent) = (Key::new("p", "there"), Key::new("p", "absent"));
    commit(store, vec![put(&key, Expect::Absent, "one")]).await;
    commit(store, vec![put(&key, Expect::Version(1), "two")]).await;
    for expect in [Expect::Absent, Expect::Version(1), Expect::Version(3)] {
        assert_eq!(conflict(store, vec![put(&key, expect, "bad")]).await, key);
        assert_eq!(conflict(store, vec![delete(&key, expect)]).await, key);
    }
    for expect in [Expect::Version(0), Expect::Version(1)] {
        assert_eq!(conflict(store, vec![put(&absent, expect, "bad")]).await, absent);
        assert_eq!(conflict(store, vec![delete(&absent, expect)]).await, absent);
    }
    assert_eq!(get(store, &key).await, Some(item(2, "two")));
    assert_eq!(get(store, &absent).await, None);
}

async fn a_check_guards_the_commit_and_changes_nothing(store: &impl LiveStore) {
    let (guard, key) = (Key::new("p", "guard"), Key::new("q", "guarded"));
    let check = |expect| Write { key: guard.clone(), expect, change: Change::Check };
    commit(store, vec![check(Expect::Absent), put(&key, Expect::Absent, "one")]).await;
    assert_eq!(get(store, &guard).await, None, "a check makes no item");
    commit(store, vec![put(&guard, Expect::Absent, "mine")]).await;
    commit(store, vec![check(Expect::Version(1)), put(&key, Expect::Version(1), "two")]).await;
    for expect in [Expect::Absent, Expect::Version(2)] {
        let refused = conflict(store, vec![put(&key, Expect::Version(2), "three"), check(expect)]).await;
        assert_eq!(refused, guard);
    }
    commit(store, vec![check(Expect::Version(1))]).await;
    assert_eq!(get(store, &guard).await, Some(item(1, "mine")), "a check leaves the version");
    assert_eq!(get(store, &key).await, Some(item(2, "two")));
}

async fn a_commit_is_whole_or_nothing(store: &impl LiveStore) {
    let keys: Vec<Key> = (0..6).map(|n| Key::new(format!("p{}", n % 2), format!("s{n}"))).collect();
    let first = keys.iter().take(5).map(|key| put(key, Expect::Absent, "one"));
    commit(store, first.collect()).await;
    for broken in 0..5 {
        let mut writes: Vec<Write> = keys.iter().take(5).map(|key| put(key, Expect::Version(1), "two")).collect();
        writes[broken].expect = Expect::Version(7);
        writes[(broken + 1) % 5].change = Change::Delete;
        writes.push(put(&keys[5], Expect::Absent, "new"));
        assert_eq!(conflict(store, writes).await, keys[broken], "the broken one");
        for key in &keys[..5] {
            assert_eq!(get(store, key).await, Some(item(1, "one")), "{key:?}");
        }
        assert_eq!(get(store, &keys[5]).await, None);
    }
    let whole = vec![
        put(&keys[0], Expect::Version(1), "two"),
        delete(&keys[1], Expect::Version(1)),
        put(&keys[5], Expect::Absent, "new"),
    ];
    commit(store, whole).await;
    assert_eq!(get(store, &keys[0]).await, Some(item(2, "two")));
    assert_eq!(get(store, &keys[1]).await, None);
    assert_eq!(get(store, &keys[5]).await, Some(item(1, "new")));
}

async fn a_list_holds_its_range_in_order(store: &impl LiveStore) {
    let sorts = ["b", "a", "a#1", "c", "B", "ab", "ü"];
    for partition in ["p", "p2", "o"] {
        let writes = sorts.map(|sort| put(&Key::new(partition, sort), Expect::Absent, sort));
        commit(store, writes.to_vec()).await;
    }
    let cases: [(&str, &str, &[&str]); 7] = [
        ("a", "c", &["a", "a#1", "ab", "b"]),
        ("a", "a~", &["a", "a#1", "ab"]),
        ("a#", "b", &["a#1", "ab"]),
        ("", "\u{10ffff}", &["B", "a", "a#1", "ab", "b", "c", "ü"]),
        ("b", "b", &[]),
        ("c", "a", &[]),
        ("x", "z", &[]),
    ];
    for (from, to, expected) in cases {
        let listed = list(store, "p", from, to).await;
        let found: Vec<_> = listed.iter().map(|(key, _)| key.sort.as_str()).collect();
        assert_eq!(found, expected, "{from:?}..{to:?}");
        for (key, item) in &listed {
            assert_eq!(key.partition, "p");
            assert_eq!(item.value, key.sort, "the value stored under {key:?}");
        }
    }
    assert_eq!(list(store, "nothing here", "", "~").await, []);
}

async fn malformed_commits_are_refused(store: &impl LiveStore) {
    let (key, other) = (Key::new("p", "s"), Key::new("p", "t"));
    let twice =
        vec![put(&key, Expect::Absent, "one"), put(&other, Expect::Absent, "one"), delete(&key, Expect::Version(1))];
    let too_many =
        (0..=MAX_WRITES_PER_COMMIT).map(|n| put(&Key::new("p", n.to_string()), Expect::Absent, "one")).collect();
    for writes in [vec![], too_many, twice] {
        let refused = store.commit(writes).await;
        assert!(matches!(refused, Err(CommitError::Invalid(_))), "{refused:?}");
    }
    assert_eq!(list(store, "p", "", "~").await, [], "nothing was written");
}

async fn the_largest_commit_is_carried_out(store: &impl LiveStore) {
    let writes =
        (0..MAX_WRITES_PER_COMMIT).map(|n| put(&Key::new("p", format!("{n:03}")), Expect::Absent, "one")).collect();
    commit(store, writes).await;
    let written = list(store, "p", "", "~").await.len();
    assert_eq!(written, MAX_WRITES_PER_COMMIT);
}

async fn any_bytes_come_back_unchanged(store: &impl LiveStore) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let key = Key::new("p", "s");
    let mut expect = Expect::Absent;
    for value in [Bytes::new(), Bytes::from(every_byte.repeat(1000)), Bytes::from_static(&[0])] {
        commit(store, vec![put(&key, expect, value.clone())]).await;
        let stored = get(store, &key).await;
        let same = stored.as_ref().is_some_and(|item| item.value == value);
        assert!(same, "{} bytes differ", value.len());
        expect = Expect::unchanged(stored.as_ref());
    }
}

async fn optimistic_writers_lose_no_update<S: LiveStore + 'static>(store: S) {
    const WRITERS: usize = 50;
    let store = Arc::new(store);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { append_name(&*store, writer).await })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no writer panics");
    }
    let stored = get(&*store, &Key::new("p", "names")).await;
    let stored = stored.expect("fifty writers wrote");
    assert_eq!(stored.version, WRITERS as u64);
    let names = String::from_utf8(stored.value.to_vec()).expect("the suite wrote text");
    let distinct: BTreeSet<_> = names.split_whitespace().collect();
    assert_eq!(distinct.len(), WRITERS, "{names}");
}

/// Adds a name to the one item that all writers share, again from the start after each conflict.
async fn append_name(store: &impl LiveStore, name: usize) {
    let key = Key::new("p", "names");
    loop {
        let read = get(store, &key).await;
        let mut names = read.as_ref().map_or(Vec::new(), |item| item.value.to_vec());
        names.extend(format!("{name} ").bytes());
        let write = put(&key, Expect::unchanged(read.as_ref()), names);
        match store.commit(vec![write]).await {
            Ok(()) => return,
            Err(CommitError::Conflict(conflicting)) => assert_eq!(conflicting, key),
            Err(error) => panic!("a healthy store failed: {error}"),
        }
    }
}
