//! At an orderly end on a shared log: waits until somebody has counted what this process has logged.

use std::collections::BTreeMap;
use std::time::Duration;

use cloudping_ports::{EventLog, SequenceNumber, Shard, ShardId};
use cloudping_stream_processor::Processor;

use super::stores::Stores;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// More than a processor that keeps up is behind.
const MOST_RECORDS: usize = 10_000;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Returns when every shard is processed to where its end is now. What others append meanwhile is not waited for. Whoever calls
/// bounds the time: a processor may be far behind.
pub async fn wait(stores: &Stores) {
    let mut ends = None;
    loop {
        match look(stores, &mut ends).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "cannot see whether all is counted, looking again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether the checkpoints have come to the `ends`, which the first look finds.
async fn look(stores: &Stores, ends: &mut Option<BTreeMap<ShardId, SequenceNumber>>) -> Result<bool, Error> {
    let processor = Processor::new(stores.store.clone());
    let ends = match ends {
        Some(ends) => ends,
        None => ends.insert(find_ends(stores.log.as_ref(), &processor).await?),
    };
    for (shard, end) in ends {
        if processor.checkpoint(shard).await?.is_none_or(|reached| reached < *end) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The last record of each shard that has some that are not processed.
async fn find_ends(log: &dyn EventLog, processor: &Processor) -> Result<BTreeMap<ShardId, SequenceNumber>, Error> {
    let mut ends = BTreeMap::new();
    for Shard { id, .. } in log.shards().await? {
        let reached = processor.checkpoint(&id).await?;
        if let Some(last) = log.read(&id, reached.as_ref(), MOST_RECORDS).await?.pop() {
            ends.insert(id, last.sequence);
        }
    }
    Ok(ends)
}
