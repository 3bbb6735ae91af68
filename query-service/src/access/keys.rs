//! The keys in the live store: made, listed and revoked by the operator, from wherever the store can be opened.

use std::time::Duration;

use cloudping_model::UtcMicros;
use cloudping_ports::{Change, CommitError, Expect, Item, Key, LiveStore, StoreError, Write};
use cloudping_schemas::stored::{ApiKey, ApiKeyUsage, StoredError, keys};

use super::budget::Budget;
use super::scope::Scope;
use super::secret::{KeyId, NoRandomness, Secret};

/// Keys that are kept, revoked ones included.
pub const MOST_KEYS: usize = 10_000;
/// Bytes of a name.
pub const MOST_NAME: usize = 100;
/// How often a change is tried again when somebody else changed the same item.
const TRIES: usize = 20;

/// Why keys could not be looked up or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store refused the change, or was changed by others all the time.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// What is stored cannot be read.
    #[error("the API key {id}: {source}")]
    Broken {
        /// Which.
        id: String,
        /// Why.
        source: StoredError,
    },
    /// There is no such key.
    #[error("there is no API key {0}; `cloudping key list` shows those that there are")]
    Unknown(KeyId),
    /// There are too many keys.
    #[error("there are {0} API keys, expected less than {MOST_KEYS}")]
    TooMany(usize),
    /// The name does not serve.
    #[error("the name has {0} bytes, expected 1 to {MOST_NAME} without control characters")]
    Name(usize),
    /// It would open nothing.
    #[error("the key has no scope, expected some of read, sql, history, download")]
    NoScope,
    /// It would never be good.
    #[error("the key would have expired already, expected a time to come")]
    Expired,
    /// There is no secret.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// For people.
    pub name: String,
    /// What may be asked by it.
    pub scopes: Vec<Scope>,
    /// How many light requests; `None`: as many as the service gives to any key.
    pub light: Option<Budget>,
    /// How many heavy requests, likewise.
    pub heavy: Option<Budget>,
    /// Requests of a day (UTC); `None`: no bound.
    pub requests_a_day: Option<u64>,
    /// Time of running SQL of a day (UTC), counted in whole seconds; `None`: no bound.
    pub sql_a_day: Option<Duration>,
    /// From when on it is no longer good.
    pub expires_at: Option<UtcMicros>,
}

/// Makes a key. Its secret is nowhere but in what this returns.
///
/// # Errors
/// [`KeyError`]; then there is no such key, unless the store failed on the way.
pub async fn create(store: &dyn LiveStore, new: NewKey, now: UtcMicros) -> Result<Secret, KeyError> {
    if new.name.is_empty() || new.name.len() > MOST_NAME || new.name.chars().any(char::is_control) {
        return Err(KeyError::Name(new.name.len()));
    }
    if new.scopes.is_empty() {
        return Err(KeyError::NoScope);
    }
    if new.expires_at.is_some_and(|at| at <= now) {
        return Err(KeyError::Expired);
    }
    let count = store.list(keys::API_KEYS, keys::ALL).await?.len();
    if count >= MOST_KEYS {
        return Err(KeyError::TooMany(count));
    }
    let secret = Secret::generate()?;
    let scopes = Scope::ALL.into_iter().filter(|scope| new.scopes.contains(scope));
    let key = ApiKey {
        hash: secret.hash(),
        name: new.name,
        scopes: scopes.map(|scope| scope.name().to_owned()).collect(),
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
        light: new.light.map(Into::into),
        heavy: new.heavy.map(Into::into),
        requests_a_day: new.requests_a_day,
        sql_seconds_a_day: new.sql_a_day.map(|time| time.as_secs()),
    };
    let change = Change::Put(key.encode().into());
    store.commit(vec![Write { key: place(secret.id()), expect: Expect::Absent, change }]).await?;
    Ok(secret)
}

/// Revokes a key, for good. It is no error if it was revoked already.
///
/// # Errors
/// [`KeyError`].
pub async fn revoke(store: &dyn LiveStore, id: KeyId, now: UtcMicros) -> Result<(), KeyError> {
    let mut tries = TRIES;
    loop {
        let item = store.get(&place(id)).await?.ok_or(KeyError::Unknown(id))?;
        let mut key = decode(&id.to_string(), &item)?;
        if key.revoked_at.is_some() {
            return Ok(());
        }
        key.revoked_at = Some(now);
        let (expect, change) = (Expect::unchanged(Some(&item)), Change::Put(key.encode().into()));
        match store.commit(vec![Write { key: place(id), expect, change }]).await {
            Err(CommitError::Conflict(_)) if tries > 0 => tries -= 1,
            ended => return Ok(ended?),
        }
    }
}

/// A key.
///
/// # Errors
/// [`KeyError`].
pub async fn get(store: &dyn LiveStore, id: KeyId) -> Result<Option<ApiKey>, KeyError> {
    let item = store.get(&place(id)).await?;
    item.map(|item| decode(&id.to_string(), &item)).transpose()
}

/// All keys.
///
/// # Errors
/// [`KeyError`].
pub async fn list(store: &dyn LiveStore) -> Result<Vec<(KeyId, ApiKey)>, KeyError> {
    let items = store.list(keys::API_KEYS, keys::ALL).await?;
    let read = |(key, item): (Key, Item)| {
        let key = decode(&key.sort, &item)?;
        Ok((KeyId::of(&key.hash), key))
    };
    items.into_iter().map(read).collect()
}

/// What was asked by a key on the days (UTC) since `since`, the oldest first, each with its start.
///
/// # Errors
/// [`KeyError`].
pub async fn usage(
    store: &dyn LiveStore,
    id: KeyId,
    since: UtcMicros,
) -> Result<Vec<(UtcMicros, ApiKeyUsage)>, KeyError> {
    let name = id.to_string();
    let items = store.list(&keys::api_key_usage(&name), &*keys::pane_start(since)..keys::ALL.end).await?;
    let read = |(key, item): (Key, Item)| {
        let usage = decode_usage(id, &item)?;
        Ok((UtcMicros(key.sort.parse().unwrap_or(0)), usage))
    };
    items.into_iter().map(read).collect()
}

/// Adds to what was asked by a key on the day (UTC) that starts then; the sum. Where the answer of the store is lost, it may have been
/// added all the same, and is added again: a quota is then spent a little early.
pub(super) async fn add_usage(
    store: &dyn LiveStore,
    id: KeyId,
    day: UtcMicros,
    more: ApiKeyUsage,
) -> Result<ApiKeyUsage, KeyError> {
    let key = Key::new(keys::api_key_usage(&id.to_string()), keys::pane_start(day));
    let mut tries = TRIES;
    loop {
        let item = store.get(&key).await?;
        let old = item.as_ref().map_or_else(|| Ok(ApiKeyUsage::default()), |item| decode_usage(id, item))?;
        let sum = sum(old, more);
        if sum == old {
            return Ok(old);
        }
        let (expect, change) = (Expect::unchanged(item.as_ref()), Change::Put(sum.encode().into()));
        match store.commit(vec![Write { key: key.clone(), expect, change }]).await {
            Err(CommitError::Conflict(_)) if tries > 0 => tries -= 1,
            Ok(()) => return Ok(sum),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Both together.
pub(super) fn sum(old: ApiKeyUsage, more: ApiKeyUsage) -> ApiKeyUsage {
    ApiKeyUsage {
        requests: old.requests.saturating_add(more.requests),
        sql_us: old.sql_us.saturating_add(more.sql_us),
        last_used: old.last_used.max(more.last_used),
    }
}

fn place(id: KeyId) -> Key {
    Key::new(keys::API_KEYS, id.to_string())
}

fn decode(id: &str, item: &Item) -> Result<ApiKey, KeyError> {
    ApiKey::decode(&item.value).map_err(|source| KeyError::Broken { id: id.to_owned(), source })
}

fn decode_usage(id: KeyId, item: &Item) -> Result<ApiKeyUsage, KeyError> {
    ApiKeyUsage::decode(&item.value).map_err(|source| KeyError::Broken { id: id.to_string(), source })
}
