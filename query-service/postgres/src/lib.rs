//! The PostgreSQL door: the wire protocol of PostgreSQL, version 3, over the same bounded SQL as `/api/v1/sql`.
//!
//! What a statement may do and use is the SQL door's to say; this crate translates. It reads client commands that are no SQL here
//! (`SET`, `SHOW`, `BEGIN` …), answers the questions that tools ask of `pg_catalog`, and turns rows into messages.
//!
//! - `connection`: one client, from its first byte to its last; `measured`: no message of it is larger than the settings say.
//! - `startup`: who may come in; `running`: which statement a cancel request means.
//! - `commands`: what is meant by a statement, decided from its words; `session`: what a client has set.
//! - `catalogue`: `pg_catalog` and the functions around it; `information`: `information_schema`.
//! - `handlers`: the simple and the extended protocol; `replies`: answers to commands; `parameters`, `rows`: values in and out;
//!   `failure`: errors with their codes.

mod catalogue;
mod commands;
mod connection;
mod failure;
mod functions;
mod handlers;
mod information;
mod measured;
mod parameters;
mod replies;
mod rows;
mod running;
mod server;
mod session;
mod startup;
mod tls;

pub use server::{Door, Settings, serve};
pub use tls::{Tls, TlsError};
