//! Sessions that know the archive's tables and nothing of the machine.

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SessionState, SessionStateDefaults};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::SqlError;
use super::catalog::{INFORMATION_SCHEMA, information_schema};
use super::pauses::PausingJoins;
use super::windows::CountedWindows;
use crate::Settings;
use crate::archive::{Archive, Table};
use crate::functions::{self, MergeQuantiles};
use crate::live_tables::Views;

pub(super) const CATALOG: &str = "cloudping";
pub(super) const SCHEMA: &str = "public";

/// Functions that make much out of little in one call: their results are no part of the memory that is counted. And one that tells
/// which program answers.
const REFUSED_FUNCTIONS: [&str; 14] = [
    "repeat",
    "lpad",
    "rpad",
    "space",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "generate_series",
    "range",
    "gen_series",
    "array_pad",
    "list_pad",
    "version",
];

/// Makes sessions that share functions and one pool of memory.
pub(super) struct Sessions {
    template: SessionState,
    live: Views,
    information: Arc<dyn SchemaProvider>,
    tables: Vec<Table>,
}

impl Sessions {
    pub(super) fn new(settings: &Settings, archive: &Archive, live: Views) -> Result<Self, SqlError> {
        let limits = &settings.sql;
        let mode = match (limits.spill_bytes, &limits.spill_folder) {
            (0, _) => DiskManagerMode::Disabled,
            (_, None) => DiskManagerMode::OsTmpDirectory,
            (_, Some(folder)) => DiskManagerMode::Directories(vec![folder.clone()]),
        };
        let disk = DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(limits.spill_bytes);
        let runtime = RuntimeEnvBuilder::new()
            // Whoever can spill gets an equal share, so that one large sort leaves memory to the others.
            .with_memory_pool(Arc::new(FairSpillPool::new(limits.memory_bytes)))
            .with_disk_manager_builder(disk)
            .build_arc()?;
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false)
            .with_target_partitions(limits.threads.max(1));
        let options = config.options_mut();
        // The zone of `now()` and of `timestamptz`, as the tables have it.
        options.execution.time_zone = Some("UTC".to_owned());
        // Files are sorted by pair: statistics and the page index skip most of what a filter does not want. To filter inside the pages
        // as well costs more than it saves where most rows pass, as with `outcome = 'answered'`.
        options.execution.parquet.pushdown_filters = false;
        // The archive decides which table's texts are read as views.
        options.execution.parquet.schema_force_view_types = false;
        // What each sort keeps for the merging of what it spilled: little beside what all may use.
        options.execution.sort_spill_reservation_bytes = (limits.memory_bytes / 64).min(10 << 20);
        // What a turn makes of the one before can grow without end.
        options.execution.enable_recursive_ctes = false;
        let functions = SessionStateDefaults::default_scalar_functions();
        let allowed = functions.into_iter().filter(|function| !REFUSED_FUNCTIONS.contains(&function.name()));
        // No file formats, no table factories, no object stores: nothing but the registered tables can be read.
        let template = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_expr_planners(SessionStateDefaults::default_expr_planners())
            .with_scalar_functions(allowed.chain(functions::scalars(&settings.catalogue)).collect())
            .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
            // Later ones take the place of earlier ones of the same name.
            .with_aggregate_functions(
                [SessionStateDefaults::default_aggregate_functions(), functions::aggregates()].concat(),
            )
            .with_optimizer_rule(Arc::new(MergeQuantiles))
            .with_physical_optimizer_rule(Arc::new(PausingJoins))
            .with_physical_optimizer_rule(Arc::new(CountedWindows))
            .with_window_functions(SessionStateDefaults::default_window_functions())
            .with_table_function_list(SessionStateDefaults::default_table_functions())
            .build();
        let tables: Vec<Table> = archive.tables().into_iter().chain(Views::tables()).collect();
        Ok(Self { template, live, information: information_schema(&tables)?, tables })
    }

    /// Every table with its documented columns.
    pub(super) fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// A session that sees every table at its newest version.
    pub(super) fn open(&self, archive: &Archive) -> Result<SessionContext, SqlError> {
        let schema = archive.schema(Arc::new(self.template.clone()), self.live.providers());
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, schema)?;
        catalog.register_schema(INFORMATION_SCHEMA, Arc::clone(&self.information))?;
        let state = SessionStateBuilder::new_from_existing(self.template.clone())
            // The template's list is shared by all its copies; each session has its own.
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .build();
        let session = SessionContext::new_with_state(state);
        session.register_catalog(CATALOG, Arc::new(catalog));
        Ok(session)
    }
}
