//! Answers a second beside nginx, and how long they take at half of that; quiet, and while heavy statements run.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use cloudping_testkit::bench_report::{Bar, BenchReport};
use tokio::runtime::Runtime;

use crate::Result;
use crate::client::get;
use crate::nginx::Nginx;
use crate::paced::{p99, times};
use crate::server::{REST, Server};
use crate::settings::Settings;
use crate::statements::Heavy;
use crate::world::REGIONS;
use crate::wrk;

/// Statements that run at the same time.
const HEAVY: usize = 4;

/// Runs the part.
///
/// # Errors
/// When it cannot be run.
pub fn judge(report: &mut BenchReport, settings: &Settings, folder: &Path, runtime: &Runtime) -> Result<()> {
    let server = Server::start(folder, REGIONS)?;
    let matrix = "/api/v1/matrix";
    let nearest = "/api/v1/nearest?source=us-east-1";
    let half = beside_nginx(report, settings, folder, server.address, ("matrix", matrix))? / 2.0;
    beside_nginx(report, settings, folder, server.address, ("nearest", nearest))?;

    let quiet = p99(&runtime.block_on(times(server.address, matrix, half, settings.time))?);
    settings.judged(report, "matrix p99 at half load", quiet, "ms", Bar::AtMost(10.0));
    let heavy = Heavy::start(server.address, HEAVY);
    let loaded = p99(&runtime.block_on(times(server.address, matrix, half, settings.time))?);
    report.plain("heavy statements meanwhile", heavy.stop()? as f64, "");
    report.plain("matrix p99 while heavy statements run", loaded, "ms");
    settings.judged(report, "matrix p99 heavy / quiet", loaded / quiet, "x", Bar::AtMost(3.0));
    Ok(())
}

/// Returns the service's rate.
fn beside_nginx(
    report: &mut BenchReport,
    settings: &Settings,
    folder: &Path,
    service: SocketAddr,
    (name, path): (&str, &str),
) -> Result<f64> {
    let url = format!("http://{service}{path}");
    let bytes = get(&url, "gzip")?;
    let own = folder.join(format!("nginx-{name}"));
    fs::create_dir_all(own.join("files"))?;
    fs::write(own.join("files").join(name), &bytes)?;
    let theirs = {
        let nginx = Nginx::start(&own)?;
        wrk::rate(&format!("http://{}/{name}", nginx.address), settings.time)?
    };
    std::thread::sleep(REST);
    let ours = wrk::rate(&url, settings.time)?;
    report.plain(format!("{name}: bytes, compressed"), bytes.len() as f64, "B");
    report.plain(format!("{name}: nginx"), theirs, "/s");
    report.plain(format!("{name}: cloudping"), ours, "/s");
    settings.judged(report, &format!("{name}: cloudping / nginx"), ours / theirs, "x", Bar::AtLeast(0.5));
    Ok(ours)
}
