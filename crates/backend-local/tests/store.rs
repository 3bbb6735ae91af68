//! What the local store promises beyond its port.

use cloudping_backend_local::LocalStore;
use cloudping_ports::{Change, CommitError, Expect, Key, LiveStore, Write};

fn put(sort: &str, expect: Expect) -> Vec<Write> {
    vec![Write { key: Key::new("p", sort), expect, change: Change::Put(sort.to_owned().into()) }]
}

#[tokio::test]
async fn a_reopened_store_holds_everything() {
    let dir = tempfile::tempdir().unwrap();
    for opening in 0..4_u64 {
        let store = LocalStore::open(dir.path()).unwrap();
        let expect = match opening {
            0 => Expect::Absent,
            version => Expect::Version(version),
        };
        store.commit(put("again", expect)).await.unwrap();
        store.commit(put(&format!("new {opening}"), Expect::Absent)).await.unwrap();
        assert_eq!(store.get(&Key::new("p", "again")).await.unwrap().unwrap().version, opening + 1);
        let listed = store.list("p", "new".."new~").await.unwrap();
        assert_eq!(listed.len() as u64, opening + 1);
    }
}

#[tokio::test]
async fn watchers_learn_of_commits_but_not_of_refused_ones() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    let mut committed = store.committed();
    store.commit(put("a", Expect::Absent)).await.unwrap();
    assert!(committed.has_changed().unwrap());
    assert_eq!(*committed.borrow_and_update(), 1);
    let refused = store.commit(put("a", Expect::Absent)).await;
    assert!(matches!(refused, Err(CommitError::Conflict(_))));
    assert!(!committed.has_changed().unwrap());
}

#[tokio::test]
async fn the_log_and_the_store_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let clock = || cloudping_model::UtcMicros(0);
    let log = cloudping_backend_local::LocalLog::open(dir.path(), clock).unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    store.commit(put("a", Expect::Absent)).await.unwrap();
    assert_eq!(*log.appended().borrow(), 0);
}
