//! The table of regions: the catalogue, whatever else was a target, and what the region manager found of the account's.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use cloudping_schemas::catalogue::{Catalogue, Region};
use cloudping_schemas::stored::{AccountRegion, AccountRegions, keys};
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::prelude::col;
use deltalake_core::kernel::Action;
use deltalake_core::protocol::SaveMode;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::stream;

use crate::commit::{Commit, MAX_LOST_RACES, commit, lost_race, write_files};
use crate::query::{rows, session};
use crate::{RollupError, Table, TableError, Tables};

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegionsReport {
    /// Regions and other targets that there are.
    pub regions: u64,
    /// Rows written: all of them, or none where nothing changed.
    pub rows: u64,
}

/// When something measured: the first and the last hour, in µs; `None` if it was only a target.
type Measured = Option<(i64, i64)>;

/// Keeps the table of regions equal to a function of the catalogue, of `rollup_1h`, and of what the region manager found.
pub struct Regions {
    tables: Tables,
}

impl Regions {
    /// The regions of these tables.
    #[must_use]
    pub fn new(tables: Tables) -> Self {
        Self { tables }
    }

    /// Writes the table anew, in one commit, if anything changed. Any number may run at once.
    ///
    /// # Errors
    /// [`RollupError`].
    pub async fn run_once(&self, catalogue: &Catalogue) -> Result<RegionsReport, RollupError> {
        for _ in 0..MAX_LOST_RACES {
            if let Some(report) = self.attempt(catalogue).await? {
                return Ok(report);
            }
        }
        Err(RollupError::Contended(MAX_LOST_RACES))
    }

    /// `None` when any other commit came first.
    async fn attempt(&self, catalogue: &Catalogue) -> Result<Option<RegionsReport>, TableError> {
        let error = |doing| self.tables.error(Table::Regions, doing);
        let open = self.tables.open_or_create(Table::Regions).await?;
        let hours = self.tables.open_or_create(Table::Rollup1h).await?;
        let seen = seen(&hours).await.map_err(self.tables.error(Table::Rollup1h, "list what was measured"))?;
        let account =
            self.account().await.map_err(self.tables.error(Table::Regions, "read what the region manager found"))?;
        let wanted = region_rows(catalogue, &seen, &account).map_err(self.tables.error(Table::Regions, "form rows"))?;
        let regions = wanted.num_rows() as u64;
        let stored = stored(&open).await.map_err(self.tables.error(Table::Regions, "read its rows"))?;
        if stored == wanted {
            return Ok(Some(RegionsReport { regions, rows: 0 }));
        }
        let old: Vec<Action> = {
            let files = open.snapshot().map_err(error("list its files"))?.log_data();
            files.iter().map(|file| Action::Remove(file.remove_action(true))).collect()
        };
        let batches = stream::iter([Ok::<_, DeltaTableError>(wanted)]);
        let files = write_files(Table::Regions, &open, batches).await.map_err(error("write files"))?;
        let write = Commit {
            table: Table::Regions,
            actions: old.into_iter().chain(files.into_iter().map(Action::Add)).collect(),
            transactions: Vec::new(),
            mode: SaveMode::Overwrite,
            alone: true,
        };
        match commit(&open, write).await {
            Ok(_) => Ok(Some(RegionsReport { regions, rows: regions })),
            Err(lost) if lost_race(&lost) => Ok(None),
            Err(failed) => Err(error("commit")(failed)),
        }
    }

    /// What the region manager found; nothing where none runs.
    async fn account(&self) -> Result<AccountRegions, Box<dyn Error + Send + Sync>> {
        let Some(bytes) = self.tables.beside(keys::ACCOUNT_REGIONS).await? else {
            return Ok(AccountRegions::default());
        };
        let found = serde_json::from_slice(&bytes);
        found.map_err(|error| {
            format!("{}: {error}, expected what the region manager writes", keys::ACCOUNT_REGIONS).into()
        })
    }
}

/// Everything that measured or was a target.
async fn seen(hours: &DeltaTable) -> Result<BTreeMap<String, Measured>, DataFusionError> {
    let session = session()?;
    let mut seen = BTreeMap::new();
    let targets = rows(&session, hours, None).await?.select_columns(&["target"])?.distinct()?.collect().await?;
    for batch in &targets {
        let names = cast(batch.column(0), &DataType::Utf8)?;
        seen.extend(names.as_string::<i32>().iter().flatten().map(|name| (name.to_owned(), None)));
    }
    let spans = vec![min(col("hour")), max(col("hour"))];
    let sources = rows(&session, hours, None).await?.aggregate(vec![col("source")], spans)?.collect().await?;
    for batch in &sources {
        let names = cast(batch.column(0), &DataType::Utf8)?;
        let micros = |column: usize| cast(batch.column(column), &DataType::Timestamp(TimeUnit::Microsecond, None));
        let (first, last) = (micros(1)?, micros(2)?);
        let (first, last) =
            (first.as_primitive::<TimestampMicrosecondType>(), last.as_primitive::<TimestampMicrosecondType>());
        let named = names.as_string::<i32>().iter().enumerate();
        seen.extend(
            named.filter_map(|(row, name)| Some((name?.to_owned(), Some((first.value(row), last.value(row)))))),
        );
    }
    Ok(seen)
}

/// The table's rows, in the order of ids.
fn region_rows(
    catalogue: &Catalogue,
    seen: &BTreeMap<String, Measured>,
    account: &AccountRegions,
) -> Result<RecordBatch, ArrowError> {
    let found: BTreeMap<&str, &AccountRegion> =
        account.regions.iter().map(|region| (region.id.as_str(), region)).collect();
    let known = catalogue.regions().iter().map(|region| (region.id.as_str(), Some(region)));
    let mut regions: BTreeMap<&str, Option<&Region>> =
        seen.keys().map(String::as_str).chain(found.keys().copied()).map(|id| (id, None)).collect();
    regions.extend(known);
    let text = |get: fn(&Region) -> &str| -> ArrayRef {
        Arc::new(regions.values().map(|region| region.map(get)).collect::<StringArray>())
    };
    let number = |get: fn(&Region) -> f64| -> ArrayRef {
        Arc::new(regions.values().map(|region| region.map(get)).collect::<Float64Array>())
    };
    let time = |get: fn((i64, i64)) -> i64| -> ArrayRef {
        let times = regions.keys().map(|id| seen.get(*id).copied().flatten().map(get));
        Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let of_account = || regions.keys().map(|id| found.get(id).copied());
    let checked = of_account().map(|region| region.map(|_| account.checked_at_us));
    let columns = vec![
        Arc::new(StringArray::from_iter_values(regions.keys())) as ArrayRef,
        text(|region| &region.provider),
        text(|region| &region.partition),
        text(|region| &region.name),
        text(|region| &region.city),
        text(|region| &region.country),
        text(|region| &region.continent),
        number(|region| region.latitude),
        number(|region| region.longitude),
        time(|(first, _)| first),
        time(|(_, last)| last),
        Arc::new(of_account().map(|region| Some(region?.status.as_str())).collect::<StringArray>()),
        Arc::new(checked.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        Arc::new(of_account().map(|region| region?.producer_sha256.as_deref()).collect::<StringArray>()),
    ];
    RecordBatch::try_new(Table::Regions.schema(), columns)
}

/// The rows that the table has, in the same order.
async fn stored(regions: &DeltaTable) -> Result<RecordBatch, DataFusionError> {
    let schema = Table::Regions.schema();
    let session = session()?;
    let rows = rows(&session, regions, None).await?.sort(vec![col("id").sort(true, true)])?;
    let typed = |batch: &RecordBatch| {
        let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
            Some(column) => cast(column, field.data_type()),
            None => Err(ArrowError::SchemaError(format!("no column {}", field.name()))),
        });
        RecordBatch::try_new(Arc::clone(&schema), columns.collect::<Result<_, _>>()?)
    };
    let batches = rows.collect().await?.iter().map(typed).collect::<Result<Vec<_>, ArrowError>>()?;
    Ok(concat_batches(&schema, &batches)?)
}
