//! The rounds of the table of samples, in time order.

use std::collections::BTreeMap;

use cloudping_model::{Pane, Round, UtcMicros};
use cloudping_schemas::event::MAX_OFFSET_US;
use cloudping_schemas::tables::{Origin, PARTITION};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{Expr, col, lit};
use deltalake_core::DeltaTable;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::round_fold::{INPUT, ORDER, RoundFold, RowError};
use crate::hours::{parse_date, start_of_date};
use crate::query::{dates, moment, rows, session};
use crate::{Table, TableError, Tables};

/// The rounds of one version of the table of samples, read only, a day at a time.
///
/// The table has a row a probe and no row a round. So a round comes back with its first probe's time as its start, its probes in the order in
/// which they left; and a round without a probe does not come back.
pub struct SampleRounds {
    tables: Tables,
    table: DeltaTable,
    origins: Vec<Origin>,
}

impl SampleRounds {
    /// The rounds of these origins in the newest version of the table; `None` when there is no such table.
    ///
    /// # Errors
    /// [`TableError`] when the storage fails.
    pub async fn open(tables: &Tables, origins: &[Origin]) -> Result<Option<Self>, TableError> {
        let open = tables.open(Table::Samples).await?;
        Ok(open.map(|table| Self { tables: tables.clone(), table, origins: origins.to_vec() }))
    }

    /// The days (since 1970-01-01) of which the table holds rows, and how many rows of any origin, as far as its files say.
    ///
    /// # Errors
    /// [`TableError`] when the table's log cannot be read.
    pub fn days(&self) -> Result<BTreeMap<i32, u64>, TableError> {
        let mut days = BTreeMap::new();
        let snapshot = self.table.snapshot().map_err(self.tables.error(Table::Samples, "list its files"))?;
        for file in snapshot.log_data().iter() {
            let partition = file.partition_values_map();
            let date = partition.get(PARTITION).and_then(Option::as_deref).and_then(parse_date);
            if let Some(date) = date {
                let rows = file.num_records().unwrap_or(0);
                *days.entry(date).or_insert(0) += u64::try_from(rows).unwrap_or(u64::MAX);
            }
        }
        Ok(days)
    }

    /// The last day (since 1970-01-01) that has rows of the wanted origins, `today` at the latest; `None` when no day has any. Rows of other origins count
    /// for nothing: an import may lie anywhere in time.
    ///
    /// # Errors
    /// [`TableError`] when the table cannot be read.
    pub async fn newest_day(&self, today: i32) -> Result<Option<i32>, TableError> {
        for day in self.days()?.into_keys().rev() {
            if self.has_rows(day).await.map_err(self.tables.error(Table::Samples, "look for its newest rows"))? {
                return Ok(Some(day.min(today)));
            }
        }
        Ok(None)
    }

    async fn has_rows(&self, date: i32) -> Result<bool, DataFusionError> {
        let wanted = self.rows().await?.filter(dates(date, date))?;
        let mut found = wanted.select_columns(&["ts"])?.limit(0, Some(1))?.execute_stream().await?;
        while let Some(batch) = found.try_next().await? {
            if batch.num_rows() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The rounds whose first probe left on a day: one vantage point after the other, the rounds of each in the order in which it made them.
    ///
    /// Memory is bounded: what has to be sorted goes to disk beyond some hundred megabytes.
    ///
    /// # Errors
    /// [`TableError`] when the table cannot be read; the stream's items likewise.
    pub async fn of_day(&self, date: i32) -> Result<BoxStream<'static, Result<Vec<Round>, TableError>>, TableError> {
        let (start, end) = (start_of_date(date), start_of_date(date) + Pane::Day.micros());
        let sorted = self.sorted(date, (start, end)).await;
        let sorted = sorted.map_err(self.tables.error(Table::Samples, "read its rows"))?;
        let state = Some((sorted, RoundFold::new(start..end)));
        let rounds = stream::try_unfold(state, async |state| {
            let Some((mut sorted, mut fold)) = state else { return Ok(None) };
            match sorted.try_next().await? {
                Some(batch) => {
                    let whole = fold.push(&batch)?;
                    Ok(Some((whole, Some((sorted, fold)))))
                }
                None => Ok::<_, Failure>(Some((fold.end().into_iter().collect(), None))),
            }
        });
        let error = self.tables.error(Table::Samples, "read its rows");
        Ok(rounds.map_err(error).boxed())
    }

    /// The rows of a day in the order of its rounds, and those next to it: a round may reach over midnight.
    async fn sorted(
        &self,
        date: i32,
        (start, end): (UtcMicros, UtcMicros),
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let reach = i64::from(MAX_OFFSET_US);
        self.rows()
            .await?
            .filter(dates(date - 1, date + 1))?
            .filter(col("ts").gt_eq(moment(start - reach)))?
            .filter(col("ts").lt(moment(end + reach)))?
            .select_columns(&INPUT)?
            .sort(ORDER.map(|column| col(column).sort(true, false)).to_vec())?
            .execute_stream()
            .await
    }

    /// The rows of the wanted origins. A column that came after the release that made the table is null in them: the table is read as it is, never
    /// changed.
    async fn rows(&self) -> Result<DataFrame, DataFusionError> {
        let rows = rows(&session()?, &self.table, None).await?;
        let lacks = |rows: &DataFrame, column: &str| rows.schema().field_with_unqualified_name(column).is_err();
        let mut rows = match (lacks(&rows, "origin"), self.origins.contains(&Origin::Measured)) {
            (false, _) => rows.filter(self.of_origins())?,
            // Before there were origins, everything was measured.
            (true, true) => rows,
            (true, false) => rows.limit(0, Some(0))?,
        };
        for field in Table::Samples.schema().fields() {
            if lacks(&rows, field.name()) {
                rows = rows.with_column(field.name(), lit(ScalarValue::try_new_null(field.data_type())?))?;
            }
        }
        Ok(rows)
    }

    fn of_origins(&self) -> Expr {
        let one = |origin: &Origin| match origin.stored() {
            Some(stored) => col("origin").eq(lit(stored)),
            None => col("origin").is_null(),
        };
        self.origins.iter().map(one).reduce(Expr::or).unwrap_or_else(|| lit(false))
    }
}

/// Which part of reading failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Query(#[from] DataFusionError),
    #[error(transparent)]
    Row(#[from] RowError),
}
