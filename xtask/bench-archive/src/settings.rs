//! What of the bench is run, from the environment.

use std::env;
use std::path::PathBuf;

use cloudping_testkit::bench_report::{Bar, BenchReport};

use crate::Result;

/// The parts, in their order.
const PARTS: [&str; 3] = ["day", "month", "year"];
/// What the bars are meant for.
const FULL_ROWS: u64 = 100_000_000;

/// What of the bench is run.
#[derive(Debug)]
pub struct Settings {
    only: Option<Vec<String>>,
    /// Samples of the day, and of the month.
    pub rows: u64,
    /// An interpreter with DuckDB and chdb.
    pub python: PathBuf,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// When a variable holds what it must not, or there is no interpreter.
    pub fn from_env() -> Result<Self> {
        let only = env::var("CLOUDPING_BENCH_ONLY").ok();
        let only = only.map(|list| list.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>());
        if let Some(unknown) = only.iter().flatten().find(|part| !PARTS.contains(&part.as_str())) {
            return Err(format!("CLOUDPING_BENCH_ONLY has {unknown:?}, expected some of {}", PARTS.join(", ")).into());
        }
        let rows = match env::var("CLOUDPING_BENCH_ROWS") {
            Ok(text) => text
                .parse::<f64>()
                .map_err(|_| format!("CLOUDPING_BENCH_ROWS is {text:?}, expected a number such as 5e6"))?
                as u64,
            Err(_) => FULL_ROWS,
        };
        let python = env::var_os("CLOUDPING_TEST_PYTHON").ok_or(
            "CLOUDPING_TEST_PYTHON is not set, expected an interpreter that has duckdb (cargo xtask bench sets it)",
        )?;
        Ok(Self { only, rows, python: python.into() })
    }

    /// Whether a part is to be run.
    #[must_use]
    pub fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == part))
    }

    /// What is to be said if this is not the whole bench.
    #[must_use]
    pub fn partial(&self) -> Option<String> {
        let less = self.rows < FULL_ROWS || self.only.is_some();
        less.then(|| {
            format!(
                "only a part: {:e} samples, {}",
                self.rows,
                self.only.as_ref().map_or("all parts".to_owned(), |only| only.join(", "))
            )
        })
    }

    /// Adds a figure that is judged if there is as much data as its bar is meant for, and else says how much there was.
    pub fn judged(&self, report: &mut BenchReport, figure: &str, value: f64, unit: &'static str, bar: Bar) {
        if self.rows >= FULL_ROWS {
            report.judged(figure, value, unit, bar);
        } else {
            report.plain(format!("{figure} ({:e} samples)", self.rows), value, unit);
        }
    }
}
