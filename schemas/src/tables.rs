//! The Arrow schemas of the archive's tables. Units stand in the names; each column says what it holds.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// The table of samples: one row a probe.
pub const SAMPLES: &str = "samples";
/// The hourly rollup: one row a series and hour.
pub const ROLLUP_1H: &str = "rollup_1h";
/// The column that the tables are partitioned by.
pub const PARTITION: &str = "date";

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

fn column(name: &str, data_type: DataType, nullable: bool, comment: &str) -> Field {
    let metadata = HashMap::from([("comment".to_owned(), comment.to_owned())]);
    Field::new(name, data_type, nullable).with_metadata(metadata)
}

fn utc_micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn series_columns() -> Vec<Field> {
    vec![
        column("source", DataType::Utf8, false, "vantage point that measured"),
        column("target", DataType::Utf8, false, "where the probe went"),
        column("protocol", DataType::Utf8, false, "how it was made: tcp, tls, https, icmp or udp"),
        column("family", DataType::Int32, false, "address family: 4 or 6"),
    ]
}

/// The schema of [`SAMPLES`].
#[must_use]
pub fn samples() -> SchemaRef {
    let text = DataType::Utf8;
    let mut fields = vec![
        column(PARTITION, DataType::Date32, false, "UTC day of ts"),
        column("ts", utc_micros(), false, "when the probe left"),
    ];
    fields.extend(series_columns());
    fields.extend([
        column(
            "outcome",
            text.clone(),
            false,
            "answered, retransmitted, timeout, refused, unreachable, reset, dns_failure or not_sent",
        ),
        column("rtt_us", DataType::Int32, true, "the protocol's own time (tcp: the kernel's round-trip time), microseconds; null where there is none"),
        column(
            "connect_us",
            DataType::Int32,
            true,
            "what user space saw of the same exchange, microseconds; less rtt_us it is the instrument's own error; null where rtt_us is user space's",
        ),
        column("retransmits", DataType::Int32, false, "SYN retransmits"),
        column("address", text, true, "resolved address that was used"),
        column("epoch", DataType::Int64, false, "producer epoch; with source and round the identity of the round"),
        column("round", DataType::Int64, false, "round number within the epoch"),
    ]);
    Arc::new(Schema::new(fields))
}

/// The schema of [`ROLLUP_1H`].
#[must_use]
pub fn rollup_1h() -> SchemaRef {
    let count = |name, comment| column(name, DataType::Int64, false, comment);
    let mut fields = vec![
        column(PARTITION, DataType::Date32, false, "UTC day of hour"),
        column("hour", utc_micros(), false, "start of the hour"),
    ];
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
    Arc::new(Schema::new(fields))
}
