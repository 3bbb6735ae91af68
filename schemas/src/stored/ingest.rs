//! What the ingest door knows: whose signatures it takes, and which requests it has taken.

use cloudping_model::UtcMicros;
use prost::Message;

use super::{StoredError, check_version, message, wire, wrong};
use crate::ingest::Fingerprint;

const VERSION: u32 = 1;

/// The keys of one vantage point, in the order in which they were registered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngestKeys {
    /// One entry a key.
    pub keys: Vec<IngestKey>,
}

/// A key by which a vantage point signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestKey {
    /// The SHA-256 of the public key. The key itself is not kept: what is stored here can neither sign nor be used to ask.
    pub fingerprint: Fingerprint,
    /// When it was registered.
    pub created_at: UtcMicros,
    /// When it was revoked, if it was.
    pub revoked_at: Option<UtcMicros>,
    /// For people.
    pub note: String,
}

impl IngestKeys {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let keys = self.keys.iter().map(|key| wire::IngestKey {
            fingerprint: key.fingerprint.0.to_vec(),
            created_at_us: key.created_at.0,
            revoked_at_us: key.revoked_at.map(|at| at.0),
            note: key.note.clone(),
        });
        wire::IngestKeys { schema_version: VERSION, keys: keys.collect() }.encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::IngestKeys = message("ingest keys", bytes)?;
        check_version("ingest keys", item.schema_version, VERSION)?;
        let keys = item.keys.into_iter().map(|key| {
            let fingerprint = key.fingerprint.as_slice().try_into();
            let found = || format!("{} bytes", key.fingerprint.len());
            let fingerprint = fingerprint.map_err(|_| wrong("ingest keys", "fingerprint", found(), "32 bytes"))?;
            Ok(IngestKey {
                fingerprint: Fingerprint(fingerprint),
                created_at: UtcMicros(key.created_at_us),
                revoked_at: key.revoked_at_us.map(UtcMicros),
                note: key.note,
            })
        });
        Ok(Self { keys: keys.collect::<Result<_, StoredError>>()? })
    }
}

/// The requests of one vantage point, signed in one minute, that were taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngestSeen {
    /// The first half of the SHA-256 of what each signature covers: long enough that two are never alike by chance.
    pub requests: Vec<[u8; 16]>,
}

impl IngestSeen {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::IngestSeen { schema_version: VERSION, requests: self.requests.concat() }.encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::IngestSeen = message("ingest seen", bytes)?;
        check_version("ingest seen", item.schema_version, VERSION)?;
        let (requests, rest) = item.requests.as_chunks();
        if !rest.is_empty() {
            let found = format_args!("{} bytes", item.requests.len());
            return Err(wrong("ingest seen", "requests", found, "16 bytes a request"));
        }
        Ok(Self { requests: requests.to_vec() })
    }
}
