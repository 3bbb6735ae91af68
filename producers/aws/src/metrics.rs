//! What an invocation of the function tells; docs/metrics.md says what for.

use cloudping_telemetry::{Line, Metric, Unit};

use crate::handler::Report;

/// Rounds measured.
pub const ROUNDS_MEASURED: Metric = Metric::alarming("RoundsMeasured", Unit::Count);
/// Probes that left this machine.
pub const PROBES_SENT: Metric = Metric::new("ProbesSent", Unit::Count);
/// Probes that were answered at once.
pub const PROBES_ANSWERED: Metric = Metric::new("ProbesAnswered", Unit::Count);
/// Probes that were sent and found no proper answer.
pub const PROBES_LOST: Metric = Metric::new("ProbesLost", Unit::Count);
/// Rounds appended to the stream.
pub const ROUNDS_APPENDED: Metric = Metric::new("RoundsAppended", Unit::Count);
/// 1 when the stream did not take all rounds, else 0.
pub const APPEND_FAILURES: Metric = Metric::new("AppendFailures", Unit::Count);
/// Rounds that wait in memory.
pub const ROUNDS_UNSENT: Metric = Metric::alarming("RoundsUnsent", Unit::Count);
/// Rounds that waited for too long.
pub const ROUNDS_GIVEN_UP: Metric = Metric::new("RoundsGivenUp", Unit::Count);
/// Rounds that the stream will never take.
pub const ROUNDS_REFUSED: Metric = Metric::new("RoundsRefused", Unit::Count);
/// All of them.
pub const METRICS: [Metric; 9] = [
    ROUNDS_MEASURED,
    PROBES_SENT,
    PROBES_ANSWERED,
    PROBES_LOST,
    ROUNDS_APPENDED,
    APPEND_FAILURES,
    ROUNDS_UNSENT,
    ROUNDS_GIVEN_UP,
    ROUNDS_REFUSED,
];

/// The line of an invocation.
#[must_use]
pub fn line(report: &Report, append_failed: bool) -> Line {
    let Report { rounds, sent, answered, lost, appended, unsent, given_up, refused } = *report;
    Line::new()
        .count(ROUNDS_MEASURED, rounds)
        .count(PROBES_SENT, sent)
        .count(PROBES_ANSWERED, answered)
        .count(PROBES_LOST, lost)
        .count(ROUNDS_APPENDED, appended)
        .count(APPEND_FAILURES, append_failed.into())
        .count(ROUNDS_UNSENT, unsent)
        .count(ROUNDS_GIVEN_UP, given_up)
        .count(ROUNDS_REFUSED, refused)
}

#[cfg(test)]
mod tests {
    use cloudping_telemetry::Emitter;
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_invocation_tells_what_was_measured_and_what_is_left() {
        let report =
            Report { rounds: 2, sent: 76, answered: 70, lost: 6, appended: 1, unsent: 3, given_up: 4, refused: 5 };
        let emitter = Emitter::new("producer", &[("vantage", "eu-west-1")], |_| None).unwrap();
        let line: Value = serde_json::from_str(&emitter.line(&line(&report, true), 0).unwrap()).unwrap();
        assert_eq!(line["vantage"], "eu-west-1");
        for (metric, value) in METRICS.iter().zip([2, 76, 70, 6, 1, 1, 3, 4, 5]) {
            assert_eq!(line[metric.name], value, "{}", metric.name);
        }
        let made = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert_eq!(made.len(), METRICS.iter().filter(|metric| metric.alarm).count());
    }

    #[test]
    fn every_metric_stands_in_the_guide() {
        let guide = include_str!("../../../docs/metrics.md");
        for metric in METRICS {
            assert!(guide.contains(&metric.row()), "docs/metrics.md has no row {}", metric.row());
        }
    }
}
