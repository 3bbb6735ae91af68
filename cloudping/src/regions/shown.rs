//! A run as a table.

use cloudping_agent::cli::Format;
use cloudping_agent::failure::Failure;
use cloudping_agent::output;
use cloudping_region_manager::{RegionReport, Report};

/// As many letters of a package's SHA-256 as tell packages apart.
const SHA256_SHOWN: usize = 8;

/// Prints what became of each region.
pub fn print(report: &Report, format: Option<Format>) -> Result<(), Failure> {
    if output::chosen(format) == Format::Json {
        return output::json(&report.regions);
    }
    let header = ["region", "status", "catalogue", "producer", "outcome", "what"];
    output::print(output::table(&header, report.regions.iter().map(row).collect(), header.len()))
}

fn row(region: &RegionReport) -> Vec<String> {
    let sha256 = region.code_sha256.as_deref().unwrap_or("-");
    let steps = (!region.steps.is_empty()).then(|| region.steps.join(", "));
    let what: Vec<String> = steps.into_iter().chain(region.note.clone()).collect();
    vec![
        region.region.clone(),
        region.status.to_string(),
        if region.catalogued { "known" } else { "uncatalogued" }.to_owned(),
        sha256.chars().take(SHA256_SHOWN).collect(),
        region.outcome.word().to_owned(),
        what.join("; "),
    ]
}
