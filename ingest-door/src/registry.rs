//! Whose keys the door knows: kept in the live store, so that all doors over one store agree at once.

use cloudping_model::{IdError, UtcMicros, VantageId};
use cloudping_ports::{Change, CommitError, Expect, Item, Key, LiveStore, StoreError, Write};
use cloudping_schemas::ingest::Fingerprint;
use cloudping_schemas::stored::{IngestKey, IngestKeys, StoredError, keys};

/// Keys of one vantage point that are good at once: one in use, and one that takes its place.
pub const MOST_GOOD_KEYS: usize = 4;
/// Keys of one vantage point that are kept, revoked ones included.
pub const MOST_KEYS: usize = 32;
/// Bytes of a note.
pub const MOST_NOTE: usize = 200;
/// How often a change is tried again when somebody else changed the same item.
const TRIES: usize = 20;

/// Why keys could not be looked up or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The store failed, or was changed by others all the time.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store refused the change.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// What is stored cannot be read.
    #[error("the ingest keys of {vantage}: {source}")]
    Broken {
        /// Whose.
        vantage: String,
        /// Why.
        source: StoredError,
    },
    /// What is stored is stored under no vantage point's id.
    #[error("the ingest keys: {0}")]
    Id(#[from] IdError),
    /// The key is registered already; a revoked key does not come back.
    #[error("the key {fingerprint} is registered for {vantage} already{}", if *.revoked { ", and revoked" } else { "" })]
    Known {
        /// Whose.
        vantage: VantageId,
        /// Which.
        fingerprint: Fingerprint,
        /// Whether it is revoked.
        revoked: bool,
    },
    /// There is no such key.
    #[error("the key {fingerprint} is not registered for {vantage}")]
    Unknown {
        /// Whose.
        vantage: VantageId,
        /// Which.
        fingerprint: Fingerprint,
    },
    /// There are too many keys.
    #[error("{vantage} has {found} {what} keys, expected less than {most}")]
    TooMany {
        /// Whose.
        vantage: VantageId,
        /// `good` or `registered`.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// The note is too long.
    #[error("the note has {0} bytes, expected at most {MOST_NOTE}")]
    Note(usize),
}

/// Registers a key of a vantage point.
///
/// # Errors
/// [`RegistryError`]; then nothing was changed, unless the store failed on the way.
pub async fn add(
    store: &dyn LiveStore,
    vantage: &VantageId,
    fingerprint: Fingerprint,
    note: &str,
    now: UtcMicros,
) -> Result<(), RegistryError> {
    if note.len() > MOST_NOTE {
        return Err(RegistryError::Note(note.len()));
    }
    change(store, vantage, |item| {
        if let Some(known) = item.keys.iter().find(|key| key.fingerprint == fingerprint) {
            let revoked = known.revoked_at.is_some();
            return Err(RegistryError::Known { vantage: vantage.clone(), fingerprint, revoked });
        }
        let good = item.keys.iter().filter(|key| key.revoked_at.is_none()).count();
        for (what, found, most) in [("good", good, MOST_GOOD_KEYS), ("registered", item.keys.len(), MOST_KEYS)] {
            if found >= most {
                return Err(RegistryError::TooMany { vantage: vantage.clone(), what, found, most });
            }
        }
        item.keys.push(IngestKey { fingerprint, created_at: now, revoked_at: None, note: note.to_owned() });
        Ok(())
    })
    .await
}

/// Revokes a key, for good: from now on nothing that it signed is taken. It is no error if it was revoked already.
///
/// # Errors
/// [`RegistryError`].
pub async fn revoke(
    store: &dyn LiveStore,
    vantage: &VantageId,
    fingerprint: Fingerprint,
    now: UtcMicros,
) -> Result<(), RegistryError> {
    change(store, vantage, |item| {
        let found = item.keys.iter_mut().find(|key| key.fingerprint == fingerprint);
        let key = found.ok_or_else(|| RegistryError::Unknown { vantage: vantage.clone(), fingerprint })?;
        key.revoked_at = key.revoked_at.or(Some(now));
        Ok(())
    })
    .await
}

/// All keys, by vantage point.
///
/// # Errors
/// [`RegistryError`].
pub async fn list(store: &dyn LiveStore) -> Result<Vec<(VantageId, IngestKeys)>, RegistryError> {
    let items = store.list(keys::INGEST_KEYS, keys::ALL).await?;
    let read = |(key, item): (Key, Item)| Ok((VantageId::new(&key.sort)?, decode(&key.sort, &item)?));
    items.into_iter().map(read).collect()
}

/// The keys of a vantage point.
///
/// # Errors
/// [`RegistryError`].
pub async fn keys_of(store: &dyn LiveStore, vantage: &VantageId) -> Result<IngestKeys, RegistryError> {
    let item = store.get(&place(vantage)).await?;
    item.map_or_else(|| Ok(IngestKeys::default()), |item| decode(vantage.as_str(), &item))
}

fn place(vantage: &VantageId) -> Key {
    Key::new(keys::INGEST_KEYS, vantage.as_str())
}

fn decode(vantage: &str, item: &Item) -> Result<IngestKeys, RegistryError> {
    let broken = |source| RegistryError::Broken { vantage: vantage.to_owned(), source };
    IngestKeys::decode(&item.value).map_err(broken)
}

async fn change(
    store: &dyn LiveStore,
    vantage: &VantageId,
    change: impl Fn(&mut IngestKeys) -> Result<(), RegistryError>,
) -> Result<(), RegistryError> {
    let key = place(vantage);
    let mut tries = TRIES;
    loop {
        let item = store.get(&key).await?;
        let mut keys =
            item.as_ref().map_or_else(|| Ok(IngestKeys::default()), |item| decode(vantage.as_str(), item))?;
        change(&mut keys)?;
        let (expect, change) = (Expect::unchanged(item.as_ref()), Change::Put(keys.encode().into()));
        match store.commit(vec![Write { key: key.clone(), expect, change }]).await {
            Err(CommitError::Conflict(_)) if tries > 0 => tries -= 1,
            ended => return Ok(ended?),
        }
    }
}
