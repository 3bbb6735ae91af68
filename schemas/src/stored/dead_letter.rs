//! A record of the log that could not be read.

use prost::Message;

use super::{StoredError, check_version, message, wire};

const VERSION: u32 = 1;

/// A record of the log that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The shard that it came from.
    pub shard: String,
    /// Its sequence number.
    pub sequence: String,
    /// Why it could not be read.
    pub reason: String,
    /// The record as it came.
    pub data: Vec<u8>,
}

impl DeadLetter {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::DeadLetter {
            schema_version: VERSION,
            shard: self.shard.clone(),
            sequence: self.sequence.clone(),
            reason: self.reason.clone(),
            data: self.data.clone(),
        }
        .encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::DeadLetter = message("dead letter", bytes)?;
        check_version("dead letter", item.schema_version, VERSION)?;
        Ok(Self { shard: item.shard, sequence: item.sequence, reason: item.reason, data: item.data })
    }
}
