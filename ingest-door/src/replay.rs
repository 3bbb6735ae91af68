//! Each signed request is taken once: by whichever door over the same live store gets it first.
//!
//! One item a vantage point and minute of signing holds the marks of the requests that were taken. It is written under the condition
//! that nobody changed it since it was read, so of two doors with the same request one finds it there. The first request of a minute
//! takes the items away whose requests no door accepts any more.

use std::time::Duration;

use bytes::Bytes;
use cloudping_model::{UtcMicros, VantageId};
use cloudping_ports::{Change, CommitError, Expect, Key, LiveStore, StoreError, Write};
use cloudping_schemas::stored::{IngestSeen, StoredError, keys};

use crate::request::Mark;

const MINUTE_US: i64 = 60_000_000;
/// How long items are kept: far longer than any door accepts their requests, whose clocks differ.
const KEPT_US: i64 = 60 * MINUTE_US;
/// Old items that are taken away in one commit.
const MOST_REMOVED: usize = 30;
/// How often it is tried again when another door was faster.
const TRIES: usize = 20;

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It was taken before.
    #[error("the request was taken already: sign again what is sent again")]
    Replayed,
    /// The vantage point signed too many in that minute.
    #[error("{0} requests were signed in that minute already: send several rounds in one request")]
    TooMany(usize, Duration),
    /// Other doors were faster each time.
    #[error("other requests of the vantage point are in the way")]
    Busy,
    /// The store failed. The request may count as taken.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store refused the change.
    #[error(transparent)]
    Commit(CommitError),
    /// What is stored cannot be read.
    #[error(transparent)]
    Broken(#[from] StoredError),
}

/// A request whose signature is good.
pub struct Request<'a> {
    pub vantage: &'a VantageId,
    /// When it was signed.
    pub time: UtcMicros,
    pub mark: Mark,
}

/// Notes that the request is taken.
pub async fn take(
    store: &dyn LiveStore,
    request: &Request<'_>,
    now: UtcMicros,
    most_a_minute: usize,
) -> Result<(), ReplayError> {
    let minute = request.time.floor(MINUTE_US);
    let key = Key::new(keys::ingest_seen(request.vantage), keys::pane_start(minute));
    for _ in 0..TRIES {
        let item = store.get(&key).await?;
        let read = item.as_ref().map(|item| IngestSeen::decode(&item.value));
        let mut seen = read.transpose()?.unwrap_or_default();
        if seen.requests.contains(&request.mark) {
            return Err(ReplayError::Replayed);
        }
        if seen.requests.len() >= most_a_minute {
            return Err(ReplayError::TooMany(seen.requests.len(), (minute + MINUTE_US).since(now)));
        }
        seen.requests.push(request.mark);
        let mut writes = if item.is_none() { removals(store, request.vantage, now).await? } else { Vec::new() };
        let (expect, change) = (Expect::unchanged(item.as_ref()), Change::Put(Bytes::from(seen.encode())));
        writes.push(Write { key: key.clone(), expect, change });
        match store.commit(writes).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Store(error)) => return Err(error.into()),
            Err(error @ CommitError::Invalid(_)) => return Err(ReplayError::Commit(error)),
        }
    }
    Err(ReplayError::Busy)
}

async fn removals(store: &dyn LiveStore, vantage: &VantageId, now: UtcMicros) -> Result<Vec<Write>, StoreError> {
    let (first, end) = (keys::pane_start(UtcMicros(0)), keys::pane_start(now - KEPT_US));
    let old = store.list(&keys::ingest_seen(vantage), &first..&end).await?;
    let remove = |(key, item): (Key, _)| Write { key, expect: Expect::unchanged(Some(&item)), change: Change::Delete };
    Ok(old.into_iter().take(MOST_REMOVED).map(remove).collect())
}
