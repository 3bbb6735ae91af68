//! Route changes on their way to the event log.
//!
//! A change is stored in the commit that finds it, under the outbox too; from there it goes to the log, at least once.

use std::ops::Range;

use bytes::Bytes;
use cloudping_ports::{Change, CommitError, EventLog, Expect, LiveStore, LogError, StoreError, Write};
use cloudping_schemas::event::{self, EventError};
use cloudping_schemas::stored::keys;

const ALL_KEYS: Range<&str> = "!".."\u{10FFFF}";

/// Why the outbox was not emptied. What is left goes with the next attempt.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The live store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A delivered change could not be struck out; it may come a second time.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The event log did not take a change.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What waits is no route change.
    #[error("outbox: {0}")]
    Event(#[from] EventError),
}

/// Appends the route changes that wait in the live store to the event log; gives how many.
///
/// # Errors
/// [`DeliverError`].
pub async fn deliver(log: &dyn EventLog, store: &dyn LiveStore) -> Result<usize, DeliverError> {
    let waiting = store.list(keys::OUTBOX, ALL_KEYS).await?;
    let count = waiting.len();
    for (key, item) in waiting {
        let vantage = event::decode_change(&item.value)?.vantage;
        log.append(vantage.as_str(), Bytes::clone(&item.value)).await?;
        let struck = Write { key, expect: Expect::Version(item.version), change: Change::Delete };
        store.commit(vec![struck]).await?;
    }
    Ok(count)
}
