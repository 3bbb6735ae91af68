//! The local backends keep the contracts of their ports.

use std::cell::Cell;
use std::num::NonZeroU16;

use cloudping_backend_local::{LocalLog, LocalStore};
use cloudping_model::UtcMicros;
use cloudping_testkit::{log_contract, store_contract};

#[test]
fn the_log_keeps_the_contract_with_one_shard_and_with_many() {
    for shards in [1, 4, 9] {
        let base = tempfile::tempdir().unwrap();
        let made = Cell::new(0);
        log_contract::run(async || {
            made.set(made.get() + 1);
            let dir = base.path().join(made.get().to_string());
            let shards = NonZeroU16::new(shards).unwrap();
            LocalLog::open_or_create(&dir, shards, || UtcMicros(0)).unwrap()
        });
    }
}

#[test]
fn the_store_keeps_the_contract() {
    let base = tempfile::tempdir().unwrap();
    let made = Cell::new(0);
    store_contract::run(async || {
        made.set(made.get() + 1);
        LocalStore::open(&base.path().join(made.get().to_string())).unwrap()
    });
}
