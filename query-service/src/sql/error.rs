//! Why a statement has no answer, in words that help its author.

use std::time::Duration;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use crate::archive::ArchiveError;

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// It is no reading statement.
    #[error(
        "only one reading statement is answered here: SELECT (also WITH, VALUES and set operations) or DESCRIBE; everything else, EXPLAIN too, is refused"
    )]
    NotReading,
    /// It is malformed, names what does not exist, or fails on the data.
    #[error("{0}")]
    Invalid(String),
    /// It is too long.
    #[error(
        "the statement is longer than {limit} bytes: shorten it, for instance by a join or a range instead of a long list"
    )]
    TooLong {
        /// The most bytes.
        limit: usize,
    },
    /// It has too many words and signs.
    #[error(
        "the statement has more than {limit} words and signs: shorten it, for instance by a join or a range instead of a long list"
    )]
    TooManyTokens {
        /// The most of them.
        limit: usize,
    },
    /// The parser cannot tell in reasonable time what is meant.
    #[error(
        "the statement nests too deeply to be read: close every CASE and every parenthesis, and use WITH for inner queries"
    )]
    TooAmbiguous,
    /// It makes values that may be very long.
    #[error("the statement may make rows of more than {limit} bytes: join fewer texts and lists to one another")]
    TooWide {
        /// The most bytes of a row.
        limit: usize,
    },
    /// It took too long.
    #[error("the statement ran for more than {} s and was stopped: narrow it by date, source and target, or read rollup_1h instead of samples", .limit.as_secs_f64())]
    TooSlow {
        /// The most time.
        limit: Duration,
    },
    /// It needed too much memory.
    #[error(
        "the statement needed more memory than there is for statements: narrow it by date, source and target, group by fewer columns, or read rollup_1h instead of samples"
    )]
    TooBig,
    /// It needed too much room on disk, where sorts and groups go that do not fit into memory.
    #[error(
        "the statement needed more room on disk than there is for statements: narrow it by date, source and target, or sort and group fewer rows and columns"
    )]
    TooMuchDisk,
    /// Its answer has too many rows.
    #[error("the answer has more than {limit} rows: add a LIMIT, group, or narrow it by date, source and target")]
    TooManyRows {
        /// The most rows.
        limit: usize,
    },
    /// Its answer has too many bytes.
    #[error(
        "the answer has more than {limit} bytes: select fewer columns, add a LIMIT, or narrow it by date, source and target"
    )]
    TooManyBytes {
        /// The most bytes.
        limit: usize,
    },
    /// Whoever asked does not take the answer.
    #[error("the answer waited for more than {} s to be taken, and was stopped: take it faster, or ask for less at a time", .limit.as_secs_f64())]
    SlowReader {
        /// The most time.
        limit: Duration,
    },
    /// Too many others are running, and wait.
    #[error("{limit} statements are running, and no more at a time: try again in a moment")]
    Busy {
        /// The most statements.
        limit: usize,
    },
    /// A file of the archive is broken.
    #[error(
        "the archive's file {path} {fault}: narrow the statement to dates that do not need it, or have the right file put in its place"
    )]
    Broken {
        /// The file, from the table's name on.
        path: String,
        /// What is wrong with it.
        fault: String,
    },
    /// Nothing the author can mend; the text is for the log only.
    #[error("{0}")]
    Failed(String),
}

impl From<ArchiveError> for SqlError {
    fn from(error: ArchiveError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<arrow::error::ArrowError> for SqlError {
    fn from(error: arrow::error::ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}

impl From<DataFusionError> for SqlError {
    /// Errors of planning and of the data are the author's. Others may hold the server's paths: they go to the log.
    fn from(error: DataFusionError) -> Self {
        // The engine tells of this in whatever error the writer of its files has.
        if error.strip_backtrace().contains("disk space during the spilling process") {
            return Self::TooMuchDisk;
        }
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::TooBig,
            root @ (DataFusionError::SQL(..)
            | DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)) => Self::Invalid(root.strip_backtrace()),
            // What the data would not do: not the statement's doing.
            DataFusionError::ArrowError(source, _)
                if matches!(
                    **source,
                    ArrowError::ParquetError(_) | ArrowError::ExternalError(_) | ArrowError::IoError(..)
                ) =>
            {
                Self::Failed(error.strip_backtrace())
            }
            root @ (DataFusionError::ArrowError(..) | DataFusionError::Execution(_)) => {
                let text = root.strip_backtrace();
                if text.contains("file:") || text.contains("://") { Self::Failed(text) } else { Self::Invalid(text) }
            }
            _ => Self::Failed(error.strip_backtrace()),
        }
    }
}
