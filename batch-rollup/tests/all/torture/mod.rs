//! Compaction and vacuum, alone and under torture.

mod compact;
mod killed;
mod simulated;
mod snapshot;
mod vacuum;
