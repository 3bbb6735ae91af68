//! Whether a sample's cost grows with the number of samples that were there before.

use std::error::Error;

use cloudping_testkit::bench_report::{Bar, BenchReport};

use crate::generator::SMALL;
use crate::path;
use crate::settings::Settings;

/// The lesser number of samples.
const FEW: u64 = 1_000_000;
/// A short run is measured more often: it is over in a fraction of a second.
const RUNS_OF_FEW: u32 = 5;

/// Compares the same hour of the same series, measured a hundred times as often; and, ten hours long, a late hour with the second, the
/// first in which an hour is folded.
///
/// # Errors
/// If a run fails, or what it stored is wrong.
pub fn judge(report: &mut BenchReport, settings: &Settings) -> Result<(), Box<dyn Error>> {
    let many = settings.samples_grown;
    let few_cost = path::cost(SMALL.at(FEW), FEW, RUNS_OF_FEW)?;
    let many_cost = path::cost(SMALL.at(many), many, 1)?;
    let name = |samples: u64| format!("34x34: a sample's cost at {samples:.0e} in an hour", samples = samples as f64);
    report.plain(name(FEW), 1e9 / few_cost.per_second, "ns");
    report.plain(name(many), 1e9 / many_cost.per_second, "ns");
    let growth = few_cost.per_second / many_cost.per_second;
    report.judged("34x34: growth of a sample's cost with their number", growth, "", Bar::AtMost(1.2));
    let long = path::cost(SMALL, many, 1)?;
    report.plain(format!("34x34: peak memory at {:.0e}", many as f64), long.memory / 1e9, "GB");
    // The last hour is not whole.
    if let [first, second, .., late, _] = &long.by_hour[..] {
        report.plain("34x34: a sample's cost, first hour (nothing is folded)", first * 1e9, "ns");
        report.plain("34x34: a sample's cost, second hour", second * 1e9, "ns");
        let late_name = format!("34x34: a sample's cost, hour {}", long.by_hour.len() - 1);
        report.plain(late_name, late * 1e9, "ns");
        report.judged("34x34: growth of a sample's cost with the hours", late / second, "", Bar::AtMost(1.2));
    }
    Ok(())
}
