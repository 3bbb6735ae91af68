//! What an invocation tells; docs/metrics.md says what for.

use cloudping_telemetry::{FAILED, Line, Metric, Unit};

use crate::handler::Done;

/// Rounds counted.
pub const ROUNDS_COUNTED: Metric = Metric::alarming("RoundsCounted", Unit::Count);
/// Rounds that had been counted before.
pub const DUPLICATE_ROUNDS: Metric = Metric::new("DuplicateRounds", Unit::Count);
/// Samples counted.
pub const SAMPLES_COUNTED: Metric = Metric::new("SamplesCounted", Unit::Count);
/// Records that could not be read.
pub const DEAD_LETTERS: Metric = Metric::alarming("DeadLetters", Unit::Count);
/// Route steps found.
pub const ROUTE_STEPS: Metric = Metric::new("RouteSteps", Unit::Count);
/// How long ago the youngest round of the batch began.
pub const BATCH_AGE: Metric = Metric::alarming("BatchAge", Unit::Milliseconds);
/// All of them.
pub const METRICS: [Metric; 6] =
    [ROUNDS_COUNTED, DUPLICATE_ROUNDS, SAMPLES_COUNTED, DEAD_LETTERS, ROUTE_STEPS, BATCH_AGE];

/// The line of an invocation. A batch that is asked for again counts nothing, whatever of it did take effect: it is counted, or
/// found to be a duplicate, when it comes again.
#[must_use]
pub fn line(done: &Done) -> Line {
    let again = !done.response.failures.is_empty();
    let mut line = Line::new().count(FAILED, again.into()).property("records", done.records);
    if let Some(shard) = &done.shard {
        line = line.property("shard", shard.0.as_str());
    }
    if let Some(report) = &done.report {
        line = line
            .count(ROUNDS_COUNTED, report.counted as u64)
            .count(DUPLICATE_ROUNDS, report.duplicates as u64)
            .count(SAMPLES_COUNTED, report.samples as u64)
            .count(DEAD_LETTERS, report.dead as u64)
            .count(ROUTE_STEPS, report.changes.len() as u64);
    }
    match done.age_us {
        Some(age_us) => line.value(BATCH_AGE, age_us as f64 / 1_000.0),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use cloudping_stream_processor::BatchReport;
    use cloudping_telemetry::{Emitter, FUNCTION_METRICS};
    use serde_json::Value;

    use super::*;
    use crate::event::BatchResponse;

    fn written(done: &Done) -> Value {
        let emitter = Emitter::new("stream-processor", &[], |_| None).unwrap();
        serde_json::from_str(&emitter.line(&line(done), 0).unwrap()).unwrap()
    }

    #[test]
    fn a_batch_tells_what_was_counted_and_how_old_it_is() {
        let report = BatchReport { counted: 60, samples: 2_280, duplicates: 3, dead: 1, ..BatchReport::default() };
        let done = Done { records: 64, report: Some(report), age_us: Some(-1_500), ..Done::default() };
        let line = written(&done);
        let expected = [
            ("RoundsCounted", 60.0),
            ("SamplesCounted", 2_280.0),
            ("DuplicateRounds", 3.0),
            ("DeadLetters", 1.0),
            ("RouteSteps", 0.0),
            ("BatchAge", -1.5),
            ("Failed", 0.0),
            ("records", 64.0),
        ];
        for (name, value) in expected {
            assert_eq!(line[name].as_f64(), Some(value), "{name}");
        }
        let made = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        let made: Vec<&str> = made.iter().map(|metric| metric["Name"].as_str().unwrap()).collect();
        assert_eq!(made, ["Failed", "RoundsCounted", "DeadLetters", "BatchAge"]);
    }

    #[test]
    fn a_batch_that_is_asked_for_again_has_failed_and_counts_nothing() {
        let response = BatchResponse::again_from(&cloudping_ports::SequenceNumber::from(7));
        let line = written(&Done { response, records: 64, ..Done::default() });
        assert_eq!((&line["Failed"], line.get("RoundsCounted")), (&1.into(), None));
    }

    #[test]
    fn every_metric_stands_in_the_guide() {
        let guide = include_str!("../../../docs/metrics.md");
        for metric in METRICS.iter().chain(&FUNCTION_METRICS) {
            assert!(guide.contains(&metric.row()), "docs/metrics.md has no row {}", metric.row());
        }
    }
}
