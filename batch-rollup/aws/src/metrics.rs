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
/// Files that were merged.
pub const FILES_COMPACTED: Metric = Metric::new("FilesCompacted", Unit::Count);
/// Files that were deleted, since no reader needed them.
pub const FILES_VACUUMED: Metric = Metric::new("FilesVacuumed", Unit::Count);
/// 1 when the time was over before the work was done, else 0.
pub const UNFINISHED: Metric = Metric::alarming("Unfinished", Unit::Count);
/// All of them.
pub const METRICS: [Metric; 8] = [
    ROUNDS_ARCHIVED,
    ROWS_ARCHIVED,
    DUPLICATE_ROUNDS,
    UNREADABLE_RECORDS,
    HOURS_ROLLED_UP,
    FILES_COMPACTED,
    FILES_VACUUMED,
    UNFINISHED,
];

/// The line of an invocation. A part that did not end in time, or was not due, counts nothing, whatever it committed.
#[must_use]
pub fn line(report: &Report) -> Line {
    let mut line = Line::new().count(UNFINISHED, (!report.unfinished.is_empty()).into());
    if let Some(archived) = report.archived {
        line = line
            .count(ROUNDS_ARCHIVED, archived.rounds)
            .count(ROWS_ARCHIVED, archived.rows)
            .count(DUPLICATE_ROUNDS, archived.duplicates)
            .count(UNREADABLE_RECORDS, archived.unreadable);
    }
    let parts = [
        (HOURS_ROLLED_UP, report.rolled_up.map(|done| done.hours)),
        (FILES_COMPACTED, report.compacted.map(|done| done.files_before)),
        (FILES_VACUUMED, report.vacuumed.map(|done| done.files)),
    ];
    for (metric, count) in parts {
        if let Some(count) = count {
            line = line.count(metric, count);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use cloudping_telemetry::Emitter;
    use serde_json::Value;

    use super::*;
    use crate::handler::{Archived, Compacted, RolledUp, Vacuumed};

    fn written(report: &Report) -> Value {
        let emitter = Emitter::new("batch-rollup", &[], |_| None).unwrap();
        serde_json::from_str(&emitter.line(&line(report), 0).unwrap()).unwrap()
    }

    #[test]
    fn an_invocation_tells_what_it_did_and_whether_it_was_all() {
        let archived =
            Archived { records: 9, rounds: 7, rows: 21, changes: 1, duplicates: 1, unreadable: 1, commits: 1 };
        let report = Report {
            archived: Some(archived),
            rolled_up: Some(RolledUp { hours: 2, days: 0, rows: 24, commits: 1 }),
            compacted: Some(Compacted { files_before: 60, files_after: 1, rows: 900, commits: 1 }),
            vacuumed: Some(Vacuumed { files: 5 }),
            unfinished: Vec::new(),
        };
        let told = written(&report);
        let values = METRICS.map(|metric| told[metric.name].as_u64());
        assert_eq!(values, [7, 21, 1, 1, 2, 60, 5, 0].map(Some));
        let cut_off = written(&Report { rolled_up: None, unfinished: vec!["rollup"], ..report });
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
