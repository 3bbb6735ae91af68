//! Reading the tables by DataFusion.

use std::collections::BTreeSet;
use std::sync::Arc;

use cloudping_model::UtcMicros;
use cloudping_schemas::tables::{MONTH, PARTITION};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{Expr, SessionConfig, SessionContext, col, lit};
use deltalake_core::DeltaTable;
use deltalake_core::kernel::Add;

use crate::Table;
use crate::hours::{date_of, month_of};
use crate::rollup::fold::SERIES;

/// Memory that a query may hold, in bytes; a sort that needs more goes to disk.
const QUERY_MEMORY: usize = 256 << 20;
/// Parts that a query works on at once, whatever the machine has: each sort needs tens of megabytes that it cannot put on disk.
const QUERY_THREADS: usize = 4;

/// A session of its own memory for one query.
pub(crate) fn session() -> Result<SessionContext, DataFusionError> {
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(QUERY_MEMORY))).build_arc()?;
    let config = SessionConfig::new().with_target_partitions(QUERY_THREADS);
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

/// The rows of a table's loaded version, or only those of some of its files.
pub(crate) async fn rows(
    session: &SessionContext,
    table: &DeltaTable,
    files: Option<Vec<Add>>,
) -> Result<DataFrame, DataFusionError> {
    table.update_datafusion_session(&session.state())?;
    let provider = table.table_provider();
    let provider = match files {
        Some(files) => provider.with_adds(files),
        None => provider,
    };
    session.read_table(Arc::new(provider.build().await?))
}

/// A moment as a literal of the tables' time type.
pub(crate) fn moment(at: UtcMicros) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(at.0), Some("UTC".into())))
}

/// Rows of the dates `first` to `last` (days since 1970-01-01): readers leave out the other partitions.
pub(crate) fn dates(first: i32, last: i32) -> Expr {
    col(PARTITION).between(date(first), date(last))
}

/// Samples of some stretches of time, both ends included.
pub(crate) fn within(stretches: &[(UtcMicros, UtcMicros)]) -> Expr {
    let one = |&(first, last): &(UtcMicros, UtcMicros)| {
        dates(date_of(first), date_of(last)).and(col("ts").between(moment(first), moment(last)))
    };
    stretches.iter().map(one).reduce(Expr::or).unwrap_or(lit(false))
}

/// A rollup's rows of some windows, in the order of series and windows; what does not fit into memory is sorted on disk.
pub(crate) fn sorted_windows(
    rows: DataFrame,
    table: Table,
    windows: &BTreeSet<UtcMicros>,
) -> Result<DataFrame, DataFusionError> {
    let time = table.time().unwrap_or_default();
    let (Some(&first), Some(&last)) = (windows.first(), windows.last()) else {
        return rows.filter(lit(false));
    };
    let (first, last) = (date_of(first), date_of(last));
    let partitions = match table.partition() {
        Some(MONTH) => col(MONTH).between(date(month_of(first)), date(month_of(last))),
        _ => dates(first, last),
    };
    let starts = windows.iter().map(|&start| match table {
        Table::Rollup1d => date(date_of(start)),
        _ => moment(start),
    });
    let order = SERIES.into_iter().chain([time]).map(|column| col(column).sort(true, true));
    rows.filter(partitions)?.filter(col(time).in_list(starts.collect(), false))?.sort(order.collect())
}

fn date(days: i32) -> Expr {
    lit(ScalarValue::Date32(Some(days)))
}
