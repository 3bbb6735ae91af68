//! What can go wrong in an export.

use deltalake_core::logstore::object_store;
use parquet::errors::ParquetError;

use crate::TableError;

/// Why an export is not complete. What was finished before stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A table could not be read.
    #[error("export: {0}")]
    Table(#[from] TableError),
    /// A file could not be read, written or removed.
    #[error("export: {path}: {source}")]
    Storage {
        /// Which.
        path: String,
        /// What the storage said.
        source: object_store::Error,
    },
    /// Rows could not be encoded.
    #[error("export: {path}: cannot encode its rows: {source}")]
    Encode {
        /// Of which file.
        path: String,
        /// What the encoder said.
        source: ParquetError,
    },
    /// The folder holds something else, or the manifest of another release.
    #[error("export: {path}: {reason}, expected what an export wrote; choose an empty folder")]
    Foreign {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}
