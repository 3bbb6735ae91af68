//! The log, for producers in a network of their own.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};
use tokio::runtime::Handle;

/// A log whose appends run on another runtime than their callers'.
///
/// The producers' threads live in the planet's network, where there is no way to AWS; and where there is no planet, they still
/// have better to do than to encrypt.
pub struct Outside {
    log: Arc<dyn EventLog>,
    runtime: Handle,
}

impl Outside {
    /// The log, with appends on this runtime.
    pub fn new(log: Arc<dyn EventLog>, runtime: Handle) -> Self {
        Self { log, runtime }
    }
}

#[async_trait]
impl EventLog for Outside {
    /// Goes on when its caller gives up: an append that failed may have taken effect anyway.
    async fn append(&self, partition_key: &str, data: Bytes) -> Result<(), LogError> {
        let (log, partition_key) = (Arc::clone(&self.log), partition_key.to_owned());
        let appending = self.runtime.spawn(async move { log.append(&partition_key, data).await });
        appending.await.map_err(|error| LogError::Backend(Box::new(error)))?
    }

    async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        self.log.shards().await
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Option<&SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        self.log.read(shard, after, limit).await
    }
}
