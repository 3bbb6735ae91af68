//! The digest's error against exact quantiles, on the data sets of `crates/digest`'s own tests, and what merging costs.

use std::error::Error;
use std::hint::black_box;

use cloudping_digest::SeriesSummary;
use cloudping_testkit::bench_report::{Bar, BenchReport};

use crate::usage::process_cpu_seconds;

#[path = "../../../crates/digest/tests/common/sets.rs"]
mod sets;

/// Merges that are timed; the fastest counts.
const MERGES: usize = 50;

/// Reports every figure beside its bar.
///
/// # Errors
/// If there is no clean day among the sets.
pub fn judge(report: &mut BenchReport) -> Result<(), Box<dyn Error>> {
    for (figure, value, unit, at_most) in sets::figures() {
        report.judged(format!("digest: {figure}"), value, unit, Bar::AtMost(at_most));
    }
    let clean = sets::sets(7).into_iter().find(|set| set.name.starts_with("clean")).ok_or("no clean day")?;
    let minutes = sets::minutes(&clean.values);
    let merge = |_| {
        let before = process_cpu_seconds();
        black_box(SeriesSummary::merge_many(black_box(&minutes)));
        process_cpu_seconds() - before
    };
    let fastest = (0..MERGES).map(merge).fold(f64::INFINITY, f64::min);
    let each = fastest * 1e6 / minutes.len() as f64;
    report.judged(format!("digest: merging {} minutes of 60, each", minutes.len()), each, "us", Bar::AtMost(1.5));
    Ok(())
}
