//! Where the tables lie, and how they come to be.

use std::collections::HashMap;
use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::logstore::object_store::path::Path as Key;
use deltalake_core::logstore::object_store::{Error as StorageError, ObjectStore, ObjectStoreExt};
use deltalake_core::logstore::{LogStoreConfig, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::{DeltaResult, DeltaTable, DeltaTableBuilder, DeltaTableError, TableProperty};
use url::Url;

use crate::{Table, TableError};

/// Commits between two checkpoints of a table's log: without one, opening the table reads every commit.
const COMMITS_PER_CHECKPOINT: usize = 20;

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
            return self.with_every_column(table, open).await;
        }
        match self.create(table).await {
            Ok(created) => Ok(created),
            // Another process may have been faster: then its table is as good as ours.
            Err(failed) => self.open(table).await?.ok_or(failed),
        }
    }

    /// A table of an older release gets the columns that came since. Its files keep theirs: what they lack is null.
    async fn with_every_column(&self, table: Table, open: DeltaTable) -> Result<DeltaTable, TableError> {
        let wanted = self.columns(table)?;
        let there = open.snapshot().map_err(self.error(table, "read its columns"))?.schema();
        let missing: Vec<_> = wanted.fields().filter(|field| there.field(field.name()).is_none()).cloned().collect();
        if missing.is_empty() {
            return Ok(open);
        }
        match open.clone().add_columns().with_fields(missing).await {
            Ok(done) => Ok(done),
            // Another process may have been faster.
            Err(failed) => match self.open(table).await? {
                Some(newest) if newest.version() > open.version() => {
                    Box::pin(self.with_every_column(table, newest)).await
                }
                _ => Err(self.error(table, "add columns")(failed)),
            },
        }
    }

    fn columns(&self, table: Table) -> Result<StructType, TableError> {
        (table.schema().as_ref()).try_into_kernel().map_err(self.error(table, "convert its schema"))
    }

    /// The folder of this machine that a table lies in; `None` in a storage.
    pub(crate) fn folder(&self, table: Table) -> Option<PathBuf> {
        let uri = self.uri(table);
        match (&self.storage, uri.contains("://")) {
            (Some(_), _) => None,
            (None, true) => Url::parse(&uri).ok()?.to_file_path().ok(),
            (None, false) => Some(uri.into()),
        }
    }

    /// The file of this name that lies beside the tables; `None` if there is none.
    pub(crate) async fn beside(&self, name: &str) -> Result<Option<Bytes>, Box<dyn Error + Send + Sync>> {
        let Some(storage) = &self.storage else {
            let folder = self.folder(Table::Regions).ok_or("no folder of this machine")?;
            return match tokio::fs::read(folder.with_file_name(name)).await {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.into()),
            };
        };
        let place = Url::parse(&format!("{}/{name}", self.root))?;
        match storage.get(&Key::from_url_path(place.path())?).await {
            Ok(object) => Ok(Some(object.bytes().await?)),
            Err(StorageError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the newest version of a table; `None` if there is no such table yet. Looking makes nothing, not even a folder.
    ///
    /// # Errors
    /// [`TableError`] when the storage fails.
    pub async fn open(&self, table: Table) -> Result<Option<DeltaTable>, TableError> {
        // Delta would make the folder of a table that it is to open.
        if self.folder(table).is_some_and(|folder| !folder.is_dir()) {
            return Ok(None);
        }
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
        let columns = self.columns(table)?;
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
            .with_partition_columns(table.partition())
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
