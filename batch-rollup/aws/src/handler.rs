//! One invocation: what the stream holds into the table of samples, and the hours that it touched.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cloudping_batch_rollup::{ArchiveReport, Archiver, Rollup, RollupReport, Tables};
use cloudping_ports::EventLog;
use serde::Serialize;
use tokio::time::Instant;

/// What an invocation did. A part is absent if the time was over before it ended; what it committed stays, and the next invocation goes on there.
/// A commit whose answer was lost is found done, and stands in no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Of the table of samples.
    pub archived: Option<Archived>,
    /// Of the table of hours.
    pub rolled_up: Option<RolledUp>,
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
    /// Records whose round was known already.
    pub duplicates: u64,
    /// Records that are no events.
    pub unreadable: u64,
    /// Commits made.
    pub commits: u64,
}

/// What was done to the table of hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RolledUp {
    /// Hours computed.
    pub hours: u64,
    /// Rows written.
    pub rows: u64,
    /// Commits made.
    pub commits: u64,
}

impl From<ArchiveReport> for Archived {
    fn from(report: ArchiveReport) -> Self {
        let ArchiveReport { records, rounds, rows, duplicates, unreadable, commits } = report;
        Self { records, rounds, rows, duplicates, unreadable, commits }
    }
}

impl From<RollupReport> for RolledUp {
    fn from(report: RollupReport) -> Self {
        let RollupReport { hours, rows, commits } = report;
        Self { hours, rows, commits }
    }
}

/// The archive's work. It keeps nothing from one invocation to the next: all that it knows is in the tables.
pub struct Handler {
    archiver: Archiver,
    rollup: Rollup,
}

impl Handler {
    /// From a log into tables.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, tables: Tables) -> Self {
        Self { archiver: Archiver::new(log, tables.clone()), rollup: Rollup::new(tables) }
    }

    /// Archives, then rolls up, and stops after `within`: what is under way then is dropped, as it may be at any point.
    ///
    /// # Errors
    /// What failed, one or both, in one line. The hours are brought up to date also when the log cannot be read.
    pub async fn invoke(&self, within: Duration) -> Result<Report, String> {
        let end = Instant::now() + within;
        let archived = in_time(end, self.archiver.run_once()).await;
        let rolled_up = in_time(end, self.rollup.run_once()).await;
        match (archived, rolled_up) {
            (Ok(archived), Ok(rolled_up)) => {
                let report = Report { archived: archived.map(Into::into), rolled_up: rolled_up.map(Into::into) };
                if report.archived.is_none() || report.rolled_up.is_none() {
                    tracing::warn!(?within, ?report, "the time was over: the next invocation goes on from there");
                }
                Ok(report)
            }
            (archived, rolled_up) => {
                let errors: Vec<String> = archived.err().into_iter().chain(rolled_up.err()).collect();
                Err(errors.join("; "))
            }
        }
    }
}

/// The outcome of some work; `None` if it did not end in time.
async fn in_time<T, E: Display>(end: Instant, work: impl Future<Output = Result<T, E>>) -> Result<Option<T>, String> {
    match tokio::time::timeout_at(end, work).await {
        Ok(done) => done.map(Some).map_err(|error| error.to_string()),
        Err(_over) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_in_time_is_dropped() {
        let end = Instant::now() + Duration::from_secs(1);
        let work = async |seconds| {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            if seconds == 0 { Err("failed") } else { Ok(seconds) }
        };
        assert_eq!(in_time(end, work(0)).await, Err("failed".to_owned()));
        assert_eq!(in_time(end, work(2)).await, Ok(None));
        assert_eq!(in_time(Instant::now() + Duration::from_secs(9), work(2)).await, Ok(Some(2)));
    }
}
