//! What tests of several crates share: in-memory backends, the contract that every backend must keep, and faults.
//!
//! The suites ([`log_contract::run`], [`store_contract::run`]) test what the ports' documentation promises; each
//! backend runs them in its own tests.

pub mod bench_report;
pub mod event_source;
mod faulty;
mod faulty_objects;
mod http_faults;
pub mod log_contract;
mod memory_log;
mod memory_store;
pub mod own_harness;
pub mod servers;
pub mod store_contract;

pub use faulty::{FaultPlan, Faulty, InjectedFault, Operation, When};
pub use faulty_objects::{FaultyObjects, ObjectCall, ObjectOperation, Verdict};
pub use http_faults::{FaultyDoor, HttpFault};
pub use memory_log::MemoryLog;
pub use memory_store::MemoryStore;

/// The runtime that a contract suite runs in: two threads, so that concurrent calls do meet.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts on any machine that runs tests")
}
