//! Route changes on their way to the event log.
//!
//! A change is stored in the commit that finds it, under the outbox too; from there it goes to the log, at least once.

use bytes::Bytes;
use cloudping_ports::{Change, CommitError, EventLog, Expect, LiveStore, LogError, StoreError, Write};
use cloudping_schemas::event;
use cloudping_schemas::stored::{ChangesItem, StoredError, keys};

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
    /// What waits cannot be read.
    #[error("outbox: {0}")]
    Stored(#[from] StoredError),
}

/// Appends the route changes that wait in the live store to the event log; gives how many.
///
/// # Errors
/// [`DeliverError`].
pub async fn deliver(log: &dyn EventLog, store: &dyn LiveStore) -> Result<usize, DeliverError> {
    let waiting = store.list(keys::OUTBOX, keys::ALL).await?;
    let (mut count, mut unreadable) = (0, None);
    for (key, item) in waiting {
        let changes = match ChangesItem::decode(&item.value) {
            Ok(item) => item.changes,
            Err(error) => {
                // It must not keep the others waiting.
                unreadable = Some(error);
                continue;
            }
        };
        for change in changes {
            log.append(change.vantage.as_str(), Bytes::from(event::encode_change(&change))).await?;
            count += 1;
        }
        let struck = Write { key, expect: Expect::Version(item.version), change: Change::Delete };
        store.commit(vec![struck]).await?;
    }
    unreadable.map_or(Ok(count), |error| Err(error.into()))
}
