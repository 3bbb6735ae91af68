//! What an invocation tells; docs/metrics.md says what for.

use cloudping_telemetry::{Line, Metric, Unit};

use crate::handler::Report;

/// Rounds appended to the table of samples.
pub const ROUNDS_ARCHIVED: Metric = Metric::alarming("RoundsArchived", Unit::Count);
/// Rows appended to it.
pub const ROWS_ARCHIVED: Metric = Metric::new("RowsArchived", Unit::Count);
/// Records whose round was known already.
pub const DUPLICATE_ROUNDS: Metric = Metric::new("DuplicateRounds", Unit::Count);
/// Records that are no events.
pub const UNREADABLE_RECORDS: Metric = Metric::alarming("UnreadableRecords", Unit::Count);
/// Hours computed.
pub const HOURS_ROLLED_UP: Metric = Metric::new("HoursRolledUp", Unit::Count);
/// 1 when the time was over before the work was done, else 0.
pub const UNFINISHED: Metric = Metric::alarming("Unfinished", Unit::Count);
/// All of them.
pub const METRICS: [Metric; 6] =
    [ROUNDS_ARCHIVED, ROWS_ARCHIVED, DUPLICATE_ROUNDS, UNREADABLE_RECORDS, HOURS_ROLLED_UP, UNFINISHED];

/// The line of an invocation. A part that did not end in time counts nothing, whatever it committed.
#[must_use]
pub fn line(report: &Report) -> Line {
    let unfinished = report.archived.is_none() || report.rolled_up.is_none();
    let mut line = Line::new().count(UNFINISHED, unfinished.into());
    if let Some(archived) = report.archived {
        line = line
            .count(ROUNDS_ARCHIVED, archived.rounds)
            .count(ROWS_ARCHIVED, archived.rows)
            .count(DUPLICATE_ROUNDS, archived.duplicates)
            .count(UNREADABLE_RECORDS, archived.unreadable);
    }
    match report.rolled_up {
        Some(rolled_up) => line.count(HOURS_ROLLED_UP, rolled_up.hours),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use cloudping_telemetry::Emitter;
    use serde_json::Value;

    use super::*;
    use crate::handler::{Archived, RolledUp};

    fn written(report: &Report) -> Value {
        let emitter = Emitter::new("batch-rollup", &[], |_| None).unwrap();
        serde_json::from_str(&emitter.line(&line(report), 0).unwrap()).unwrap()
    }

    #[test]
    fn an_invocation_tells_what_it_did_and_whether_it_was_all() {
        let archived = Archived { records: 9, rounds: 7, rows: 21, duplicates: 1, unreadable: 1, commits: 1 };
        let rolled_up = RolledUp { hours: 2, rows: 24, commits: 1 };
        let told = written(&Report { archived: Some(archived), rolled_up: Some(rolled_up) });
        let values = METRICS.map(|metric| told[metric.name].as_u64());
        assert_eq!(values, [7, 21, 1, 1, 2, 0].map(Some));
        let cut_off = written(&Report { archived: Some(archived), rolled_up: None });
        assert_eq!((&cut_off["Unfinished"], cut_off.get("HoursRolledUp")), (&1.into(), None));
    }

    #[test]
    fn every_metric_stands_in_the_guide() {
        let guide = include_str!("../../../docs/metrics.md");
        for metric in METRICS {
            assert!(guide.contains(&metric.row()), "docs/metrics.md has no row {}", metric.row());
        }
    }
}
