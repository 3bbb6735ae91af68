//! Compaction and vacuum, alone and under torture.

#[path = "../common/mod.rs"]
mod common;
mod compact;
mod killed;
mod simulated;
mod snapshot;
mod vacuum;
