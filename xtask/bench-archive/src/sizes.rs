//! Bytes of a table's columns, from its files' footers.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use cloudping_batch_rollup::{Table, Tables};
use parquet::file::reader::{FileReader, SerializedFileReader};
use url::Url;

use crate::Result;

/// What a table's files hold.
#[derive(Debug, Default)]
pub struct Sizes {
    /// Rows.
    pub rows: u64,
    /// Bytes of whole files.
    pub bytes: u64,
    /// Compressed bytes of each column.
    pub columns: BTreeMap<String, u64>,
}

impl Sizes {
    /// Bytes a row of some columns.
    #[must_use]
    pub fn per_row(&self, columns: &[&str]) -> f64 {
        columns.iter().filter_map(|column| self.columns.get(*column)).sum::<u64>() as f64 / self.rows as f64
    }
}

/// The files of a table's newest version; the table must lie on this machine.
///
/// # Errors
/// When there is no such table, or it cannot be read.
pub async fn files(tables: &Tables, table: Table) -> Result<Vec<PathBuf>> {
    let open = tables.open(table).await?.ok_or_else(|| format!("there is no table {}", table.name()))?;
    let mut files = Vec::new();
    for uri in open.get_file_uris()? {
        let path = match Url::parse(&uri) {
            Ok(url) => url.to_file_path().map_err(|()| format!("{uri} is no file of this machine"))?,
            Err(_) => PathBuf::from(uri),
        };
        files.push(path);
    }
    files.sort();
    Ok(files)
}

/// Adds up the footers of files.
///
/// # Errors
/// When a file cannot be read.
pub fn sizes(files: &[PathBuf]) -> Result<Sizes> {
    let mut sizes = Sizes::default();
    for path in files {
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        sizes.bytes += file.metadata()?.len();
        let reader = SerializedFileReader::new(file).map_err(|error| format!("{}: {error}", path.display()))?;
        for group in reader.metadata().row_groups() {
            sizes.rows += group.num_rows().unsigned_abs();
            for column in group.columns() {
                let name = column.column_path().string();
                *sizes.columns.entry(name).or_default() += column.compressed_size().unsigned_abs();
            }
        }
    }
    Ok(sizes)
}
