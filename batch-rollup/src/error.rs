//! What can go wrong.

use std::error::Error;

use cloudping_ports::LogError;

use crate::RollupReport;
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

impl TableError {
    /// The file that is to blame, if one is: then other parts of the table are as they should be.
    #[must_use]
    pub fn broken_file(&self) -> Option<&BrokenFile> {
        match self.source.downcast_ref::<FileError>() {
            Some(FileError::Broken(file)) => Some(file),
            _ => None,
        }
    }
}

/// A file that a table's log lists, and that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "file {path} {fault}; put the right one in its place, for instance from a backup: only what is asked of this part of the table needs it"
)]
pub struct BrokenFile {
    /// The file, within the table's folder.
    pub path: String,
    /// What is wrong with it.
    pub fault: FileFault,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// There is none.
    #[error("is missing")]
    Missing,
    /// It is not the one that was written.
    #[error("has {found} bytes, expected {expected}")]
    Size {
        /// As it lies there.
        found: u64,
        /// As the table's log says.
        expected: u64,
    },
    /// It is no Parquet, or its bytes are damaged.
    #[error("is no Parquet, or damaged: {0}")]
    Unreadable(String),
    /// It is a Parquet file of something else.
    #[error("belongs to another table: column {column} is {found}, expected {expected}")]
    Column {
        /// Which column of the table.
        column: String,
        /// What the file has.
        found: String,
        /// What the table has.
        expected: String,
    },
    /// It holds more or fewer rows than were written.
    #[error("has {found} rows, expected {expected}")]
    Rows {
        /// By its footer.
        found: u64,
        /// As the table's log says.
        expected: u64,
    },
    /// It holds rows of another partition, or names none.
    #[error("is in partition {partition}, but has rows from {first} to {last}")]
    Partition {
        /// The partition, as the table's log says.
        partition: String,
        /// The least time in it, RFC 3339 or a date.
        first: String,
        /// The greatest.
        last: String,
    },
    /// Another program deleted rows of it in place.
    #[error(
        "has rows that another program deleted in place (a deletion vector), which this one never does and does not read"
    )]
    Deletions,
}

/// A file of a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file is to blame.
    #[error(transparent)]
    Broken(#[from] BrokenFile),
    /// The storage is: the file may be all right.
    #[error("file {path}: {source}")]
    Storage {
        /// The file, within the table's folder.
        path: String,
        /// What the storage says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// What was made of files is not of the table's schema.
    #[error("rows: {0}")]
    Rows(#[from] arrow::error::ArrowError),
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
    /// Some hours and days need files that are broken. All others are up to date.
    #[error("rollup: all but {} hours and days are up to date: {}", .broken.len(), listed(.broken))]
    Broken {
        /// What was done all the same.
        report: RollupReport,
        /// Why the others were not; [`TableError::broken_file`] is the file.
        broken: Vec<TableError>,
    },
    /// Other writers won every time.
    #[error("rollup: {0} commits in a row lost to other writers, expected one rollup")]
    Contended(u32),
}

fn listed(errors: &[TableError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
