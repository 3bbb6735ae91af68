//! `cargo xtask bench dashboard`: what the pages weigh, how soon they show something, and how soon they answer, in Chromium, over a service
//! with 205 regions that measure each other and whose numbers change all the while.
//!
//! The browser is driven by `dashboard/bench/measure.mjs`, which says what it did and what the browser itself measured. The page of the
//! measurements is the matrix: 205 x 205 cells, all of which come live.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cloudping_testkit::bench_report::{Bar, BenchReport};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;

use crate::Result;
use crate::server::Server;

/// The regions of the catalogue that the bar names.
const REGIONS: usize = 205;

/// What the script prints.
#[derive(Deserialize)]
struct Measured {
    /// First contentful paints of fresh visits, ms.
    first_contentful_paints: Vec<f64>,
    /// What the first page loads, as paths.
    first_route: Vec<String>,
    interactions: Vec<Interaction>,
}

/// One kind of input, and how long until what it caused was painted.
#[derive(Deserialize)]
struct Interaction {
    name: String,
    /// By the browser's Event Timing, ms, each in steps of 8.
    latencies: Vec<f64>,
}

/// Runs the bench and writes its figures.
///
/// # Errors
/// When it cannot be run, or a bar does not hold.
pub fn judge() -> Result<()> {
    let mut report = BenchReport::new("dashboard");
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), REGIONS)?;
    let measured = measure(&format!("http://{}", server.address))?;
    weigh(&mut report, &measured.first_route)?;
    let paint = measured.first_contentful_paints.iter().copied().fold(0.0, f64::max);
    report.judged("first contentful paint, slowest visit", paint, "ms", Bar::AtMost(1_000.0));
    for Interaction { name, latencies } in &measured.interactions {
        if latencies.is_empty() {
            return Err(format!("the browser saw no interaction {name:?}").into());
        }
        let slowest = latencies.iter().copied().fold(0.0, f64::max);
        report.judged(format!("{name}: slowest of {}", latencies.len()), slowest, "ms", Bar::AtMost(100.0));
    }
    crate::publish(report)
}

/// The folder of the pages' sources.
fn dashboard() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboard")
}

fn measure(address: &str) -> Result<Measured> {
    let mut command = Command::new("node");
    command.arg("bench/measure.mjs").arg(address).current_dir(dashboard()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("node: {error}"))?;
    if !output.status.success() {
        return Err(format!("bench/measure.mjs ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What the pages weigh, each file compressed by itself.
fn weigh(report: &mut BenchReport, first_route: &[String]) -> Result<()> {
    let dist = dashboard().join("dist");
    let first = first_route.iter().map(|path| {
        let path = if path == "/" { "index.html" } else { path.trim_start_matches('/') };
        compressed(&dist.join(path))
    });
    let first = first.sum::<Result<usize>>()?;
    report.judged("first route, gzip", first as f64 / 1_000.0, "kB", Bar::AtMost(60.0));
    let all = files(&dist)?.iter().map(|file| compressed(file)).sum::<Result<usize>>()?;
    report.judged("all files, gzip", all as f64 / 1_000.0, "kB", Bar::AtMost(150.0));
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

fn compressed(file: &Path) -> Result<usize> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    Ok(encoder.finish()?.len())
}
