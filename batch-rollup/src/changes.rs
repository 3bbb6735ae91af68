//! The log's route changes as rows of their table, each once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use cloudping_model::{Addresses, Protocol, RouteChange, UtcMicros};
use cloudping_schemas::tables;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::prelude::{Expr, col, lit};
use deltalake_core::DeltaTable;
use futures::TryStreamExt;

use crate::batch::ChangeId;
use crate::commit::{MAX_LOST_RACES, append_in_turn};
use crate::hours::{date_of, month_of};
use crate::query::{moment, rows, session};
use crate::stretches::Stretches;
use crate::{ArchiveError, Table, Tables};

/// Appends those route changes that the table does not hold; returns how many.
///
/// It is called before the log's checkpoint moves past them: a run that is cut off between the two finds them here the next time. Of two archivers that
/// append at once the second is refused, and looks again.
///
/// # Errors
/// [`ArchiveError`]. Given again, the changes take effect once.
pub(crate) async fn append_changes(
    tables: &Tables,
    changes: &BTreeMap<ChangeId, RouteChange>,
) -> Result<u64, ArchiveError> {
    if changes.is_empty() {
        return Ok(0);
    }
    let stretches = stretches(changes);
    for _ in 0..MAX_LOST_RACES {
        let table = tables.open_or_create(Table::Changes).await?;
        let known = known(&table, &stretches).await.map_err(tables.error(Table::Changes, "look up changes"))?;
        let new: Vec<&RouteChange> =
            changes.iter().filter(|(id, _)| !known.contains(id)).map(|(_, change)| change).collect();
        if new.is_empty() {
            return Ok(0);
        }
        let rows = change_rows(&new).map_err(tables.error(Table::Changes, "form rows"))?;
        if append_in_turn(tables, Table::Changes, &table, rows).await? {
            return Ok(new.len() as u64);
        }
    }
    Err(ArchiveError::Contended(MAX_LOST_RACES))
}

/// The minutes of the changes. One that is dated far off does not have all months between looked through.
fn stretches(changes: &BTreeMap<ChangeId, RouteChange>) -> Vec<(UtcMicros, UtcMicros)> {
    let mut stretches = Stretches::default();
    changes.values().for_each(|change| stretches.add(change.minute, change.minute));
    stretches.joined()
}

/// Rows of some stretches of minutes, both ends included, in the months that they lie in.
fn within_minutes(stretches: &[(UtcMicros, UtcMicros)]) -> Expr {
    let month = |at| lit(ScalarValue::Date32(Some(month_of(date_of(at)))));
    let one = |&(first, last): &(UtcMicros, UtcMicros)| {
        let months = col(tables::MONTH).between(month(first), month(last));
        months.and(col("minute").between(moment(first), moment(last)))
    };
    stretches.iter().map(one).reduce(Expr::or).unwrap_or(lit(false))
}

/// The changes of some stretches of minutes that the table's loaded version holds.
async fn known(table: &DeltaTable, stretches: &[(UtcMicros, UtcMicros)]) -> Result<HashSet<ChangeId>, DataFusionError> {
    let session = session()?;
    let mut stored = rows(&session, table, None)
        .await?
        .filter(within_minutes(stretches))?
        .select_columns(&["source", "target", "protocol", "family", "minute"])?
        .execute_stream()
        .await?;
    let mut known = HashSet::new();
    while let Some(batch) = stored.try_next().await? {
        let text = |column: usize| cast(batch.column(column), &DataType::Utf8);
        let (source, target, protocol) = (text(0)?, text(1)?, text(2)?);
        let family = batch.column(3).as_primitive::<Int32Type>();
        let minute = batch.column(4).as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            let text = |column: &ArrayRef| column.as_string::<i32>().value(row).to_owned();
            // What another release measured by other means is none of those looked for.
            let protocol = Protocol::from_name(protocol.as_string::<i32>().value(row));
            let family = u8::try_from(family.value(row)).ok();
            let id = protocol.zip(family).map(|(protocol, family)| {
                (text(&source), text(&target), protocol.name(), family, UtcMicros(minute.value(row)))
            });
            known.extend(id);
        }
    }
    Ok(known)
}

fn change_rows(changes: &[&RouteChange]) -> Result<RecordBatch, ArrowError> {
    let all = || changes.iter().copied();
    let times = |time: fn(&RouteChange) -> UtcMicros| -> ArrayRef {
        let times = all().map(|change| time(change).0);
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let texts =
        |text: fn(&RouteChange) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(all().map(text))) };
    let numbers = |number: fn(&RouteChange) -> u32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(all().map(|change| number(change).cast_signed())))
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from_iter_values(all().map(|change| month_of(date_of(change.minute))))),
        times(|change| change.minute),
        texts(|change| change.vantage.as_str()),
        texts(|change| change.target.as_str()),
        texts(|change| change.protocol.name()),
        numbers(|change| change.family.number().into()),
        times(|change| change.found_at),
        numbers(|change| change.before_us),
        numbers(|change| change.after_us),
        Arc::new(Float64Array::from_iter_values(all().map(|change| change.score.into()))),
        times(|change| change.ended.since),
        Arc::new(Int64Array::from_iter_values(all().map(|change| change.ended.count.cast_signed()))),
    ];
    for nth in 0..cloudping_model::Level::QUANTILES.len() {
        let percentiles = all().map(|change| change.ended.percentiles_us.map(|all| all[nth]));
        columns.push(Arc::new(Float64Array::from_iter(percentiles)));
    }
    for side in [|both: Addresses| both.before, |both: Addresses| both.after] {
        let addresses = all().map(|change| change.addresses.map(|both| side(both).to_string()));
        columns.push(Arc::new(StringArray::from_iter(addresses)));
    }
    RecordBatch::try_new(tables::changes(), columns)
}

#[cfg(test)]
mod tests {
    use cloudping_model::{Family, Level, TargetId, VantageId};

    use super::*;
    use crate::batch::change_id;

    fn at(minute: UtcMicros) -> (ChangeId, RouteChange) {
        let change = RouteChange {
            vantage: VantageId::new("a").unwrap(),
            target: TargetId::new("b").unwrap(),
            protocol: Protocol::TcpConnect,
            family: Family::V4,
            minute,
            found_at: minute,
            before_us: 1,
            after_us: 2,
            score: 1.0,
            ended: Level { since: minute, count: 1, percentiles_us: None },
            addresses: None,
        };
        (change_id(&change), change)
    }

    #[test]
    fn a_change_dated_far_off_joins_nothing() {
        let now = UtcMicros(1_772_359_200_000_000);
        let (next, long_ago) = (now + 60_000_000, UtcMicros(60_000_000));
        let changes = [now, next, long_ago].map(at).into();
        assert_eq!(stretches(&changes), [(long_ago, long_ago), (now, next)]);
    }
}
