//! Answers from the live store and the archive over HTTP: matrix, series, coverage, SQL, a stream of changes, the dashboard.
//!
//! - `access`: who may ask how much.
//! - `live_view`: an immutable picture of all windows at one moment; `refresh` reads the next one from the live store.
//! - `live_tables`: the same as tables of SQL.
//! - `noise`: by how much a number may be off by chance.
//! - `regimes`: the levels of one pair, from one route step to the next.
//! - `past_changes`: the route steps that the archive keeps.
//! - `archive`: the Delta tables as they are now.
//! - `functions`: exact quantiles and digests for SQL.
//! - `sql`: bounded, read-only SQL over them, on threads of its own.
//! - `alerts`: rules held against the live view, and who is told.
//! - `gateways`: what UDP gateways say of themselves.
//! - `metrics`: what the service counts of itself.
//! - `history`: what was measured in a range of time, from rollups, samples and live minutes.
//! - `exports`: the files that were exported for whoever reads no Delta.
//! - `samples`: the archive's samples as they are, by pages or all at once.
//! - `doorkeeper`: who may use the doors beside HTTP, which are crates of their own.
//! - `http`: the doors; `serve`: the connections to them.

pub mod access;
mod alerts;
mod archive;
mod broken;
mod doorkeeper;
mod exports;
mod functions;
pub mod gateways;
mod history;
mod http;
mod live_tables;
mod live_view;
mod metrics;
mod noise;
mod past_changes;
mod refresh;
mod regimes;
mod samples;
mod serve;
mod service;
mod settings;
mod sql;
mod statistic;
mod text;

pub use alerts::{AlertFileError, Alerts, Webhooks};
pub use archive::{ArchiveError, Table};
pub use doorkeeper::{Admission, Doorkeeper, Everyone};
pub use exports::{Exports, SignLinks};
pub use serve::serve;
pub use service::{Service, SetupError};
pub use settings::{ConnectionLimits, LiveSettings, Settings, SqlLimits};
pub use sql::{Description, RowStream, SqlDoor, SqlError, Statement, Tongue};
