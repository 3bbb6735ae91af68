//! The Arrow schemas of the archive's tables. Units stand in the names; each column says what it holds.
//!
//! A table may get more columns, all of them nullable, and never loses or changes one: files that were written before stay readable for ever.

mod origin;
mod rollup;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use cloudping_model::Level;

pub use origin::{Origin, UnknownOrigin};
pub use rollup::{PERCENTILES, rollup_1d, rollup_1h};

/// The table of samples: one row a probe.
pub const SAMPLES: &str = "samples";
/// The hourly rollup: one row a series and hour.
pub const ROLLUP_1H: &str = "rollup_1h";
/// The daily rollup: one row a series and day.
pub const ROLLUP_1D: &str = "rollup_1d";
/// The table of route changes: one row a step.
pub const CHANGES: &str = "changes";
/// The table of regions: one row a region or target.
pub const REGIONS: &str = "regions";
/// The column that `samples` and `rollup_1h` are partitioned by: the UTC day.
pub const PARTITION: &str = "date";
/// The column that `rollup_1d` and `changes`, of which a day has little, are partitioned by: the first day of the UTC month.
pub const MONTH: &str = "month";

/// Columns of `changes`: the target's address on both sides of the step.
pub const ADDRESSES: [&str; 2] = ["before_address", "after_address"];

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
        column("address", text.clone(), true, "resolved address that was used"),
        column("epoch", DataType::Int64, false, "producer epoch; with source and round the identity of the round"),
        column("round", DataType::Int64, false, "round number within the epoch"),
        column(
            "origin",
            text.clone(),
            true,
            "null: measured by a producer of this archive; simulated: on its simulated network; else what it was imported from",
        ),
        column(
            "gap_reason",
            text,
            true,
            "on the first sample of a round before which something is missing, why: clock_step, suspended, overload or spool_full",
        ),
        column("gap_rounds", DataType::Int64, true, "with gap_reason: rounds known to be missing; 0 where their number is unknown"),
        column("gap_us", DataType::Int64, true, "with gap_reason: wall time that was not measured, microseconds; a clock step has its sign"),
    ]);
    Arc::new(Schema::new(fields))
}

/// The schema of [`CHANGES`].
#[must_use]
pub fn changes() -> SchemaRef {
    let mut fields = vec![
        column(MONTH, DataType::Date32, false, "first day of the UTC month of minute"),
        column("minute", utc_micros(), false, "start of the first minute at the new level"),
    ];
    fields.extend(series_columns());
    fields.extend([
        column("found_at", utc_micros(), false, "newest start of a round when the step was found"),
        column("before_us", DataType::Int32, false, "median of the minutes' medians before, microseconds"),
        column("after_us", DataType::Int32, false, "median of the minutes' medians since, microseconds"),
        column("score", DataType::Float64, false, "by how much the test's threshold was passed: 1 is just enough"),
        column("ended_since", utc_micros(), false, "start of the first minute of the level that ended"),
        column("ended_count", DataType::Int64, false, "round-trip times of the level that ended"),
    ]);
    for (name, quantile) in
        ["ended_p10_us", "ended_p50_us", "ended_p90_us", "ended_p99_us"].into_iter().zip(Level::QUANTILES)
    {
        let comment = format!("quantile {quantile} of the level that ended, microseconds; null without any");
        fields.push(column(name, DataType::Float64, true, &comment));
    }
    for (name, side) in ADDRESSES.into_iter().zip(["before the step", "since the step"]) {
        let comment =
            format!("resolved address of the target {side}; null, both, where one is unknown or was no single one");
        fields.push(column(name, DataType::Utf8, true, &comment));
    }
    Arc::new(Schema::new(fields))
}

/// The schema of [`REGIONS`].
#[must_use]
pub fn regions() -> SchemaRef {
    let text = |name, comment| column(name, DataType::Utf8, true, comment);
    Arc::new(Schema::new(vec![
        column("id", DataType::Utf8, false, "as source and target name it"),
        text(
            "provider",
            "aws, azure, gcp or oci; null, as all that follows down to longitude, for what is no region of the catalogue",
        ),
        text("partition", "the provider's separate world that it belongs to"),
        text("name", "the provider's name for it"),
        text("city", "where it is"),
        text("country", "where it is"),
        text("continent", "where it is"),
        column("latitude", DataType::Float64, true, "degrees north"),
        column("longitude", DataType::Float64, true, "degrees east"),
        column("first_ts", utc_micros(), true, "start of the first hour in which it measured; null if it never did"),
        column("last_ts", utc_micros(), true, "start of the last hour in which it measured; null if it never did"),
        text(
            "status",
            "whether the account may use it: ENABLED_BY_DEFAULT, ENABLED, ENABLING, DISABLING or DISABLED; null, as all that follows, where no \
             region manager found it",
        ),
        column("checked_at", utc_micros(), true, "when the region manager last found it so"),
        text("producer_sha256", "SHA-256 (base64) of the package that its producer had then; null without a producer"),
    ]))
}
