//! Where the tables lie, how they come to be, and how their files are encoded.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use cloudping_schemas::tables;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::logstore::object_store::ObjectStore;
use deltalake_core::logstore::{LogStoreConfig, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::{DeltaResult, DeltaTable, DeltaTableBuilder, DeltaTableError, TableProperty};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::TableError;

/// Rows of a row group: large enough for long runs, small enough to be read in parallel.
const ROW_GROUP_ROWS: usize = 1_000_000;
/// Rows of a page: smaller ones cost 8 % in size, larger ones make a query for one pair read more.
const PAGE_ROWS: usize = 20_000;
/// Of -7 to 22; 9 saves 1 % more at a sixth of the speed.
const ZSTD_LEVEL: i32 = 3;
/// Commits between two checkpoints of a table's log: without one, opening the table reads every commit.
const COMMITS_PER_CHECKPOINT: usize = 20;

/// One of the archive's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// One row a probe.
    Samples,
    /// One row a series and hour.
    Rollup1h,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 2] = [Self::Samples, Self::Rollup1h];

    /// The table's name, and its folder's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Samples => tables::SAMPLES,
            Self::Rollup1h => tables::ROLLUP_1H,
        }
    }

    /// The table's columns.
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        match self {
            Self::Samples => tables::samples(),
            Self::Rollup1h => tables::rollup_1h(),
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Samples => "One row a probe between two cloud regions.",
            Self::Rollup1h => "One row a series and hour: counts, exact percentiles, a mergeable digest.",
        }
    }

    /// The columns whose least and greatest value each file tells, so that readers can pass over it.
    fn statistics_columns(self) -> &'static str {
        match self {
            Self::Samples => "ts,source,target,epoch,round",
            Self::Rollup1h => "hour,source,target",
        }
    }

    /// Columns whose neighbours are near each other: times and counters that rise, round-trip times that hover.
    fn delta_encoded(self) -> &'static [&'static str] {
        match self {
            Self::Samples => &["ts", "round", "rtt_us", "connect_us"],
            Self::Rollup1h => &["min_us", "max_us"],
        }
    }

    /// How the table's files are encoded.
    ///
    /// zstd over pages; times, rounds and latencies as deltas, everything else by dictionary. BYTE_STREAM_SPLIT would make latencies smaller still,
    /// but Spark's vectorised reader and older Trino refuse it for integers.
    pub(crate) fn writer_properties(self) -> WriterProperties {
        let zstd = ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default();
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(zstd))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_data_page_row_count_limit(PAGE_ROWS);
        for &column in self.delta_encoded() {
            let path = ColumnPath::from(column);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        if self == Self::Rollup1h {
            // Every digest differs, and its extremes help nobody.
            let digest = ColumnPath::from("digest");
            properties = properties
                .set_column_dictionary_enabled(digest.clone(), false)
                .set_column_statistics_enabled(digest, EnabledStatistics::None);
        }
        properties.build()
    }
}

/// The place of the archive's tables. Cheap to copy; opening reads the newest version.
#[derive(Debug, Clone)]
pub struct Tables {
    /// Without a slash at the end.
    root: String,
    /// What the root's host stands for; `None` where the root is a folder of this machine.
    storage: Option<Arc<dyn ObjectStore>>,
}

impl Tables {
    /// Tables under a root such as `file:///srv/cloudping/archive`.
    #[must_use]
    pub fn at(root: &str) -> Self {
        Self { root: root.trim_end_matches('/').to_owned(), storage: None }
    }

    /// Tables under a root such as `s3://bucket/archive`, in a storage whose own root is that of the bucket.
    ///
    /// The storage must put "if absent" ([`PutMode::Create`](deltalake_core::logstore::object_store::PutMode::Create)) for one of any number of
    /// writers at once: by it, and by nothing else, two commits never have one version.
    #[must_use]
    pub fn in_storage(root: &str, storage: Arc<dyn ObjectStore>) -> Self {
        Self { storage: Some(storage), ..Self::at(root) }
    }

    /// Tables in a local directory, absolute or relative to the working directory.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self::at(&directory.to_string_lossy())
    }

    /// Where a table lies.
    #[must_use]
    pub fn uri(&self, table: Table) -> String {
        format!("{}/{}", self.root, table.name())
    }

    /// Opens the newest version of a table; creates the table if it is not there. Any number of processes may do so at once: one creates it.
    ///
    /// # Errors
    /// [`TableError`] when the storage fails.
    pub async fn open_or_create(&self, table: Table) -> Result<DeltaTable, TableError> {
        if let Some(open) = self.open(table).await? {
            return Ok(open);
        }
        match self.create(table).await {
            Ok(created) => Ok(created),
            // Another process may have been faster: then its table is as good as ours.
            Err(failed) => self.open(table).await?.ok_or(failed),
        }
    }

    /// Opens the newest version of a table; `None` if there is no such table yet.
    ///
    /// # Errors
    /// [`TableError`] when the storage fails.
    pub async fn open(&self, table: Table) -> Result<Option<DeltaTable>, TableError> {
        let mut place = self.place(table)?;
        match place.load().await {
            Ok(()) => Ok(Some(place)),
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(error) => Err(self.error(table, "open")(error)),
        }
    }

    /// The table's place, of which nothing is read yet.
    fn place(&self, table: Table) -> Result<DeltaTable, TableError> {
        let place = match &self.storage {
            Some(storage) => in_storage(&self.uri(table), storage),
            None => deltalake_core::ensure_table_uri(self.uri(table))
                .and_then(DeltaTableBuilder::from_url)
                .and_then(DeltaTableBuilder::build),
        };
        place.map_err(self.error(table, "find its place"))
    }

    async fn create(&self, table: Table) -> Result<DeltaTable, TableError> {
        let place = self.place(table)?;
        let columns: StructType =
            (table.schema().as_ref()).try_into_kernel().map_err(self.error(table, "convert its schema"))?;
        let interval = COMMITS_PER_CHECKPOINT.to_string();
        let properties = HashMap::from([
            (TableProperty::DataSkippingStatsColumns, table.statistics_columns()),
            (TableProperty::CheckpointInterval, interval.as_str()),
        ]);
        let mut builder = CreateBuilder::new()
            .with_log_store(place.log_store())
            .with_table_name(table.name())
            .with_comment(table.description())
            .with_columns(columns.fields().cloned())
            .with_partition_columns([tables::PARTITION])
            // Without retries a second creator fails; with them it would define the table again on top of the first.
            .with_commit_properties(CommitProperties::default().with_max_retries(0));
        for (key, value) in properties {
            builder = builder.with_configuration_property(key, Some(value));
        }
        builder.await.map_err(self.error(table, "create it"))
    }

    /// Wraps an error about a table.
    pub(crate) fn error<E>(&self, table: Table, doing: &'static str) -> impl Fn(E) -> TableError + use<E>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let uri = self.uri(table);
        move |source| TableError { table: table.name(), uri: uri.clone(), doing, source: source.into() }
    }
}

/// A table in a storage of one's own. Delta's registry of storages is passed by: it is one for the process, and knows no credentials.
fn in_storage(uri: &str, storage: &Arc<dyn ObjectStore>) -> DeltaResult<DeltaTable> {
    let invalid = |error| DeltaTableError::InvalidTableLocation(format!("{uri}: {error}"));
    let url = uri.parse().map_err(invalid)?;
    let options = StorageConfig::default();
    let below = LogStoreConfig::new(&url, options.clone()).decorate_store(Arc::clone(storage), None)?;
    Ok(DeltaTable::new(default_logstore(Arc::from(below), Arc::clone(storage), &url, &options)))
}
