//! Cases run in processes of their own, so that their peaks of memory and their CPU times are apart.

use std::error::Error;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs this program again with these arguments and gives the JSON object that it prints.
///
/// # Errors
/// If it cannot be started, fails, or prints something else.
pub fn run(arguments: &[&str]) -> Result<Value, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg("case").args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("case {}: {}", arguments.join(" "), output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A number of a case's answer.
///
/// # Errors
/// If there is no such number.
pub fn number(answer: &Value, field: &str) -> Result<f64, Box<dyn Error>> {
    answer[field].as_f64().ok_or_else(|| format!("a case's answer has no number {field:?}: {answer}").into())
}
