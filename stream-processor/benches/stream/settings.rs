//! What of the bench is run, from the environment.

use std::env::{self, VarError};
use std::error::Error;

/// The parts of the bench, in their order.
pub const PARTS: [&str; 8] = ["path", "ceiling", "peers", "growth", "windows", "accuracy", "changes", "latency"];

/// What of the bench is run.
#[derive(Debug)]
pub struct Settings {
    only: Option<Vec<String>>,
    /// Samples of the path, the ceiling and the peers.
    pub samples: u64,
    /// The greater number of samples of the growth.
    pub samples_grown: u64,
    /// How often each case is run.
    pub runs: u32,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// If a variable holds what it must not.
    pub fn from_env() -> Result<Self, Box<dyn Error>> {
        let only = match env::var("CLOUDPING_BENCH_ONLY") {
            Ok(list) => Some(list.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>()),
            Err(VarError::NotPresent) => None,
            Err(error) => return Err(format!("CLOUDPING_BENCH_ONLY: {error}").into()),
        };
        if let Some(unknown) = only.iter().flatten().find(|part| !PARTS.contains(&part.as_str())) {
            let known = PARTS.join(", ");
            return Err(format!("CLOUDPING_BENCH_ONLY has {unknown:?}, expected some of {known}").into());
        }
        let samples = number("CLOUDPING_BENCH_SAMPLES", 10_000_000)?;
        let samples_grown = number("CLOUDPING_BENCH_GROWN", 100_000_000)?;
        let runs = u32::try_from(number("CLOUDPING_BENCH_RUNS", 3)?)?.max(1);
        Ok(Self { only, samples, samples_grown, runs })
    }

    /// Whether a part is to be run.
    pub fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == part))
    }

    /// Whether this is less than the whole bench.
    pub fn is_partial(&self) -> bool {
        self.only.is_some()
    }
}

/// A whole number of samples; `1e7` is one too.
fn number(name: &str, default: u64) -> Result<u64, Box<dyn Error>> {
    let Ok(text) = env::var(name) else { return Ok(default) };
    let value: f64 = text.parse().map_err(|_| format!("{name} is {text:?}, expected a number such as 1e7"))?;
    Ok(value as u64)
}
