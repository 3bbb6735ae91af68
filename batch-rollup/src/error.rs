//! What can go wrong.

use std::error::Error;

use cloudping_ports::LogError;

use crate::checkpoint::CheckpointError;

/// A table could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("table {table} at {uri}: {doing}: {source}")]
pub struct TableError {
    /// The table's name.
    pub table: &'static str,
    /// Where it lies.
    pub uri: String,
    /// What was being done.
    pub doing: &'static str,
    /// What the storage or the engine said.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Why the archive did not catch up with the log. What was committed before stays, and the next run continues there.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The log failed.
    #[error("archive: {0}")]
    Log(#[from] LogError),
    /// The table failed.
    #[error("archive: {0}")]
    Table(#[from] TableError),
    /// A checkpoint cannot be kept or read.
    #[error("archive: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Other writers won every time.
    #[error("archive: {0} commits in a row lost to other writers, expected one archiver")]
    Contended(u32),
}

/// Why the rollup was not brought up to date. What was committed before stays, and the next run does the rest.
#[derive(Debug, thiserror::Error)]
pub enum RollupError {
    /// A table failed.
    #[error("rollup: {0}")]
    Table(#[from] TableError),
    /// Other writers won every time.
    #[error("rollup: {0} commits in a row lost to other writers, expected one rollup")]
    Contended(u32),
}
