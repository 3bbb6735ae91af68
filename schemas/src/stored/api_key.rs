//! What the query service knows of those who ask with a key.

use cloudping_model::UtcMicros;
use prost::Message;

use super::{StoredError, check_version, message, wire, wrong};

const VERSION: u32 = 1;

/// A key by which somebody asks the query service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The SHA-256 of the secret. The secret itself is not kept: nobody can ask with what is stored here.
    pub hash: [u8; 32],
    /// For people.
    pub name: String,
    /// What may be asked by it; a reader passes over those that it does not know.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: UtcMicros,
    /// From when on it is no longer good.
    pub expires_at: Option<UtcMicros>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<UtcMicros>,
    /// How many light requests; `None`: as many as the service gives to any key.
    pub light: Option<ApiRate>,
    /// How many heavy requests, likewise.
    pub heavy: Option<ApiRate>,
    /// Requests of a day (UTC); `None`: no bound.
    pub requests_a_day: Option<u64>,
    /// Seconds of running SQL of a day (UTC); `None`: no bound.
    pub sql_seconds_a_day: Option<u64>,
}

/// So many requests in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiRate {
    /// How many.
    pub requests: u32,
    /// In how long, µs.
    pub window_us: u64,
}

impl ApiRate {
    fn encode(self) -> wire::ApiRate {
        wire::ApiRate { requests: self.requests, window_us: self.window_us }
    }

    fn decode(rate: wire::ApiRate) -> Self {
        Self { requests: rate.requests, window_us: rate.window_us }
    }
}

impl ApiKey {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::ApiKey {
            schema_version: VERSION,
            hash: self.hash.to_vec(),
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            created_at_us: self.created_at.0,
            expires_at_us: self.expires_at.map(|at| at.0),
            revoked_at_us: self.revoked_at.map(|at| at.0),
            light: self.light.map(ApiRate::encode),
            heavy: self.heavy.map(ApiRate::encode),
            requests_a_day: self.requests_a_day,
            sql_seconds_a_day: self.sql_seconds_a_day,
        }
        .encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::ApiKey = message("API key", bytes)?;
        check_version("API key", item.schema_version, VERSION)?;
        let found = || format!("{} bytes", item.hash.len());
        let hash = item.hash.as_slice().try_into();
        Ok(Self {
            hash: hash.map_err(|_| wrong("API key", "hash", found(), "32 bytes"))?,
            name: item.name,
            scopes: item.scopes,
            created_at: UtcMicros(item.created_at_us),
            expires_at: item.expires_at_us.map(UtcMicros),
            revoked_at: item.revoked_at_us.map(UtcMicros),
            light: item.light.map(ApiRate::decode),
            heavy: item.heavy.map(ApiRate::decode),
            requests_a_day: item.requests_a_day,
            sql_seconds_a_day: item.sql_seconds_a_day,
        })
    }
}

/// What was asked by a key on one day (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApiKeyUsage {
    /// Requests that were let in.
    pub requests: u64,
    /// Time of running SQL, µs.
    pub sql_us: u64,
    /// The start of the hour of the last request.
    pub last_used: UtcMicros,
}

impl ApiKeyUsage {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::ApiKeyUsage {
            schema_version: VERSION,
            requests: self.requests,
            sql_us: self.sql_us,
            last_used_us: self.last_used.0,
        }
        .encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::ApiKeyUsage = message("API key usage", bytes)?;
        check_version("API key usage", item.schema_version, VERSION)?;
        Ok(Self { requests: item.requests, sql_us: item.sql_us, last_used: UtcMicros(item.last_used_us) })
    }
}
