//! `cargo xtask bench archive`: how small the archive's tables are, how fast they are written, compacted and asked, beside DuckDB (and
//! ClickHouse) over the very same files.
//!
//! - [`generator`]: worlds of regions that measure each other, as an event log that makes its rounds as they are read.
//! - [`day`]: a day of a round a second: bytes a sample, entropy, speed of the archiver and the compactor.
//! - [`history`]: a month and a year: answers from the rollups, and what more data costs.
//! - [`queries`]: eight questions to the day's samples, beside DuckDB and ClickHouse.
//! - [`service`], [`peer`]: ours and DuckDB, asked in SQL.
//!
//! `CLOUDPING_BENCH_ROWS=5e6` makes fewer samples than the 1e8 of the bars, to try things out: figures then name their number and have no bars.
//! `CLOUDPING_BENCH_ONLY=day,month,year` runs some parts. `CLOUDPING_TEST_PYTHON` is an interpreter that has DuckDB and chdb.

pub mod day;
pub mod entropy;
pub mod generator;
pub mod history;
pub mod peer;
pub mod queries;
pub mod service;
pub mod settings;
pub mod sizes;
pub mod usage;

// The producers' own file, not a copy. Their package would bring features of shared crates that rebuild half the tree.
#[path = "../../../producers/src/schedule.rs"]
#[allow(dead_code, reason = "the bench makes rounds, it does not keep the time")]
mod schedule;

use std::error::Error;

use cloudping_testkit::bench_report::BenchReport;

use settings::Settings;

/// What a part gives.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Runs the bench and writes its figures.
///
/// # Errors
/// When a part cannot be run, or a bar does not hold.
pub fn run() -> Result<()> {
    let settings = Settings::from_env()?;
    let mut report = BenchReport::new("archive");
    if let Some(note) = settings.partial() {
        report.note(note);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if settings.wants("day") {
        runtime.block_on(day::judge(&mut report, &settings))?;
    }
    if settings.wants("month") {
        runtime.block_on(history::judge_month(&mut report, &settings))?;
    }
    if settings.wants("year") {
        runtime.block_on(history::judge_year(&mut report, &settings))?;
    }
    let holds = report.holds();
    report.publish(env!("CARGO_MANIFEST_DIR"))?;
    if holds { Ok(()) } else { Err("not all bars hold".into()) }
}
