//! Writes the log to Parquet now and then, and drops from the log what is archived and old.

use std::sync::Arc;
use std::time::Duration;

use cloudping_agent::clock;
use cloudping_backend_local::LocalLog;
use cloudping_batch_rollup::{ArchiveOptions, Archiver};
use cloudping_model::UtcMicros;
use cloudping_ports::{EventLog, Shard};
use cloudping_schemas::tables::Origin;
use cloudping_stream_processor::Processor;
use tokio::sync::watch;

use super::stores::Stores;

/// How long the local log keeps events that the archive and the live store have.
const LOG_KEPT_US: i64 = 6 * 3_600_000_000;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The archive's runs.
pub struct Archiving {
    /// The log, if it keeps what nobody takes away.
    trimmed: Option<Arc<LocalLog>>,
    processor: Processor,
    archiver: Archiver,
}

impl Archiving {
    /// From the stores' log into their tables, as samples of this origin.
    pub fn new(stores: &Stores, origin: Origin) -> Self {
        let options = ArchiveOptions { origin, ..ArchiveOptions::default() };
        Self {
            archiver: Archiver::with_options(stores.log.clone(), stores.archive.tables.clone(), options),
            processor: Processor::new(stores.store.clone()),
            trimmed: stores.trimmed.clone(),
        }
    }

    /// Archives now, then every so often, and once more when `shutdown` turns true.
    pub async fn run(self, every: Duration, mut shutdown: watch::Receiver<bool>) {
        loop {
            let (last, now) = (*shutdown.borrow(), clock::now());
            if let Err(error) = self.archive(now).await {
                tracing::warn!(%error, "archive run failed, the next one goes on from there");
            }
            if last {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = shutdown.changed() => {}
            }
        }
    }

    async fn archive(&self, now: UtcMicros) -> Result<(), Error> {
        let archived = self.archiver.run_once().await?;
        if archived.rows > 0 {
            tracing::debug!(rows = archived.rows, duplicates = archived.duplicates, "archived");
        }
        match &self.trimmed {
            Some(log) => self.trim(log, now - LOG_KEPT_US).await,
            None => Ok(()),
        }
    }

    /// Drops old events that both readers of the log are past.
    async fn trim(&self, log: &LocalLog, older_than: UtcMicros) -> Result<(), Error> {
        let archived = self.archiver.reached().await?;
        for Shard { id: shard, .. } in log.shards().await? {
            let processed = self.processor.checkpoint(&shard).await?;
            if let (Some(processed), Some(archived)) = (processed, archived.get(&shard)) {
                log.trim(&shard, archived.min(&processed), older_than).await?;
            }
        }
        Ok(())
    }
}
