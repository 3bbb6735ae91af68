//! The rounds of the table of samples, in time order.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use cloudping_model::{Pane, Round, UtcMicros};
use cloudping_schemas::event::MAX_OFFSET_US;
use cloudping_schemas::tables::{Origin, PARTITION};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{Expr, col, lit};
use deltalake_core::DeltaTable;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::round_fold::{INPUT, ORDER, RoundFold, RowError};
use crate::hours::start_of_date;
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
        if tables.open(Table::Samples).await?.is_none() {
            return Ok(None);
        }
        // A table of an older release gets the columns that came since.
        let table = tables.open_or_create(Table::Samples).await?;
        Ok(Some(Self { tables: tables.clone(), table, origins: origins.to_vec() }))
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
        rows(&session()?, &self.table, None)
            .await?
            .filter(dates(date - 1, date + 1))?
            .filter(col("ts").gt_eq(moment(start - reach)))?
            .filter(col("ts").lt(moment(end + reach)))?
            .filter(self.of_origins())?
            .select_columns(&INPUT)?
            .sort(ORDER.map(|column| col(column).sort(true, false)).to_vec())?
            .execute_stream()
            .await
    }

    fn of_origins(&self) -> Expr {
        let one = |origin: &Origin| match origin.stored() {
            Some(stored) => col("origin").eq(lit(stored)),
            None => col("origin").is_null(),
        };
        self.origins.iter().map(one).reduce(Expr::or).unwrap_or_else(|| lit(false))
    }
}

fn parse_date(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.signed_duration_since(NaiveDate::default()).num_days()).and_then(|days| i32::try_from(days).ok())
}

/// Which part of reading failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Query(#[from] DataFusionError),
    #[error(transparent)]
    Row(#[from] RowError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_from_1970() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2026-03-01"), Some(20_513));
        assert_eq!(parse_date("soon"), None);
    }
}
