//! The manifest of an export, as far as the service needs it: `cloudping-export/1`.

use serde::Deserialize;

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: String,
    pub(crate) license: String,
    /// Whether any row was measured on a simulated network, as far as it is known.
    pub(crate) simulated: Option<bool>,
    pub(crate) partitions: Vec<Partition>,
}

/// A day or a month of a table, or a whole table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Partition {
    pub(crate) table: String,
    pub(crate) format: String,
    /// Such as `date=2026-03-01`; empty where the table has no partitions.
    pub(crate) partition: String,
    pub(crate) revision: u32,
    pub(crate) files: Vec<File>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct File {
    /// Its path below the export's folder.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) first_ts: Option<String>,
    pub(crate) last_ts: Option<String>,
    /// In hexadecimal.
    pub(crate) sha256: String,
}

impl Manifest {
    /// Every file and its partition.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Partition, &File)> {
        self.partitions.iter().flat_map(|partition| partition.files.iter().map(move |file| (partition, file)))
    }

    /// The file of a path, if it is listed.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files().map(|(_, file)| file).find(|file| file.path == path)
    }
}
