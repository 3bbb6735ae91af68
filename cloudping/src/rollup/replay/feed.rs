//! Rounds on their way into a live store, in batches.

use cloudping_model::{Round, UtcMicros};
use cloudping_ports::{Record, ShardId};
use cloudping_schemas::event;
use cloudping_stream_processor::{ProcessError, Processor};

use super::ReplayReport;

/// Records of one batch.
const BATCH: usize = 500;

/// Takes rounds to a processor as a shard's records.
pub struct Feed {
    processor: Processor,
    shard: ShardId,
    now: UtcMicros,
    pending: Vec<Record>,
    fed: u64,
    report: ReplayReport,
}

impl Feed {
    pub fn new(processor: Processor, shard: ShardId, now: UtcMicros) -> Self {
        Self { processor, shard, now, pending: Vec::new(), fed: 0, report: ReplayReport::default() }
    }

    /// Takes the next round.
    pub async fn round(&mut self, round: &Round) -> Result<(), ProcessError> {
        self.fed += 1;
        self.pending.push(Record { sequence: self.fed.into(), data: event::encode(round).into() });
        if self.pending.len() < BATCH { Ok(()) } else { self.flush().await }
    }

    /// Takes what rounds are gathered; nothing where there are none.
    pub async fn flush(&mut self) -> Result<(), ProcessError> {
        let records = std::mem::take(&mut self.pending);
        if records.is_empty() {
            return Ok(());
        }
        let shard = self.shard.clone();
        self.batch(&shard, &records).await
    }

    /// Takes records of a shard as they are.
    pub async fn batch(&mut self, shard: &ShardId, records: &[Record]) -> Result<(), ProcessError> {
        let done = self.processor.process_batch(shard, records, self.now).await?;
        self.report.rounds += done.counted as u64;
        self.report.samples += done.samples as u64;
        self.report.duplicates += done.duplicates as u64;
        self.report.dead += done.dead as u64;
        self.report.changes += done.changes.len() as u64;
        Ok(())
    }

    /// Takes the last batch; gives what became of all.
    pub async fn finish(mut self) -> Result<ReplayReport, ProcessError> {
        self.flush().await?;
        Ok(self.report)
    }
}
