//! What a request tells; docs/metrics.md says what for.

use cloudping_ingest_door::{Counters, Reason};
use cloudping_telemetry::{FAILED, Line, Metric, Unit};

/// Rounds appended to the stream.
pub const ROUNDS_ACCEPTED: Metric = Metric::alarming("RoundsAccepted", Unit::Count);
/// 1 when the request was refused, else 0.
pub const REQUESTS_REFUSED: Metric = Metric::alarming("RequestsRefused", Unit::Count);
/// All of them.
pub const METRICS: [Metric; 2] = [ROUNDS_ACCEPTED, REQUESTS_REFUSED];

/// The line of a request, from what the door had done before it and after it: an environment has one at a time.
#[must_use]
pub fn line(before: &Counters, after: &Counters) -> Line {
    let line = Line::new()
        .count(ROUNDS_ACCEPTED, after.rounds - before.rounds)
        .count(REQUESTS_REFUSED, after.all_refused() - before.all_refused());
    let line = if own_fault(before, after) { line.count(FAILED, 1) } else { line };
    match Reason::ALL.into_iter().find(|reason| after.refused(*reason) > before.refused(*reason)) {
        Some(reason) => line.property("reason", reason.name()),
        None => line,
    }
}

/// Whether a request was refused for what is wrong here, not with the request.
fn own_fault(before: &Counters, after: &Counters) -> bool {
    [Reason::Store, Reason::Log, Reason::Busy].iter().any(|reason| after.refused(*reason) > before.refused(*reason))
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
