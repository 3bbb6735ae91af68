//! The rollups: one row a series and window.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{MONTH, PARTITION, column, series_columns, utc_micros};

/// The percentiles of a rollup: column name and quantile.
pub const PERCENTILES: [(&str, f64); 11] = [
    ("p1_us", 0.01),
    ("p5_us", 0.05),
    ("p10_us", 0.10),
    ("p25_us", 0.25),
    ("p50_us", 0.50),
    ("p75_us", 0.75),
    ("p90_us", 0.90),
    ("p95_us", 0.95),
    ("p98_us", 0.98),
    ("p99_us", 0.99),
    ("p99_9_us", 0.999),
];

/// The schema of [`ROLLUP_1H`](super::ROLLUP_1H).
#[must_use]
pub fn rollup_1h() -> SchemaRef {
    rollup([
        column(PARTITION, DataType::Date32, false, "UTC day of hour"),
        column("hour", utc_micros(), false, "start of the hour"),
    ])
}

/// The schema of [`ROLLUP_1D`](super::ROLLUP_1D): that of the hours with other times.
#[must_use]
pub fn rollup_1d() -> SchemaRef {
    rollup([
        column(MONTH, DataType::Date32, false, "first day of the UTC month of day"),
        column("day", DataType::Date32, false, "the UTC day"),
    ])
}

fn rollup(times: [Field; 2]) -> SchemaRef {
    let count = |name, comment| column(name, DataType::Int64, false, comment);
    let mut fields = times.to_vec();
    fields.extend(series_columns());
    fields.extend([
        count("sent", "probes sent"),
        count("received", "probes answered at once, with a known round-trip time"),
        count("lost", "probes lost"),
        count("retransmitted", "lost probes that were answered after a SYN retransmit"),
        count("unknown", "probes answered at once whose round-trip time the kernel did not know"),
        column("min_us", DataType::Int32, true, "least round-trip time, microseconds"),
        column("max_us", DataType::Int32, true, "greatest round-trip time, microseconds"),
        column("mean_us", DataType::Float64, true, "mean round-trip time, microseconds"),
        column("stddev_us", DataType::Float64, true, "standard deviation (population), microseconds"),
    ]);
    for (name, quantile) in PERCENTILES {
        let comment = format!("exact quantile {quantile} of the round-trip times, microseconds, linear interpolation");
        fields.push(column(name, DataType::Float64, true, &comment));
    }
    fields.push(column(
        "digest",
        DataType::Binary,
        true,
        "t-digest of the round-trip times in microseconds, the bytes that Trino and Athena cast to tdigest",
    ));
    fields.push(column(
        "origin",
        DataType::Utf8,
        true,
        "part of the series: null or simulated for what this archive's own producers measured, else what was imported from",
    ));
    Arc::new(Schema::new(fields))
}
