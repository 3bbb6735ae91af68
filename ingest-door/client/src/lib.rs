//! The other side of the ingest door: a vantage point's key, and an event log that is appended to by signed requests over HTTPS.

mod key;
mod log;

pub use key::{Key, KeyError};
pub use log::{DoorError, DoorLog, Request};
