//! Folds the event log into the live store: minute, hour and day digests of every series, exactly once; and finds route steps.
//!
//! - [`Processor::process_batch`] takes a batch of one shard's records and commits what they change; it reads no clock
//!   and touches nothing but the store.
//! - [`run`] drives it over all shards of a log, and [`deliver`]s the route steps that were found to the log.
//! - [`consume`] does so as one of several workers that share the shards by leases.
//! - [`Auditor`] recounts an hour from the log and says how far its digests were off.
//!
//! A sample is added to the pane of its minute. When an hour is past the allowed lateness its minutes are *folded*: merged into it; and
//! a day's hours into the day. A sample that comes later is added to every pane that already contains its minute. So at any moment a day
//! is its own pane, its hours that are not folded yet and its minutes that are not folded yet, and no sample is twice.

mod audit;
mod bounds;
mod change;
mod consumer;
mod dictionary;
mod fold;
mod leases;
mod ledger;
mod minute;
mod ordering;
mod outbox;
mod processor;
mod reached;
mod regimes;
mod retention;
mod runner;
mod seen;
mod vantage;
mod vantage_store;
mod watch;

pub use audit::{AuditError, Auditor};
pub use change::{ChangeStateError, Detector, Step};
pub use consumer::{WorkerSettings, consume};
pub use leases::{Fence, Fenced, WorkerId, WorkerIdError};
pub use outbox::{DeliverError, deliver};
pub use processor::{BatchReport, ProcessError, Processor};
pub use retention::{
    ALLOWED_LATENESS_US, DAYS_KEPT_US, EPOCHS_KEPT, HOURS_KEPT_US, LEDGER_KEPT_US, MAX_ALLOWED_LATENESS_US,
    MINUTES_KEPT_US,
};
pub use runner::{Surroundings, run};
