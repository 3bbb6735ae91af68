//! The ports: what a component may ask of the world. Backends implement them; components see nothing else.

mod event_log;
mod live_store;
mod notifier;

pub use event_log::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};
pub use live_store::{
    Change, CommitError, Expect, Item, Key, LiveStore, MAX_WRITES_PER_COMMIT, StoreError, Write, check_shape,
};
pub use notifier::{Message, Notifier, NotifyError, Secret};
