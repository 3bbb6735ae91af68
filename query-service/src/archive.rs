//! The archive's tables as they are at the moment of a query.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{FieldRef, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use cloudping_schemas::catalogue::{Catalogue, Region};
use cloudping_schemas::tables::{self, Origin};
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{col, lit};
use deltalake_core::logstore::object_store::ObjectStore;
use deltalake_core::logstore::{LogStoreConfig, StorageConfig, default_logstore};
use deltalake_core::{DeltaResult, DeltaTable, DeltaTableBuilder, DeltaTableError};
use tokio::sync::Mutex;
use url::Url;

use crate::Settings;
use crate::broken::broken_file;

/// The column that tells where a row comes from.
const ORIGIN: &str = "origin";

/// Why the archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The tables' address is malformed.
    #[error("tables_url is {url:?}, expected an address such as file:///var/lib/cloudping/tables: {reason}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A Delta table cannot be read.
    #[error("archive: table {table}: {source}")]
    Delta {
        /// Which table.
        table: &'static str,
        /// What Delta Lake says.
        source: DeltaTableError,
    },
    /// A table cannot be offered to DataFusion.
    #[error("archive: {0}")]
    DataFusion(#[from] DataFusionError),
}

/// Of a table of samples or rollups the rows that a service shows: those that this archive's own producers measured, on the network that the
/// service is of. What was imported is no part of their series.
///
/// # Errors
/// DataFusion's.
pub(crate) fn shown(rows: DataFrame, simulated: bool) -> Result<DataFrame, DataFusionError> {
    if !rows.schema().has_column_with_unqualified_name(ORIGIN) {
        // A table of an older release, into which nothing could be imported.
        return Ok(rows);
    }
    let measured = col(ORIGIN).is_null();
    if !simulated {
        return rows.filter(measured);
    }
    // Older releases did not tell the rows of a simulated network apart.
    rows.filter(measured.or(col(ORIGIN).eq(lit(Origin::Simulated.stored().unwrap_or_default()))))
}

/// A table that statements may read.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns; what each holds is in its metadata, as `comment`.
    pub schema: SchemaRef,
}

/// The Delta tables under one address.
pub struct Archive {
    tables: Vec<Arc<ArchiveTable>>,
}

/// The schema that one session sees. A table is read when a statement names it, so that no statement waits for the logs of tables that it has no use
/// for.
#[derive(Debug)]
struct AsOfNow {
    tables: Vec<Arc<ArchiveTable>>,
    others: HashMap<&'static str, Arc<dyn TableProvider>>,
    session: Arc<SessionState>,
}

#[async_trait]
impl SchemaProvider for AsOfNow {
    fn table_names(&self) -> Vec<String> {
        self.tables.iter().map(|table| table.name).chain(self.others.keys().copied()).map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(table) = self.tables.iter().find(|table| table.name == name) else {
            return Ok(self.others.get(name).cloned());
        };
        let provider = table.provider(&self.session).await;
        provider.map(Some).map_err(|error| DataFusionError::External(Box::new(error)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.others.contains_key(name) || self.tables.iter().any(|table| table.name == name)
    }
}

#[derive(Debug)]
struct ArchiveTable {
    name: &'static str,
    schema: SchemaRef,
    address: Url,
    storage: Option<Arc<dyn ObjectStore>>,
    /// What it holds before it was first committed to.
    before: Arc<MemTable>,
    /// The table as it was read last: reading it again costs only what was committed since.
    handle: Mutex<Option<DeltaTable>>,
}

impl Archive {
    /// The archive at the settings' address. The tables need not exist yet.
    ///
    /// # Errors
    /// [`ArchiveError::Address`]; [`ArchiveError::DataFusion`] when the catalogue does not fit the table's columns.
    pub fn new(settings: &Settings) -> Result<Self, ArchiveError> {
        let regions = tables::regions();
        let catalogue = catalogued(&settings.catalogue, &regions).map_err(DataFusionError::from)?;
        let tables = [
            (tables::SAMPLES, tables::samples(), vec![]),
            (tables::ROLLUP_1H, tables::rollup_1h(), vec![]),
            (tables::ROLLUP_1D, tables::rollup_1d(), vec![]),
            (tables::CHANGES, tables::changes(), vec![]),
            (tables::REGIONS, regions, vec![catalogue]),
        ];
        let table = |(name, schema, before): (&'static str, SchemaRef, Vec<RecordBatch>)| {
            let (address, storage) = (address(&settings.tables_url, name)?, settings.tables_storage.clone());
            let before = Arc::new(MemTable::try_new(Arc::clone(&schema), vec![before])?);
            Ok(Arc::new(ArchiveTable { name, schema, address, storage, before, handle: Mutex::new(None) }))
        };
        let tables = tables.into_iter().map(table).collect::<Result<_, ArchiveError>>()?;
        Ok(Self { tables })
    }

    /// A schema that holds every table at the version that is the newest when a statement asks for it, and others beside them. A table that
    /// exists and cannot be read is an [`ArchiveError::Delta`] within DataFusion's error.
    pub fn schema(
        &self,
        session: Arc<SessionState>,
        others: impl IntoIterator<Item = (&'static str, Arc<dyn TableProvider>)>,
    ) -> Arc<dyn SchemaProvider> {
        Arc::new(AsOfNow { tables: self.tables.clone(), others: others.into_iter().collect(), session })
    }

    /// Every table with its documented columns.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        self.tables.iter().map(|table| Table { name: table.name, schema: Arc::clone(&table.schema) }).collect()
    }

    /// The versions of the tables that were read last; a table that is being read meanwhile is left out.
    pub fn versions(&self) -> Vec<(&'static str, i64)> {
        let version = |table: &Arc<ArchiveTable>| {
            let handle = table.handle.try_lock().ok()?;
            let version = handle.as_ref()?.version()?;
            Some((table.name, i64::try_from(version).unwrap_or(i64::MAX)))
        };
        self.tables.iter().filter_map(version).collect()
    }

    /// The first file of a table that is broken, as `table/partition/file`, and what is wrong with it; looks at the versions that were read last.
    pub async fn broken_file(&self) -> Option<(String, String)> {
        for table in &self.tables {
            let handle = table.handle.lock().await.clone();
            if let Some(open) = handle
                && let Some((path, fault)) = broken_file(&open, &table.schema).await
            {
                return Some((format!("{}/{path}", table.name), fault));
            }
        }
        None
    }
}

impl ArchiveTable {
    async fn provider(&self, session: &Arc<SessionState>) -> Result<Arc<dyn TableProvider>, ArchiveError> {
        let delta = |source| ArchiveError::Delta { table: self.name, source };
        let mut handle = self.handle.lock().await;
        if handle.is_none() {
            *handle = self.open().await.map_err(delta)?;
        }
        let Some(table) = handle.as_mut() else {
            return Ok(Arc::clone(&self.before) as _);
        };
        table.update_state().await.map_err(delta)?;
        let provider = table.table_provider().with_session(self.reading(session));
        Ok(provider.await?)
    }

    /// How the session reads this table: the texts of the many samples as views, which copy nothing and are compared by their first bytes.
    fn reading(&self, session: &Arc<SessionState>) -> Arc<SessionState> {
        let mut state = Arc::clone(session);
        if self.name == tables::SAMPLES {
            let options = Arc::make_mut(&mut state).config_mut().options_mut();
            options.execution.parquet.schema_force_view_types = true;
        }
        state
    }

    /// The table, if anything was ever committed to it.
    async fn open(&self) -> DeltaResult<Option<DeltaTable>> {
        let table = match self.place() {
            Ok(table) => table,
            // A local folder that does not exist is no storage.
            Err(DeltaTableError::InvalidTableLocation(_) | DeltaTableError::NotATable(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(table.verify_deltatable_existence().await?.then_some(table))
    }

    fn place(&self) -> DeltaResult<DeltaTable> {
        let Some(storage) = &self.storage else {
            return DeltaTableBuilder::from_url(self.address.clone())?.build();
        };
        // Delta's registry of storages is passed by: it is one for the process, and knows no credentials.
        let options = StorageConfig::default();
        let below = LogStoreConfig::new(&self.address, options.clone()).decorate_store(Arc::clone(storage), None)?;
        Ok(DeltaTable::new(default_logstore(Arc::from(below), Arc::clone(storage), &self.address, &options)))
    }
}

/// Where a table is under the tables' address.
fn address(root: &str, table: &str) -> Result<Url, ArchiveError> {
    let url = format!("{}/{table}", root.trim_end_matches('/'));
    url.parse().map_err(|error| ArchiveError::Address { reason: format!("{error}"), url })
}

/// The catalogue as rows of `regions`: what can be told of them before the first upkeep of the archive has written that table.
fn catalogued(catalogue: &Catalogue, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let regions = catalogue.regions();
    let text =
        |get: fn(&Region) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(regions.iter().map(get))) };
    let number =
        |get: fn(&Region) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(regions.iter().map(get))) };
    let column = |field: &FieldRef| match field.name().as_str() {
        "id" => text(|region| &region.id),
        "provider" => text(|region| &region.provider),
        "partition" => text(|region| &region.partition),
        "name" => text(|region| &region.name),
        "city" => text(|region| &region.city),
        "country" => text(|region| &region.country),
        "continent" => text(|region| &region.continent),
        "latitude" => number(|region| region.latitude),
        "longitude" => number(|region| region.longitude),
        _ => new_null_array(field.data_type(), regions.len()),
    };
    RecordBatch::try_new(Arc::clone(schema), schema.fields().iter().map(column).collect())
}
