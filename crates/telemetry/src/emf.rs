//! Metrics as log lines, in the embedded metric format of CloudWatch.
//!
//! The rules are those of its [specification](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html)
//! and of [`PutMetricData`](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html). A line that
//! breaks one is not refused by CloudWatch but passed over in silence, so they are checked here.
//!
//! Why not the crate `metrics_cloudwatch_embedded`: it is a global recorder behind the `metrics` facade, which reads the clock
//! itself and takes any name at any place. What is told here is one report of one invocation, all of whose names are known.

use std::collections::HashSet;
use std::io::Write;

use serde_json::{Map, Value, json};

/// All of cloudping's metrics.
const NAMESPACE: &str = "cloudping";
/// Which metrics CloudWatch shall make: `all`, `alarms` or `off`.
const CHOICE: &str = "CLOUDPING_METRICS";
/// The name that Lambda gives a function.
const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";
const MOST_METRICS: usize = 100;
const MOST_DIMENSIONS: usize = 30;
/// Of a metric's or a dimension's name.
const LONGEST_NAME: usize = 255;
/// Of a dimension's value.
const LONGEST_VALUE: usize = 1024;
/// Of a line, as of every event in CloudWatch's logs.
const MOST_BYTES: usize = 256 * 1024;

/// A metric, as it stands in docs/metrics.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name: ASCII, at most 255 characters.
    pub name: &'static str,
    /// What its values are in.
    pub unit: Unit,
    /// An alarm is suggested for it. Each metric of each function or vantage point has a price per month, so by default
    /// CloudWatch makes those of which it is to wake somebody; the others stand in the same line, to be queried.
    pub alarm: bool,
}

impl Metric {
    /// A metric to look up when something is wrong.
    #[must_use]
    pub const fn new(name: &'static str, unit: Unit) -> Self {
        Self { name, unit, alarm: false }
    }

    /// A metric to set an alarm on.
    #[must_use]
    pub const fn alarming(name: &'static str, unit: Unit) -> Self {
        Self { name, unit, alarm: true }
    }

    /// How its row in docs/metrics.md begins, for a test that it is there.
    #[must_use]
    pub fn row(&self) -> String {
        format!("| `{}`{} | {} |", self.name, if self.alarm { " *" } else { "" }, self.unit.name())
    }
}

/// What values are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// CloudWatch's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// Why metrics would be passed over by CloudWatch.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum EmfError {
    /// `CLOUDPING_METRICS` is none of its values.
    #[error("CLOUDPING_METRICS is {0:?}, expected all, alarms or off")]
    Choice(String),
    /// A metric's or a dimension's name cannot be one.
    #[error("name is {0:?}, expected 1 to {LONGEST_NAME} ASCII characters, `_aws` and a colon in front not among them")]
    Name(String),
    /// A dimension's value cannot be one.
    #[error("dimension {0} is {1:?}, expected 1 to {LONGEST_VALUE} ASCII characters, not all blank, no colon in front")]
    Dimension(String, String),
    /// Two members of a line have one name.
    #[error("{0} stands twice in a line, expected once")]
    Twice(String),
    /// A value is no number.
    #[error("{0} is {1}, expected a finite number")]
    Value(&'static str, f64),
    /// Too many of something.
    #[error("{0} {1}, expected at most {2}")]
    TooMany(usize, &'static str, usize),
}

/// Which metrics CloudWatch is to make of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    All,
    Alarms,
    Off,
}

/// What one line tells. What stands in it is checked when it is written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Line {
    metrics: Vec<(Metric, f64)>,
    properties: Vec<(&'static str, Value)>,
}

impl Line {
    /// A line that tells nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number of things.
    #[must_use]
    pub fn count(self, metric: Metric, count: u64) -> Self {
        // Above 2^53 the last digits are lost, as they are in CloudWatch.
        self.value(metric, count as f64)
    }

    /// Adds a value in the metric's unit.
    #[must_use]
    pub fn value(mut self, metric: Metric, value: f64) -> Self {
        self.metrics.push((metric, value));
        self
    }

    /// Adds what is no number, or none to draw: an id, a name.
    #[must_use]
    pub fn property(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.properties.push((name, value.into()));
        self
    }

    /// Whether the metric stands in it.
    pub(crate) fn tells(&self, metric: Metric) -> bool {
        self.metrics.iter().any(|(told, _)| *told == metric)
    }
}

/// Writes lines, all with the same dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitter {
    dimensions: Vec<(&'static str, String)>,
    choice: Choice,
}

impl Emitter {
    /// An emitter for a program. Its dimensions are `function` (the name that Lambda gave it; `program` elsewhere) and those
    /// given.
    ///
    /// # Errors
    /// [`EmfError`] of the dimensions and of `CLOUDPING_METRICS`.
    pub fn new(
        program: &str,
        dimensions: &[(&'static str, &str)],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, EmfError> {
        let choice = match variable(CHOICE).as_deref() {
            None | Some("" | "alarms") => Choice::Alarms,
            Some("all") => Choice::All,
            Some("off") => Choice::Off,
            Some(other) => return Err(EmfError::Choice(other.to_owned())),
        };
        let function = variable(FUNCTION_NAME).unwrap_or_else(|| program.to_owned());
        let given = dimensions.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let dimensions: Vec<(&str, String)> = [("function", function)].into_iter().chain(given).collect();
        at_most(dimensions.len(), "dimensions", MOST_DIMENSIONS)?;
        for (name, value) in &dimensions {
            check_name(name)?;
            let fits = value.is_ascii() && value.len() <= LONGEST_VALUE && !value.starts_with(':');
            if !fits || value.trim().is_empty() {
                return Err(EmfError::Dimension((*name).to_owned(), value.clone()));
            }
        }
        Ok(Self { dimensions, choice })
    }

    /// The line as it is written, without its end; `at_ms` is Unix time in milliseconds.
    ///
    /// # Errors
    /// [`EmfError`] when CloudWatch would pass the line over.
    pub fn line(&self, line: &Line, at_ms: i64) -> Result<String, EmfError> {
        let mut members = Members::default();
        let made = line.metrics.iter().map(|(metric, _)| metric).filter(|metric| self.makes(metric));
        let made: Vec<Value> = made.map(|metric| json!({ "Name": metric.name, "Unit": metric.unit.name() })).collect();
        at_most(made.len(), "metrics", MOST_METRICS)?;
        if !made.is_empty() {
            let names: Vec<&str> = self.dimensions.iter().map(|(name, _)| *name).collect();
            let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [names], "Metrics": made });
            members.object.insert("_aws".to_owned(), json!({ "Timestamp": at_ms, "CloudWatchMetrics": [directive] }));
        }
        for (name, value) in &self.dimensions {
            members.add(name, value.as_str().into())?;
        }
        for (name, value) in &line.properties {
            members.add(name, value.clone())?;
        }
        for (metric, value) in &line.metrics {
            members.add(metric.name, number(*value).ok_or(EmfError::Value(metric.name, *value))?)?;
        }
        let text = Value::Object(members.object).to_string();
        at_most(text.len(), "bytes", MOST_BYTES)?;
        Ok(text)
    }

    /// Writes the line to standard output; a line that CloudWatch would pass over becomes an error in the log.
    pub fn emit(&self, line: &Line, at_ms: i64) {
        match self.line(line, at_ms) {
            Ok(mut text) => {
                text.push('\n');
                // In one piece, so that no line of the log stands in its middle. Without an output there is nobody to tell.
                let _ = std::io::stdout().lock().write_all(text.as_bytes());
            }
            Err(error) => tracing::error!(%error, "metrics not written"),
        }
    }

    fn makes(&self, metric: &Metric) -> bool {
        match self.choice {
            Choice::All => true,
            Choice::Alarms => metric.alarm,
            Choice::Off => false,
        }
    }
}

/// The members of a line; no two of one name.
#[derive(Default)]
struct Members {
    object: Map<String, Value>,
    names: HashSet<String>,
}

impl Members {
    fn add(&mut self, name: &str, value: Value) -> Result<(), EmfError> {
        check_name(name)?;
        if !self.names.insert(name.to_owned()) {
            return Err(EmfError::Twice(name.to_owned()));
        }
        self.object.insert(name.to_owned(), value);
        Ok(())
    }
}

/// A whole number without a decimal point, so that a count reads as one; `None` of what JSON cannot hold.
fn number(value: f64) -> Option<Value> {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= WHOLE {
        return Some((value as i64).into());
    }
    serde_json::Number::from_f64(value).map(Value::Number)
}

fn check_name(name: &str) -> Result<(), EmfError> {
    let fits = (1..=LONGEST_NAME).contains(&name.len()) && name.is_ascii() && !name.starts_with(':');
    if fits && name != "_aws" { Ok(()) } else { Err(EmfError::Name(name.to_owned())) }
}

fn at_most(number: usize, of: &'static str, most: usize) -> Result<(), EmfError> {
    if number <= most { Ok(()) } else { Err(EmfError::TooMany(number, of, most)) }
}

#[cfg(test)]
#[path = "emf_tests.rs"]
mod tests;
