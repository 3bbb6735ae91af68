//! DuckDB over our files, in a process of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;

const PROGRAM: &str = include_str!("peer.py");

/// DuckDB's answer to a statement over `samples`, and the least time of `runs` that it took after a first one.
///
/// # Errors
/// When it cannot be started or the statement fails.
pub fn ask(python: &Path, files: &[PathBuf], sql: &str, runs: u32) -> Result<(Vec<Value>, Duration)> {
    let mut command = Command::new(python);
    let mut child = command.args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let request = json!({ "files": files, "sql": sql, "runs": runs });
    let mut input = child.stdin.take().ok_or("DuckDB has no input")?;
    input.write_all(request.to_string().as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("DuckDB: {}", output.status).into());
    }
    let mut answer: Value = serde_json::from_slice(&output.stdout)?;
    let seconds = answer["seconds"].as_f64().ok_or("DuckDB's answer has no time")?;
    match answer["rows"].take() {
        Value::Array(rows) => Ok((rows, Duration::from_secs_f64(seconds))),
        other => Err(format!("DuckDB's answer has no rows, but {other}").into()),
    }
}
