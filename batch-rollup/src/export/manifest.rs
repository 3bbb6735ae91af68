//! The manifest: what an export holds, file by file.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::FORMAT;
use super::columns::{Column, columns};
use super::origins::{LICENSE, LICENSE_BY_ORIGIN, imported, simulated};
use crate::Table;

/// How the files of a partition are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ExportFormat {
    /// Parquet, encoded as the archive's own files are.
    #[serde(rename = "parquet")]
    Parquet,
    /// CSV with a header (RFC 4180), gzipped.
    #[serde(rename = "csv.gz")]
    CsvGz,
}

impl ExportFormat {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Parquet, Self::CsvGz];

    /// The end of a file's name, and the manifest's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::CsvGz => "csv.gz",
        }
    }

    /// The folder that the tables' folders of this format lie in, with its slash: engines that read a whole folder must not meet another format.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Parquet => "",
            Self::CsvGz => "csv/",
        }
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path below the export's root.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The least time of its rows, RFC 3339 or a date; none in a table without a time.
    pub first_ts: Option<String>,
    /// The greatest time of its rows.
    pub last_ts: Option<String>,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// A day or a month of a table, or a whole table that has no partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionEntry {
    /// The table's name.
    pub table: String,
    /// How its files are written.
    pub format: ExportFormat,
    /// Its folder below the table's, such as `date=2026-03-01`; empty where the table has no partitions.
    pub partition: String,
    /// 1, and one more each time that its rows had changed when it was exported again.
    pub revision: u32,
    /// The version of the table that this revision was taken from.
    pub table_version: u64,
    /// Its rows.
    pub rows: u64,
    /// Where its rows come from: `measured`, `simulated`, or what they were imported from. Empty for a table that does not say.
    pub origins: BTreeSet<String>,
    /// Its files, in the order of their rows.
    pub files: Vec<FileEntry>,
    /// What was published before, the oldest first: those files are gone, and whoever has one can see that it was replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<Superseded>,
}

impl PartitionEntry {
    /// What an entry is known by: table, format, partition.
    pub(crate) fn key(&self) -> (String, ExportFormat, String) {
        (self.table.clone(), self.format, self.partition.clone())
    }
}

/// A revision that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    /// Which.
    pub revision: u32,
    /// The version of the table that it was taken from.
    pub table_version: u64,
    /// The files that it had.
    pub files: Vec<FileEntry>,
}

/// A table, and what its columns mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEntry {
    /// Its name, and its folder's.
    pub name: String,
    /// What a row is.
    pub description: String,
    /// The column that its folders stand for; it is not in the files.
    pub partition: Option<String>,
    /// The columns, in their order.
    pub columns: Vec<Column>,
}

/// What an export holds. Equal rows make an equal manifest: no clock is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `cloudping-export/1`.
    pub format: String,
    /// The SPDX identifier of the data's licence: `CC-BY-4.0`, or `LicenseRef-by-origin` where rows were imported, for which their own terms hold.
    pub license: String,
    /// Whether any row was measured on a simulated network: such an export says nothing about the world. `None` where it cannot be known: no table
    /// of it has origins, and neither do the archive's samples and hours.
    pub simulated: Option<bool>,
    /// Where the rows come from, over all partitions.
    pub origins: BTreeSet<String>,
    /// The tables.
    pub tables: Vec<TableEntry>,
    /// The partitions: table by table, format by format, in the order of time.
    pub partitions: Vec<PartitionEntry>,
}

impl Manifest {
    /// The manifest of these partitions of an archive whose samples come from `of_archive`.
    #[must_use]
    pub fn of(mut partitions: Vec<PartitionEntry>, of_archive: &BTreeSet<String>) -> Self {
        partitions.sort_by_key(|entry| (table_place(&entry.table), entry.key()));
        let origins: BTreeSet<String> = partitions.iter().flat_map(|entry| entry.origins.iter().cloned()).collect();
        let present = |table: &&Table| partitions.iter().any(|entry| entry.table == table.name());
        let tables = Table::ALL.iter().filter(present).map(|&table| TableEntry {
            name: table.name().to_owned(),
            description: table.description().to_owned(),
            partition: table.partition().map(str::to_owned),
            columns: columns(table),
        });
        Self {
            format: FORMAT.to_owned(),
            license: if imported(&origins).is_empty() { LICENSE } else { LICENSE_BY_ORIGIN }.to_owned(),
            simulated: simulated(&partitions, &origins, of_archive),
            tables: tables.collect(),
            origins,
            partitions,
        }
    }

    /// Every file, in the order of the partitions.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.partitions.iter().flat_map(|entry| &entry.files)
    }
}

fn table_place(name: &str) -> usize {
    Table::ALL.iter().position(|table| table.name() == name).unwrap_or(Table::ALL.len())
}
