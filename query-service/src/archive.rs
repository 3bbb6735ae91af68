//! The archive's tables as they are at the moment of a query.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use cloudping_model::VantageId;
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
/// The name of the table of regions.
pub const REGIONS: &str = "regions";

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
    /// The regions or a table cannot be offered to DataFusion.
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

/// The Delta tables under one address, and the table of regions.
pub struct Archive {
    tables: Vec<Arc<ArchiveTable>>,
    regions: Arc<MemTable>,
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
    /// The table as it was read last: reading it again costs only what was committed since.
    handle: Mutex<Option<DeltaTable>>,
}

impl Archive {
    /// The archive at the settings' address. The tables need not exist yet.
    ///
    /// # Errors
    /// [`ArchiveError::Address`].
    pub fn new(settings: &Settings) -> Result<Self, ArchiveError> {
        let schemas = [
            (tables::SAMPLES, tables::samples()),
            (tables::ROLLUP_1H, tables::rollup_1h()),
            (tables::ROLLUP_1D, tables::rollup_1d()),
            (tables::CHANGES, tables::changes()),
        ];
        let table = |(name, schema)| {
            let (address, storage) = (address(&settings.tables_url, name)?, settings.tables_storage.clone());
            Ok(Arc::new(ArchiveTable { name, schema, address, storage, handle: Mutex::new(None) }))
        };
        let tables = schemas.into_iter().map(table).collect::<Result<_, ArchiveError>>()?;
        Ok(Self { tables, regions: Arc::new(regions(&settings.catalogue, &settings.vantages)?) })
    }

    /// A schema that holds every table at the version that is the newest when a statement asks for it, and others beside them. A table that
    /// exists and cannot be read is an [`ArchiveError::Delta`] within DataFusion's error.
    pub fn schema(
        &self,
        session: Arc<SessionState>,
        others: impl IntoIterator<Item = (&'static str, Arc<dyn TableProvider>)>,
    ) -> Arc<dyn SchemaProvider> {
        let regions: Arc<dyn TableProvider> = Arc::clone(&self.regions) as _;
        let others = others.into_iter().chain([(REGIONS, regions)]).collect();
        Arc::new(AsOfNow { tables: self.tables.clone(), others, session })
    }

    /// Every table with its documented columns.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let tables = self.tables.iter().map(|table| Table { name: table.name, schema: Arc::clone(&table.schema) });
        let regions = Table { name: REGIONS, schema: self.regions.schema() };
        tables.chain([regions]).collect()
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
            // Before the first commit there is no table: an empty one has the same columns.
            let empty = MemTable::try_new(Arc::clone(&self.schema), vec![vec![]])?;
            return Ok(Arc::new(empty));
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

/// The catalogue as a table.
fn regions(catalogue: &Catalogue, vantages: &[VantageId]) -> Result<MemTable, DataFusionError> {
    type Text = (&'static str, fn(&Region) -> &str);
    type Number = (&'static str, fn(&Region) -> f64);
    let texts: [Text; 7] = [
        ("id", |region| &region.id),
        ("provider", |region| &region.provider),
        ("partition", |region| &region.partition),
        ("name", |region| &region.name),
        ("city", |region| &region.city),
        ("country", |region| &region.country),
        ("continent", |region| &region.continent),
    ];
    let rows = catalogue.regions();
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (name, get) in texts {
        fields.push(Field::new(name, DataType::Utf8, false));
        columns.push(Arc::new(StringArray::from_iter_values(rows.iter().map(get))));
    }
    let numbers: [Number; 2] = [("latitude", |region| region.latitude), ("longitude", |region| region.longitude)];
    for (name, get) in numbers {
        fields.push(Field::new(name, DataType::Float64, false));
        columns.push(Arc::new(Float64Array::from_iter_values(rows.iter().map(get))));
    }
    let is_vantage = |region: &Region| Some(vantages.iter().any(|id| id.as_str() == region.id));
    fields.push(Field::new("vantage", DataType::Boolean, false));
    columns.push(Arc::new(rows.iter().map(is_vantage).collect::<BooleanArray>()));
    let schema = Arc::new(Schema::new_with_metadata(fields, HashMap::new()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    MemTable::try_new(schema, vec![vec![batch]])
}
