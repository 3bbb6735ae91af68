//! One invocation: what the stream holds into the table of samples, the hours and days that it touched, and what upkeep of the tables is due.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cloudping_batch_rollup::schedule::{Ended, Schedule, Step};
use cloudping_batch_rollup::{
    ArchiveOptions, ArchiveReport, Archiver, CompactOptions, CompactReport, Compactor, Regions, Rollup, RollupReport,
    Tables, Vacuum, VacuumOptions, VacuumReport,
};
use cloudping_model::UtcMicros;
use cloudping_ports::EventLog;
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::tables::Origin;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What an invocation did. A part is absent if it was not due, or if the time was over before it ended: then it stands in `unfinished`, what it
/// committed stays, and a later invocation goes on there. A commit whose answer was lost is found done, and stands in no report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Of the table of samples.
    pub archived: Option<Archived>,
    /// Of the tables of hours and days.
    pub rolled_up: Option<RolledUp>,
    /// Of small files that became large ones.
    pub compacted: Option<Compacted>,
    /// Of files that nobody needs any more.
    pub vacuumed: Option<Vacuumed>,
    /// The parts that the time was over for.
    pub unfinished: Vec<&'static str>,
}

/// What was done to the table of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Archived {
    /// Records read from the stream.
    pub records: u64,
    /// Rounds appended to the table.
    pub rounds: u64,
    /// Rows appended: samples of those rounds.
    pub rows: u64,
    /// Route changes appended to theirs.
    pub changes: u64,
    /// Records whose round was known already.
    pub duplicates: u64,
    /// Records that are no events.
    pub unreadable: u64,
    /// Commits made.
    pub commits: u64,
}

/// What was done to the tables of hours and days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RolledUp {
    /// Hours computed.
    pub hours: u64,
    /// Days computed.
    pub days: u64,
    /// Rows written.
    pub rows: u64,
    /// Commits made.
    pub commits: u64,
}

/// What was merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Compacted {
    /// Files that were merged.
    pub files_before: u64,
    /// Files that took their place.
    pub files_after: u64,
    /// Rows written again.
    pub rows: u64,
    /// Commits made.
    pub commits: u64,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Vacuumed {
    /// Files.
    pub files: u64,
}

impl From<ArchiveReport> for Archived {
    fn from(report: ArchiveReport) -> Self {
        let ArchiveReport { records, rounds, rows, changes, duplicates, unreadable, commits, rowless_gaps: _ } = report;
        Self { records, rounds, rows, changes, duplicates, unreadable, commits }
    }
}

impl From<RollupReport> for RolledUp {
    fn from(report: RollupReport) -> Self {
        let RollupReport { hours, days, rows, commits } = report;
        Self { hours, days, rows, commits }
    }
}

impl From<CompactReport> for Compacted {
    fn from(report: CompactReport) -> Self {
        let CompactReport { files_before, files_after, rows, commits, .. } = report;
        Self { files_before, files_after, rows, commits }
    }
}

impl From<VacuumReport> for Vacuumed {
    fn from(report: VacuumReport) -> Self {
        Self { files: report.files }
    }
}

/// How the tables are looked after.
#[derive(Debug, Clone)]
pub struct Upkeep {
    /// Whether invocations also compact, vacuum and keep the table of regions, when that is due.
    pub enabled: bool,
    /// How long a vacuum keeps what was replaced.
    pub keep: Duration,
    /// What the table of regions says.
    pub catalogue: Catalogue,
}

/// The archive's work. All that it knows is in the tables, but for when it last looked after them: an environment that is new does so at once.
pub struct Handler {
    archiver: Archiver,
    rollup: Rollup,
    compactor: Compactor,
    regions: Regions,
    vacuum: Vacuum,
    upkeep: Upkeep,
    schedule: Mutex<Schedule>,
}

impl Handler {
    /// From a log, whose rounds are of this origin, into tables.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, origin: Origin, tables: &Tables, upkeep: Upkeep) -> Self {
        let options = ArchiveOptions { origin, ..ArchiveOptions::default() };
        Self {
            archiver: Archiver::with_options(log, tables.clone(), options),
            rollup: Rollup::new(tables.clone()),
            compactor: Compactor::new(tables.clone()),
            regions: Regions::new(tables.clone()),
            vacuum: Vacuum::new(tables.clone()),
            upkeep,
            schedule: Mutex::default(),
        }
    }

    /// Archives, rolls up, looks after the tables as far as that is due at `now`, and stops after `within`: what is under way then is dropped, as
    /// it may be at any point.
    ///
    /// # Errors
    /// [`Failed`]. No part keeps another back: hours are brought up to date also when the log cannot be read.
    pub async fn invoke(&self, now: UtcMicros, within: Duration) -> Result<Report, Failed> {
        let mut parts = Parts { end: Instant::now() + within, unfinished: Vec::new(), errors: Vec::new() };
        let archived = parts.take("archive", self.archiver.run_once()).await;
        let rolled_up = parts.take(Step::Rollup.name(), self.rollup.run_once(now)).await;
        let (mut compacted, mut vacuumed) = (None, None);
        let mut schedule = self.schedule.lock().await;
        for step in [Step::Compact, Step::Regions, Step::Vacuum] {
            if !self.upkeep.enabled || !schedule.is_due(step, now) {
                continue;
            }
            let finished = match step {
                Step::Rollup => continue,
                Step::Compact => {
                    let options = CompactOptions::default();
                    compacted = parts.take(step.name(), self.compactor.run_once(now, &options, &())).await;
                    compacted.is_some()
                }
                Step::Regions => parts.take(step.name(), self.regions.run_once(&self.upkeep.catalogue)).await.is_some(),
                Step::Vacuum => {
                    let retention_us = i64::try_from(self.upkeep.keep.as_micros()).unwrap_or(i64::MAX);
                    let options = VacuumOptions { retention_us, ..VacuumOptions::default() };
                    vacuumed = parts.take(step.name(), self.vacuum.run_once(now, &options, &())).await;
                    vacuumed.is_some()
                }
            };
            schedule.had_turn(step, now, Ended::finished(finished));
        }
        parts.report(Report {
            archived: archived.map(Into::into),
            rolled_up: rolled_up.map(Into::into),
            compacted: compacted.map(Into::into),
            vacuumed: vacuumed.map(Into::into),
            unfinished: Vec::new(),
        })
    }
}

/// An invocation of which some part failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What the other parts did all the same.
    pub report: Box<Report>,
    /// What failed, one or more, in one line.
    pub reasons: String,
}

impl Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reasons)
    }
}

impl std::error::Error for Failed {}

/// The parts of an invocation, as they end.
struct Parts {
    end: Instant,
    unfinished: Vec<&'static str>,
    errors: Vec<String>,
}

impl Parts {
    /// The outcome of a part; `None` if it failed or did not end in time, which is noted.
    async fn take<T, E: Display>(&mut self, name: &'static str, work: impl Future<Output = Result<T, E>>) -> Option<T> {
        match tokio::time::timeout_at(self.end, work).await {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(error)) => self.errors.push(error.to_string()),
            Err(_over) => self.unfinished.push(name),
        }
        None
    }

    /// The report, unless a part failed.
    fn report(self, done: Report) -> Result<Report, Failed> {
        let report = Report { unfinished: self.unfinished, ..done };
        if !self.errors.is_empty() {
            return Err(Failed { report: Box::new(report), reasons: self.errors.join("; ") });
        }
        if !report.unfinished.is_empty() {
            tracing::warn!(?report, "the time was over: the next invocation goes on from there");
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_in_time_is_dropped_and_said() {
        let end = Instant::now() + Duration::from_secs(2);
        let mut parts = Parts { end, unfinished: Vec::new(), errors: Vec::new() };
        let work = async |seconds| {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            if seconds == 0 { Err("failed") } else { Ok(seconds) }
        };
        assert_eq!(parts.take("in time", work(1)).await, Some(1));
        assert_eq!(parts.take("too long", work(2)).await, None);
        let report = Parts { errors: Vec::new(), ..parts }.report(Report::default()).unwrap();
        assert_eq!(report.unfinished, ["too long"]);
        let mut parts = Parts { end, unfinished: Vec::new(), errors: Vec::new() };
        assert_eq!(parts.take("failing", work(0)).await, None);
        let archived = Some(Archived { rows: 7, ..Archived::default() });
        let failed = parts.report(Report { archived, ..Report::default() }).unwrap_err();
        assert_eq!((failed.to_string().as_str(), failed.report.archived), ("failed", archived));
    }
}
