//! The AWS backend on real servers: records a second through the event log beside a bare loop of the same calls against the same
//! server, and how many calls of DynamoDB the stream processor makes for a thousand samples.
//!
//! `cargo xtask bench aws` installs the servers and says where they are. `CLOUDPING_BENCH_ONLY=log` or `calls` runs a part.

mod calls;
mod log;
mod servers;

use std::error::Error;

use cloudping_testkit::bench_report::BenchReport;

const PARTS: [&str; 2] = ["log", "calls"];

/// What every part of the bench may fail with.
type Failure = Box<dyn Error + Send + Sync>;

// One thread for all that is compared: else the log's task, its callers and the server would wait for one another's turn on the CPUs,
// which says more of the machine's load than of the log.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let only = std::env::var("CLOUDPING_BENCH_ONLY").ok();
    if let Some(unknown) = only.as_deref().filter(|part| !PARTS.contains(part)) {
        return Err(format!("CLOUDPING_BENCH_ONLY is {unknown:?}, expected one of {}", PARTS.join(", ")).into());
    }
    let wants = |part| only.as_deref().is_none_or(|only| only == part);
    let mut report = BenchReport::new("aws");
    if only.is_some() {
        report.note("only a part of the bench was run");
    }
    if wants("log") {
        log::judge(&mut report).await?;
    }
    if wants("calls") {
        calls::judge(&mut report).await?;
    }
    let holds = report.holds();
    let path = report.publish(env!("CARGO_MANIFEST_DIR"))?;
    println!("  written to {}", path.display());
    if holds { Ok(()) } else { Err("a bar does not hold".into()) }
}
