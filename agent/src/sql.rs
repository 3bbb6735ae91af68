//! `cloudping sql`.

use cloudping_schemas::api::SqlRequest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::{Format, SqlArgs};
use crate::failure::Failure;
use crate::{ask, output};

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
    row_count: u64,
    elapsed_ms: f64,
    truncated: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Sends the statement and prints what comes back.
pub fn run(args: SqlArgs) -> Result<(), Failure> {
    let request = SqlRequest { query: args.query, params: Vec::new() };
    let answer: Answer = ask::post(&args.server.url, "/api/v1/sql", &request)?;
    if output::chosen(args.server.output) == Format::Json {
        return output::json(&answer);
    }
    let header: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    let rows = answer.rows.iter().map(|row| row.iter().map(text).collect());
    output::print(output::table(&header, rows.collect(), header.len()))?;
    let cut = if answer.truncated { ", cut off there: add a LIMIT or narrow the range" } else { "" };
    output::print(format_args!("{} rows in {:.0} ms{cut}", answer.row_count, answer.elapsed_ms))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
