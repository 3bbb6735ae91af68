//! What an invocation tells; docs/metrics.md says what for.

use cloudping_region_manager::{Outcome, Report};
use cloudping_telemetry::{Line, Metric, Unit};

/// Regions with a producer as it should be.
pub const REGIONS_DEPLOYED: Metric = Metric::new("RegionsDeployed", Unit::Count);
/// Regions that could not be brought to what they should have.
pub const REGIONS_FAILED: Metric = Metric::new("RegionsFailed", Unit::Count);
/// Regions that the catalogue does not know.
pub const REGIONS_UNCATALOGUED: Metric = Metric::new("RegionsUncatalogued", Unit::Count);
/// All of them.
pub const METRICS: [Metric; 3] = [REGIONS_DEPLOYED, REGIONS_FAILED, REGIONS_UNCATALOGUED];

/// The line of an invocation; of one that found no regions it is empty.
#[must_use]
pub fn line(report: Option<&Report>) -> Line {
    let Some(report) = report else { return Line::new() };
    let deployed = [Outcome::Unchanged, Outcome::Created, Outcome::Updated].map(|outcome| report.count(outcome));
    let uncatalogued = report.regions.iter().filter(|region| !region.catalogued).count();
    Line::new()
        .count(REGIONS_DEPLOYED, deployed.iter().sum::<usize>() as u64)
        .count(REGIONS_FAILED, report.count(Outcome::Failed) as u64)
        .count(REGIONS_UNCATALOGUED, uncatalogued as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_stands_in_the_guide() {
        let guide = include_str!("../../../docs/metrics.md");
        for metric in METRICS {
            assert!(guide.contains(&metric.row()), "docs/metrics.md has no row {}", metric.row());
        }
    }
}
