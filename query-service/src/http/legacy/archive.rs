//! Latencies of long timeframes, merged from the digests of the hourly rollups.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use cloudping_digest::{LatencyDigest, trino};
use cloudping_model::{Pane, Protocol, UtcMicros};
use cloudping_schemas::tables;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast, col, lit};
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use super::figures::{Data, Filter};
use super::names::two_decimals;
use crate::archive::shown;
use crate::sql::SqlError;
use crate::statistic::Statistic;
use crate::text::millis;

/// Digests that wait to be merged at once.
const MERGE_AT: usize = 64;

/// What is known of one pair so far.
#[derive(Default)]
struct Merging {
    digests: Vec<LatencyDigest>,
    received: f64,
    sum_us: f64,
}

/// Pairs and their address families, IPv4 before IPv6.
type Pairs = BTreeMap<(String, String), BTreeMap<i32, Merging>>;

pub(super) async fn rolled_up(
    session: SessionContext,
    statistic: Statistic,
    since: UtcMicros,
    filter: Filter,
    simulated: bool,
) -> Result<Data, SqlError> {
    let columns = vec![
        cast(col("source"), DataType::Utf8),
        cast(col("target"), DataType::Utf8),
        cast(col("family"), DataType::Int32),
        cast(col("received"), DataType::Int64),
        cast(col("mean_us"), DataType::Float64),
        cast(col("digest"), DataType::Binary),
    ];
    let rollups = shown(session.table(tables::ROLLUP_1H).await?, simulated)?;
    let wanted = rollups.filter(selected(since, &filter))?.select(columns)?;
    let mut batches = wanted.execute_stream().await?;
    let mut pairs = Pairs::new();
    while let Some(batch) = batches.next().await {
        add(&batch?, &mut pairs)?;
    }
    let mut data = Data::new();
    for ((source, target), families) in pairs {
        let first = families.into_values().next();
        if let Some(rtt_ms) = first.and_then(|merging| merging.finish(statistic)) {
            data.entry(source).or_default().insert(target, two_decimals(rtt_ms));
        }
    }
    Ok(data)
}

fn selected(since: UtcMicros, filter: &Filter) -> Expr {
    let days = since.0.div_euclid(Pane::Day.micros());
    let date = ScalarValue::Date32(Some(i32::try_from(days).unwrap_or(i32::MAX)));
    let hour = ScalarValue::TimestampMicrosecond(Some(since.0), Some("UTC".into()));
    let mut selected = col(tables::PARTITION)
        .gt_eq(lit(date))
        .and(col("hour").gt_eq(lit(hour)))
        .and(col("protocol").eq(lit(Protocol::TcpConnect.name())))
        .and(col("received").gt(lit(0_i64)));
    for (column, id) in [("source", &filter.from), ("target", &filter.to)] {
        if let Some(id) = id {
            selected = selected.and(col(column).eq(lit(id.as_str())));
        }
    }
    selected
}

fn add(batch: &RecordBatch, pairs: &mut Pairs) -> Result<(), SqlError> {
    let (sources, targets) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
    let families = batch.column(2).as_primitive::<Int32Type>();
    let received = batch.column(3).as_primitive::<Int64Type>();
    let means = batch.column(4).as_primitive::<Float64Type>();
    let digests = batch.column(5).as_binary::<i32>();
    for row in 0..batch.num_rows() {
        if digests.is_null(row) || means.is_null(row) {
            continue;
        }
        let digest = trino::from_trino_bytes(digests.value(row))
            .map_err(|error| SqlError::Failed(format!("rollup_1h: digest: {error}")))?;
        let pair = (sources.value(row).to_owned(), targets.value(row).to_owned());
        let merging = pairs.entry(pair).or_default().entry(families.value(row)).or_default();
        merging.add(digest, received.value(row) as f64, means.value(row));
    }
    Ok(())
}

impl Merging {
    fn add(&mut self, digest: LatencyDigest, received: f64, mean_us: f64) {
        self.received += received;
        self.sum_us += received * mean_us;
        self.digests.push(digest);
        if self.digests.len() == MERGE_AT {
            self.digests = vec![LatencyDigest::merge_many(&self.digests)];
        }
    }

    fn finish(self, statistic: Statistic) -> Option<f64> {
        match statistic {
            Statistic::Quantile(q) => LatencyDigest::merge_many(&self.digests).quantile(q).map(millis),
            _ => (self.received > 0.0).then(|| millis(self.sum_us / self.received)),
        }
    }
}
