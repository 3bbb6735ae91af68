//! The other side of the ingest door: a vantage point's key, and an event log that is appended to by signed requests over HTTPS.

mod authorities;
mod key;
mod log;

pub use authorities::{Authorities, AuthoritiesError};
pub use key::{Key, KeyError};
pub use log::{DoorError, DoorLog, Request};
