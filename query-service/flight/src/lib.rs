//! The Arrow Flight SQL door: Arrow's own protocol for SQL, over gRPC, for ADBC and JDBC clients. Statements run as over
//! `/api/v1/sql`, within the same bounds; rows go out as they are made, no faster than the client takes them.
//!
//! Nothing is kept for a client: a ticket and a prepared statement's handle hold all that is needed to run it, so any copy of the
//! service answers a ticket of another one.
//!
//! - `door`: the protocol; `metadata`: what it tells of the server, its tables and types.
//! - `credentials`: the key that a call shows.
//! - `handle`: tickets and prepared statements; `running`: which statement a cancel request means.
//! - `server`, `incoming`: the listener, and how many may connect.

mod credentials;
mod door;
mod failure;
mod handle;
mod incoming;
mod metadata;
mod running;
mod server;

pub use server::{ServeError, Settings, serve};
