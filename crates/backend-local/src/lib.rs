//! The local backend: the event log and the live store as two embedded databases in one directory.
//!
//! Both are [redb](https://docs.rs/redb) files. Whatever a call has returned is on disk: a crash at any instruction
//! loses nothing that was acknowledged. The log opens at once even then; the store, which stays small, is checked by
//! redb as it opens. One process uses a directory at a time.
//!
//! No code here reads a clock; the edge passes one in as a [`Clock`].

mod log;
mod log_writer;
mod open;
mod shards;
mod store;
#[cfg(test)]
mod synced;

use cloudping_model::UtcMicros;

pub use log::{DEFAULT_SHARDS, LocalLog};
pub use open::OpenError;
pub use store::LocalStore;

/// Tells the present time; the caller at the edge provides it.
pub type Clock = fn() -> UtcMicros;
