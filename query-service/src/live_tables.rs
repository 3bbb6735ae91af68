//! The live view as tables of SQL: `live`, a row for each series and rolling window, and `ledger`, a row for each vantage point and hour.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use cloudping_digest::{SeriesSummary, trino};
use cloudping_model::{GapReason, Rolling, UtcMicros, VantageId};
use cloudping_schemas::stored::{LedgerHour, SeriesKey, missing_rounds};
use cloudping_schemas::tables;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use tokio::sync::watch;

use crate::archive::Table;
use crate::live_view::LiveView;

/// A row for each series and rolling window.
pub(crate) const LIVE: &str = "live";
/// A row for each vantage point and hour of its ledger.
pub(crate) const LEDGER: &str = "ledger";

/// Where the newest live view is, and the present that it is shown at.
pub(crate) struct Views {
    /// The newest view.
    pub(crate) newest: watch::Receiver<Arc<LiveView>>,
    /// The present.
    pub(crate) clock: fn() -> UtcMicros,
}

impl Views {
    /// The two tables as they are now.
    pub(crate) fn providers(&self) -> [(&'static str, Arc<dyn TableProvider>); 2] {
        let view = Arc::clone(&self.newest.borrow()).fresh((self.clock)());
        let made = |schema, make| Arc::new(Made { schema, view: Arc::clone(&view), make }) as Arc<dyn TableProvider>;
        [(LIVE, made(live_schema(), live)), (LEDGER, made(ledger_schema(), ledger))]
    }

    /// The two tables with their documented columns.
    pub(crate) fn tables() -> [Table; 2] {
        [Table { name: LIVE, schema: live_schema() }, Table { name: LEDGER, schema: ledger_schema() }]
    }
}

/// A table whose columns are made when they are read, and only those that are.
#[derive(Debug)]
struct Made {
    schema: SchemaRef,
    view: Arc<LiveView>,
    make: fn(&LiveView, &SchemaRef) -> Result<RecordBatch>,
}

#[async_trait]
impl TableProvider for Made {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let rows = (self.make)(&self.view, &schema)?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![rows]], schema, None)?)
    }
}

fn column(name: &str, data_type: DataType, nullable: bool, comment: &str) -> Field {
    let metadata = [("comment".to_owned(), comment.to_owned())];
    Field::new(name, data_type, nullable).with_metadata(metadata.into())
}

fn utc_micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The columns of `live`: those of the rollups as far as they have them.
fn live_schema() -> SchemaRef {
    let rollup = tables::rollup_1h();
    let mut fields = vec![column("window", DataType::Utf8, false, "the rolling window: 5m, 1h, 1d, 7d, 30d or 365d")];
    // Not the hour, nor where the row comes from: a live view has what its own producers measured.
    let shared = rollup.fields().iter().filter(|field| !["date", "hour", "origin"].contains(&field.name().as_str()));
    fields.extend(shared.map(|field| match field.name().strip_suffix("_us").filter(|name| name.starts_with('p')) {
        Some(name) => {
            let comment =
                format!("{name} of the round-trip times, microseconds; exact up to 512 of them, else of the digest");
            column(field.name(), DataType::Float64, true, &comment)
        }
        None => Field::clone(field),
    }));
    fields.extend([
        column("jitter_us", DataType::Float64, true, "mean round-trip time less the least (RFC 5481), microseconds"),
        column("loss", DataType::Float64, true, "lost / sent; null where nothing was sent"),
        column(
            "low_count",
            DataType::Boolean,
            false,
            "whether received is too small for p99_us (fewer than 1,000); a quantile q needs 10/(1-q)",
        ),
        column("last", utc_micros(), true, "when the newest probe left"),
        column("as_of", utc_micros(), true, "the newest start of a round that the row shows"),
    ]);
    Arc::new(Schema::new(fields))
}

/// The columns of `ledger`: the answer of `/api/v1/coverage`.
fn ledger_schema() -> SchemaRef {
    let count = |name: &str, comment: &str| column(name, DataType::Int64, false, comment);
    let mut fields = vec![
        column("source", DataType::Utf8, false, "vantage point"),
        column("hour", utc_micros(), false, "start of the hour"),
        count("rounds", "distinct rounds that came"),
        count("sent", "probes sent"),
        count("received", "probes answered at once"),
        count("lost", "probes lost"),
        count("not_sent", "probes that never left: no socket, or no address for the name"),
        count("duplicates", "deliveries of rounds that had been counted before"),
        count("late", "rounds that came later than the allowed lateness"),
        count("due", "probes that every round should have had, those of missing rounds by their average"),
        count("counted", "probes in the live view's windows"),
        column("completeness", DataType::Float64, true, "counted / due, percent; null where none was due"),
        count("missing_rounds", "rounds that have not come, by the gaps in their numbers"),
        count("dropped_rounds", "rounds that the vantage point reported missing"),
    ];
    fields.extend(GapReason::ALL.map(|reason| count(&gap(reason), &format!("gaps reported: {}", reason.name()))));
    Arc::new(Schema::new(fields))
}

fn gap(reason: GapReason) -> String {
    format!("gaps_{}", reason.name())
}

/// Columns by their names out of rows.
fn table(schema: &SchemaRef, rows: usize, column: impl Fn(&Field) -> ArrayRef) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| column(field)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// A series in a window.
struct Seen<'a> {
    window: Rolling,
    source: &'a VantageId,
    as_of: UtcMicros,
    key: &'a SeriesKey,
    summary: &'a SeriesSummary,
}

fn live(view: &LiveView, schema: &SchemaRef) -> Result<RecordBatch> {
    let mut rows = Vec::new();
    for window in Rolling::ALL {
        for (source, vantage) in &view.vantages {
            let as_of = vantage.stored.head.watermark;
            let seen = |(key, summary)| Seen { window, source, as_of, key, summary };
            rows.extend(vantage.series(window).iter().map(seen));
        }
    }
    table(schema, rows.len(), |field| live_column(field, &rows))
}

fn live_column(field: &Field, rows: &[Seen<'_>]) -> ArrayRef {
    let text =
        |of: &dyn Fn(&Seen<'_>) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(of))) };
    let count = |of: fn(&SeriesSummary) -> u64| -> ArrayRef { Arc::new(whole(rows.iter().map(|row| of(row.summary)))) };
    let number = |of: fn(&SeriesSummary) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| of(row.summary)).collect::<Float64Array>())
    };
    let micros = |of: fn(&SeriesSummary) -> Option<u32>| -> ArrayRef {
        let values = rows.iter().map(|row| of(row.summary).and_then(|value| i32::try_from(value).ok()));
        Arc::new(values.collect::<Int32Array>())
    };
    let digest = |row: &Seen<'_>| (row.summary.received() > 0).then(|| trino::to_trino_bytes(row.summary.digest()));
    match field.name().as_str() {
        "window" => text(&|row| row.window.name().to_owned()),
        "source" => text(&|row| row.source.to_string()),
        "target" => text(&|row| row.key.target.to_string()),
        "protocol" => text(&|row| row.key.protocol.name().to_owned()),
        "family" => Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| i32::from(row.key.family.number())))),
        "sent" => count(SeriesSummary::sent),
        "received" => count(SeriesSummary::received),
        "lost" => count(SeriesSummary::lost),
        "retransmitted" => count(SeriesSummary::retransmitted),
        "unknown" => count(SeriesSummary::unknown),
        "min_us" => micros(SeriesSummary::min_us),
        "max_us" => micros(SeriesSummary::max_us),
        "mean_us" => number(SeriesSummary::mean_us),
        "stddev_us" => number(SeriesSummary::stddev_us),
        "jitter_us" => number(SeriesSummary::jitter_us),
        "loss" => number(SeriesSummary::loss),
        "digest" => Arc::new(rows.iter().map(digest).collect::<BinaryArray>()),
        "low_count" => Arc::new(rows.iter().map(|row| Some(!row.summary.supports(0.99))).collect::<BooleanArray>()),
        "last" => Arc::new(times(rows.iter().map(|row| row.summary.last_at_us()))),
        "as_of" => Arc::new(times(rows.iter().map(|row| Some(row.as_of.0)))),
        name => match tables::PERCENTILES.iter().find(|(percentile, _)| *percentile == name) {
            Some((_, q)) => Arc::new(rows.iter().map(|row| row.summary.quantile(*q)).collect::<Float64Array>()),
            None => new_null_array(field.data_type(), rows.len()),
        },
    }
}

/// An hour of a vantage point, and the rounds that are missing in it.
struct Booked<'a> {
    source: &'a VantageId,
    hour: &'a LedgerHour,
    missing: u64,
}

impl Booked<'_> {
    fn due(&self) -> u64 {
        self.hour.probes_due(self.missing)
    }

    fn counted(&self) -> u64 {
        self.hour.sent.saturating_sub(self.hour.uncounted)
    }

    fn completeness(&self) -> Option<f64> {
        let due = self.due();
        (due > 0).then(|| self.counted() as f64 / due as f64 * 100.0)
    }
}

fn ledger(view: &LiveView, schema: &SchemaRef) -> Result<RecordBatch> {
    let hours = view.vantages.iter().flat_map(|(source, vantage)| {
        let ledger = &vantage.stored.head.ledger;
        ledger.iter().zip(missing_rounds(ledger)).map(move |(hour, missing)| Booked { source, hour, missing })
    });
    let rows: Vec<Booked<'_>> = hours.collect();
    table(schema, rows.len(), |field| ledger_column(field, &rows))
}

fn ledger_column(field: &Field, rows: &[Booked<'_>]) -> ArrayRef {
    let count = |of: &dyn Fn(&Booked<'_>) -> u64| -> ArrayRef { Arc::new(whole(rows.iter().map(of))) };
    match field.name().as_str() {
        "source" => Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.source.as_str()))),
        "hour" => Arc::new(times(rows.iter().map(|row| Some(row.hour.start.0)))),
        "rounds" => count(&|row| row.hour.rounds),
        "sent" => count(&|row| row.hour.sent),
        "received" => count(&|row| row.hour.received),
        "lost" => count(&|row| row.hour.lost),
        "not_sent" => count(&|row| row.hour.not_sent),
        "duplicates" => count(&|row| row.hour.duplicates),
        "late" => count(&|row| row.hour.late),
        "due" => count(&|row| row.due()),
        "counted" => count(&|row| row.counted()),
        "completeness" => Arc::new(rows.iter().map(Booked::completeness).collect::<Float64Array>()),
        "missing_rounds" => count(&|row| row.missing),
        "dropped_rounds" => count(&|row| row.hour.dropped),
        name => match GapReason::ALL.iter().position(|reason| gap(*reason) == name) {
            Some(at) => count(&|row| row.hour.gaps[at]),
            None => new_null_array(field.data_type(), rows.len()),
        },
    }
}

/// Counts, at most the greatest that there is.
fn whole(counts: impl Iterator<Item = u64>) -> Int64Array {
    Int64Array::from_iter_values(counts.map(|count| i64::try_from(count).unwrap_or(i64::MAX)))
}

fn times(micros: impl Iterator<Item = Option<i64>>) -> TimestampMicrosecondArray {
    micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_made() {
        let view = LiveView::default();
        for (make, schema) in [(live as fn(&LiveView, &SchemaRef) -> _, live_schema()), (ledger, ledger_schema())] {
            assert_eq!(make(&view, &schema).unwrap().schema(), schema);
            assert!(schema.fields().iter().all(|field| !field.metadata()["comment"].is_empty()));
        }
    }
}
