//! Compaction and vacuum, alone and under torture.

#[path = "../common/mod.rs"]
mod common;
mod compact;
mod vacuum;
