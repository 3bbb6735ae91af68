//! Folds the event log into the live store: minute, hour and day digests of every series, exactly once.
//!
//! - [`Processor::process_batch`] takes a batch of one shard's records and commits what they change; it reads no clock
//!   and touches nothing but the store.
//! - [`run`] drives it over all shards of a log.
//!
//! A sample is added to the pane of its minute. When a minute closes it is *folded*: merged into its hour, and a closed
//! hour into its day. A sample that comes after its minute was folded is added to every pane that already contains that
//! minute. So at any moment an hour is its own pane plus its minutes that are not folded yet, and no sample is twice.

mod ledger;
mod processor;
mod retention;
mod runner;
mod seen;
mod vantage;

pub use processor::{BatchReport, ProcessError, Processor};
pub use retention::{DAYS_KEPT_US, EPOCHS_KEPT, FOLD_AFTER_US, HOURS_KEPT_US, LEDGER_KEPT_US, MINUTES_KEPT_US};
pub use runner::run;
