//! What of the bench is run, from the environment.

use std::env;
use std::time::Duration;

use cloudping_testkit::bench_report::{Bar, BenchReport};

use crate::Result;

/// The parts, in their order.
const PARTS: [&str; 3] = ["live", "stream", "sql"];
/// What the bars are meant for.
const FULL: (u64, usize, usize) = (10, 1_000, 1_000_000);

/// What of the bench is run.
#[derive(Debug)]
pub struct Settings {
    only: Option<Vec<String>>,
    /// How long each measurement takes.
    pub time: Duration,
    /// Followers of the stream.
    pub clients: usize,
    /// Rows of the archive's samples, and of the large answer.
    pub rows: usize,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// When a variable holds what it must not.
    pub fn from_env() -> Result<Self> {
        let only = env::var("CLOUDPING_BENCH_ONLY").ok();
        let only = only.map(|list| list.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>());
        if let Some(unknown) = only.iter().flatten().find(|part| !PARTS.contains(&part.as_str())) {
            return Err(format!("CLOUDPING_BENCH_ONLY has {unknown:?}, expected some of {}", PARTS.join(", ")).into());
        }
        let (seconds, clients, rows) = FULL;
        Ok(Self {
            only,
            time: Duration::from_secs(number("CLOUDPING_BENCH_SECONDS", seconds as f64)? as u64),
            clients: number("CLOUDPING_BENCH_CLIENTS", clients as f64)? as usize,
            rows: number("CLOUDPING_BENCH_ROWS", rows as f64)? as usize,
        })
    }

    /// Whether a part is to be run.
    #[must_use]
    pub fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == part))
    }

    /// What is to be said if this is not the whole bench.
    #[must_use]
    pub fn partial(&self) -> Option<String> {
        let whole = self.only.is_none() && self.is_full();
        let (seconds, clients, rows) = (self.time.as_secs(), self.clients, self.rows);
        (!whole).then(|| format!("only a part: {seconds} s a measurement, {clients} clients, {rows} rows"))
    }

    fn is_full(&self) -> bool {
        let (seconds, clients, rows) = FULL;
        self.time.as_secs() >= seconds && self.clients >= clients && self.rows >= rows
    }

    /// Adds a figure that is judged if there is as much of everything as its bar is meant for.
    pub fn judged(&self, report: &mut BenchReport, figure: &str, value: f64, unit: &'static str, bar: Bar) {
        if self.is_full() {
            report.judged(figure, value, unit, bar);
        } else {
            report.plain(format!("{figure} (small)"), value, unit);
        }
    }
}

fn number(name: &str, default: f64) -> Result<f64> {
    let Ok(text) = env::var(name) else { return Ok(default) };
    let number = text.parse::<f64>().ok().filter(|number| *number >= 1.0);
    number.ok_or_else(|| format!("{name} is {text:?}, expected a number such as 1e5, at least 1").into())
}
