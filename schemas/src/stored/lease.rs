//! Who reads which shard of the log, and who is there to read.

use prost::Message;

use super::{StoredError, check_version, message, wire};

const VERSION: u32 = 1;

/// A shard's lease. It is written only when the shard changes hands, so the item's version names one term of one owner: a commit that
/// depends on it takes effect within that term or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaseItem {
    /// The worker that reads the shard; `None` when nobody does.
    pub owner: Option<String>,
    /// The shard takes no more records, and all that it had were processed.
    pub finished: bool,
}

impl LeaseItem {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let owner = self.owner.clone().unwrap_or_default();
        wire::Lease { schema_version: VERSION, owner, finished: self.finished }.encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::Lease = message("lease", bytes)?;
        check_version("lease", item.schema_version, VERSION)?;
        let owner = (!item.owner.is_empty()).then_some(item.owner);
        Ok(Self { owner, finished: item.finished })
    }
}

/// A worker's sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkerItem {
    /// One more each time: whoever sees it stand still knows that the worker does.
    pub heartbeat: u64,
}

impl WorkerItem {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::Worker { schema_version: VERSION, heartbeat: self.heartbeat }.encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::Worker = message("worker", bytes)?;
        check_version("worker", item.schema_version, VERSION)?;
        Ok(Self { heartbeat: item.heartbeat })
    }
}
