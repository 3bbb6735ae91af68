//! `cargo xtask bench query`: how many answers a second the query service gives beside nginx, and what heavy statements and a thousand
//! followers of the stream do to it.
//!
//! The service runs in a process of its own, as does nginx, which serves the very bytes of one of its answers from a file. Both get two threads,
//! and the load comes from the same machine: [`wrk`] asks as fast as it can, [`paced`] at a given rate whatever becomes of the questions before.
//!
//! - [`world`], [`tables`]: 36 regions that measure each other, in a live store that changes all the while, and an archive.
//! - [`server`]: the service's process; [`nginx`]: its measure.
//! - [`live`], [`stream`], [`statements`]: the bench's parts.
//! - [`dashboard`]: `cargo xtask bench dashboard`, the pages over the same service with many more regions.
//!
//! `CLOUDPING_BENCH_SECONDS`, `CLOUDPING_BENCH_CLIENTS` and `CLOUDPING_BENCH_ROWS` make it smaller, to try things out: figures then have no bars.
//! `CLOUDPING_BENCH_ONLY=live,stream,sql` runs some parts.

pub mod client;
pub mod dashboard;
pub mod live;
pub mod nginx;
pub mod paced;
pub mod server;
pub mod settings;
pub mod statements;
pub mod stream;
pub mod tables;
pub mod world;
pub mod wrk;

use std::error::Error;

use cloudping_testkit::bench_report::BenchReport;

use settings::Settings;

/// What a part gives.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Runs a bench; in the process that [`server`] starts, serves.
///
/// # Errors
/// When a part cannot be run, or a bar does not hold.
pub fn run(bench: impl FnOnce() -> Result<()>) -> Result<()> {
    match server::asked() {
        Some(folder) => server::serve(&folder),
        None => bench(),
    }
}

/// The bench `query`: runs it and writes its figures.
///
/// # Errors
/// When a part cannot be run, or a bar does not hold.
pub fn query() -> Result<()> {
    let settings = Settings::from_env()?;
    let mut report = BenchReport::new("query");
    if let Some(note) = settings.partial() {
        report.note(note);
    }
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(tables::fill(folder.path(), settings.rows))?;
    if settings.wants("live") {
        live::judge(&mut report, &settings, folder.path(), &runtime)?;
    }
    if settings.wants("stream") {
        stream::judge(&mut report, &settings, folder.path(), &runtime)?;
    }
    if settings.wants("sql") {
        statements::judge(&mut report, &settings, folder.path(), &runtime)?;
    }
    publish(report)
}

/// Prints the table and writes the figures.
///
/// # Errors
/// When they cannot be written, or a bar does not hold.
pub fn publish(report: BenchReport) -> Result<()> {
    let holds = report.holds();
    report.publish(env!("CARGO_MANIFEST_DIR"))?;
    if holds { Ok(()) } else { Err("not all bars hold".into()) }
}
