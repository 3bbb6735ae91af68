//! Keeps the archive's tables in shape: rollups, compaction, the table of regions, vacuum, each when it is due.

use std::time::Duration;

use cloudping_agent::clock;
use cloudping_batch_rollup::schedule::{Ended, Schedule, Step};
use cloudping_batch_rollup::{CompactOptions, Compactor, Regions, Rollup, Tables, Vacuum, VacuumOptions};
use cloudping_model::UtcMicros;
use cloudping_schemas::catalogue::Catalogue;
use tokio::sync::watch;

/// How long a step that is under way at the end may go on. It may be dropped at any point, but what it has done so far would be done again.
const LAST_STEP: Duration = Duration::from_secs(3);
/// The longest sleep: the wall clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The tables' upkeep. It works beside the archiver: their commits do not depend on each other's order.
pub struct Upkeep {
    rollup: Rollup,
    compactor: Compactor,
    regions: Regions,
    catalogue: Catalogue,
    vacuum: Vacuum,
}

impl Upkeep {
    pub fn new(tables: &Tables, catalogue: Catalogue) -> Self {
        Self {
            rollup: Rollup::new(tables.clone()),
            compactor: Compactor::new(tables.clone()),
            regions: Regions::new(tables.clone()),
            catalogue,
            vacuum: Vacuum::new(tables.clone()),
        }
    }

    /// Takes the steps that are due until `shutdown` turns true. One that fails keeps no other back.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut schedule = Schedule::new();
        while !*shutdown.borrow() {
            let now = clock::now();
            let Some(step) = schedule.due(now) else {
                let until = Duration::from_micros(u64::try_from(schedule.next(now).0 - now.0).unwrap_or(0));
                tokio::select! {
                    () = tokio::time::sleep(until.min(LONGEST_SLEEP)) => {}
                    _ = shutdown.changed() => {}
                }
                continue;
            };
            let taken = tokio::select! {
                taken = self.take(step, now) => taken,
                () = given_up(&mut shutdown) => return,
            };
            let ended = taken.unwrap_or_else(|error| {
                tracing::warn!(%error, step = step.name(), "upkeep of the archive failed, the step's next turn goes on from there");
                Ended::Failed
            });
            schedule.had_turn(step, now, ended);
        }
    }

    async fn take(&self, step: Step, now: UtcMicros) -> Result<Ended, Error> {
        match step {
            Step::Rollup => {
                let done = self.rollup.run_once(now).await?;
                tracing::debug!(?done, "rolled up");
                if done.commits == 0 {
                    return Ok(Ended::Idle);
                }
            }
            Step::Compact => {
                let done = self.compactor.run_once(now, &CompactOptions::default(), &()).await?;
                tracing::debug!(?done, "compacted");
            }
            Step::Regions => {
                self.regions.run_once(&self.catalogue).await?;
            }
            Step::Vacuum => {
                let done = self.vacuum.run_once(now, &VacuumOptions::default(), &()).await?;
                tracing::debug!(?done, "vacuumed");
            }
        }
        Ok(Ended::Finished)
    }
}

/// Returns a while after `shutdown` turned true.
async fn given_up(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
    tokio::time::sleep(LAST_STEP).await;
}
