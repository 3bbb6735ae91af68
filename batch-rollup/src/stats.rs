//! What the tables weigh: files, rows, bytes, the time that they cover, and what each column costs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use cloudping_model::UtcMicros;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::{Add, LogicalFileView};
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use futures::{StreamExt, TryStreamExt, stream};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::{Progress, Table, TableError, Tables};

/// A file below this size that is not alone in its folder is a small one: opening it costs a reader about what reading it does.
pub const SMALL_BYTES: u64 = 16 << 20;
/// Footers that are read at a time.
const FOOTERS: usize = 8;
/// Read of each file's end at once: most footers fit.
const FOOTER_BYTES: u64 = 64 << 10;

/// What one table's newest version weighs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableStats {
    /// The version.
    pub version: u64,
    /// Its files.
    pub files: u64,
    /// Those of them below [`SMALL_BYTES`] that are not alone in their folder.
    pub small_files: u64,
    /// Rows in its files, as far as the log tells.
    pub rows: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// The least value of the table's time column, in µs since 1970-01-01 UTC; `None` where no file tells it, or the table has no such column.
    pub first: Option<UtcMicros>,
    /// The greatest, likewise.
    pub last: Option<UtcMicros>,
    /// Files in the table's folders that this version does not have: of older versions, or of commits that never were.
    pub unreferenced_files: u64,
    /// Bytes of those.
    pub unreferenced_bytes: u64,
    /// What each column costs, in the order of the table's schema; empty unless it was asked for.
    pub columns: Vec<ColumnStats>,
}

/// What one column costs, in all files together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnStats {
    /// Its name.
    pub name: String,
    /// Bytes in the files: encoded and compressed, without page indexes and the footer.
    pub bytes: u64,
    /// Bytes encoded, before compression.
    pub encoded_bytes: u64,
}

/// Weighs tables.
pub struct Stats {
    tables: Tables,
}

impl Stats {
    /// Of these tables.
    #[must_use]
    pub fn new(tables: Tables) -> Self {
        Self { tables }
    }

    /// Weighs the newest version of a table; `None` if there is no such table. With `columns` the footer of each file is read.
    ///
    /// # Errors
    /// [`TableError`], which names the file where one is to blame.
    pub async fn run(
        &self,
        table: Table,
        columns: bool,
        progress: &dyn Progress,
    ) -> Result<Option<TableStats>, TableError> {
        let Some(open) = self.tables.open(table).await? else { return Ok(None) };
        let snapshot = open.snapshot().map_err(self.tables.error(table, "list its files"))?;
        let files: Vec<File> = snapshot.log_data().iter().map(|file| File::of(&file)).collect();
        let stored = open.object_store().list(None).try_collect::<Vec<_>>().await;
        let stored = stored.map_err(self.tables.error(table, "list its folder"))?;
        let mut stats = weigh(&files, &stored, table.time());
        stats.version = open.version().unwrap_or(0);
        if columns {
            progress.stage(&format!("{}: reading footers", table.name()), stats.files, "files");
            stats.columns = self.columns(table, &open, &files, progress).await?;
        }
        Ok(Some(stats))
    }

    async fn columns(
        &self,
        table: Table,
        open: &DeltaTable,
        files: &[File],
        progress: &dyn Progress,
    ) -> Result<Vec<ColumnStats>, TableError> {
        let storage = open.object_store();
        let footers = files.iter().map(|file| {
            let storage = Arc::clone(&storage);
            async move {
                let footer = footer(storage, file).await.map_err(|error| {
                    let named = format!("file {}: {error}", file.path);
                    self.tables.error(table, "read a footer")(named)
                });
                progress.advance(1);
                footer
            }
        });
        let mut costs = HashMap::new();
        let mut footers = stream::iter(footers).buffer_unordered(FOOTERS);
        while let Some(footer) = footers.try_next().await? {
            add_columns(&mut costs, &footer);
        }
        Ok(in_order(table, costs))
    }
}

/// A file of the table's version, as far as it matters here.
#[derive(Debug, Clone)]
struct File {
    path: Path,
    bytes: u64,
    facts: Add,
}

impl File {
    fn of(file: &LogicalFileView) -> Self {
        Self {
            path: file.object_store_path(),
            bytes: u64::try_from(file.size()).unwrap_or(0),
            facts: Add { stats: file.stats(), ..Add::default() },
        }
    }

    fn folder(&self) -> Vec<String> {
        let mut parts: Vec<String> = self.path.parts().map(|part| part.as_ref().to_owned()).collect();
        parts.pop();
        parts
    }
}

/// Weighs the files of a version, beside all that is stored in the table's folder.
fn weigh(files: &[File], stored: &[ObjectMeta], time: Option<&str>) -> TableStats {
    let mut stats = TableStats { files: files.len() as u64, ..TableStats::default() };
    let mut folders: BTreeMap<Vec<String>, (u64, u64)> = BTreeMap::new();
    for file in files {
        stats.bytes += file.bytes;
        let (in_folder, small) = folders.entry(file.folder()).or_default();
        *in_folder += 1;
        *small += u64::from(file.bytes < SMALL_BYTES);
        let Ok(Some(told)) = file.facts.get_stats() else { continue };
        stats.rows += u64::try_from(told.num_records).unwrap_or(0);
        let extreme = |values: &HashMap<String, _>| moment(values.get(time?)?);
        let (first, last) = (extreme(&told.min_values), extreme(&told.max_values));
        stats.first = stats.first.into_iter().chain(first).min();
        stats.last = stats.last.into_iter().chain(last).max();
    }
    stats.small_files = folders.values().filter(|(all, _)| *all > 1).map(|(_, small)| small).sum();
    let listed: HashSet<&Path> = files.iter().map(|file| &file.path).collect();
    let stray = stored.iter().filter(|object| is_data(&object.location) && !listed.contains(&object.location));
    for object in stray {
        stats.unreferenced_files += 1;
        stats.unreferenced_bytes += object.size;
    }
    stats
}

/// Whether an object is a table's data rather than its log: what begins with an underscore or a dot is none, as every reader of Delta has it.
fn is_data(path: &Path) -> bool {
    !path.parts().any(|part| part.as_ref().starts_with(['_', '.']))
}

/// A moment, or the start of a day, in a file's statistics.
fn moment(value: &deltalake_core::protocol::ColumnValueStat) -> Option<UtcMicros> {
    let text = value.as_value()?.as_str()?;
    let moment = DateTime::parse_from_rfc3339(text).map(|moment| moment.timestamp_micros());
    let day = || Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros());
    moment.ok().or_else(day).map(UtcMicros)
}

async fn footer(storage: Arc<dyn ObjectStore>, file: &File) -> Result<ParquetMetaData, Box<dyn Error + Send + Sync>> {
    let mut wanted = FOOTER_BYTES;
    let mut reader = ParquetMetaDataReader::new();
    loop {
        let end = storage.get_range(&file.path, file.bytes.saturating_sub(wanted)..file.bytes).await?;
        match reader.try_parse_sized(&end, file.bytes) {
            Ok(()) => return Ok(reader.finish()?),
            Err(ParquetError::NeedMoreData(more)) if more as u64 > wanted => wanted = more as u64,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Adds what a file's columns cost. A nested column, of which the tables have none, counts by its root.
fn add_columns(costs: &mut HashMap<String, ColumnStats>, footer: &ParquetMetaData) {
    for column in footer.row_groups().iter().flat_map(|group| group.columns()) {
        let name = column.column_path().parts().first().cloned().unwrap_or_default();
        let cost = costs.entry(name.clone()).or_insert_with(|| ColumnStats { name, ..ColumnStats::default() });
        cost.bytes += u64::try_from(column.compressed_size()).unwrap_or(0);
        cost.encoded_bytes += u64::try_from(column.uncompressed_size()).unwrap_or(0);
    }
}

/// The columns in the order of the schema, then those that it does not know. A partition's column is in no file.
fn in_order(table: Table, mut costs: HashMap<String, ColumnStats>) -> Vec<ColumnStats> {
    let schema = table.schema();
    let mut columns: Vec<ColumnStats> = schema.fields().iter().filter_map(|field| costs.remove(field.name())).collect();
    let mut others: Vec<ColumnStats> = costs.into_values().collect();
    others.sort_by(|one, other| one.name.cmp(&other.name));
    columns.append(&mut others);
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: u64, rows: i64, first: &str, last: &str) -> File {
        let stats = format!(
            r#"{{"numRecords":{rows},"minValues":{{"ts":"{first}"}},"maxValues":{{"ts":"{last}"}},"nullCount":{{}}}}"#
        );
        File { path: Path::from(path), bytes, facts: Add { stats: Some(stats), ..Add::default() } }
    }

    fn object(path: &str, size: u64) -> ObjectMeta {
        ObjectMeta { location: Path::from(path), last_modified: DateTime::UNIX_EPOCH, size, e_tag: None, version: None }
    }

    #[test]
    fn files_are_weighed_beside_what_is_stored() {
        let files = [
            file("date=1970-01-01/a.parquet", 10, 3, "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:01.000Z"),
            file("date=1970-01-01/b.parquet", SMALL_BYTES, 5, "1970-01-01T00:00:00.5Z", "1970-01-01T00:00:02.000Z"),
            file("date=1970-01-02/c.parquet", 20, 7, "1970-01-02", "1970-01-02"),
        ];
        let stored = [
            object("date=1970-01-01/a.parquet", 10),
            object("date=1970-01-01/old.parquet", 11),
            object("_delta_log/00000000000000000000.json", 1_000),
            object("date=1970-01-02/c.parquet", 20),
        ];
        let found = weigh(&files, &stored, Some("ts"));
        let expected = TableStats {
            files: 3,
            small_files: 1,
            rows: 15,
            bytes: 30 + SMALL_BYTES,
            first: Some(UtcMicros(0)),
            last: Some(UtcMicros(86_400_000_000)),
            unreferenced_files: 1,
            unreferenced_bytes: 11,
            ..TableStats::default()
        };
        assert_eq!(found, expected);
        let timeless = weigh(&files, &stored, None);
        assert_eq!((timeless.first, timeless.last, timeless.rows), (None, None, 15));
    }

    #[test]
    fn a_file_without_statistics_still_weighs() {
        let plain = File { path: Path::from("x.parquet"), bytes: 9, facts: Add::default() };
        let found = weigh(&[plain], &[], Some("ts"));
        assert_eq!((found.files, found.small_files, found.rows, found.bytes, found.first), (1, 0, 0, 9, None));
    }
}
