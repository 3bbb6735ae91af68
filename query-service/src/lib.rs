//! Answers from the live store and the archive over HTTP: matrix, series, coverage, SQL, a stream of changes, the dashboard.
//!
//! - `live_view`: an immutable picture of all windows at one moment; `refresh` reads the next one from the live store.
//! - `live_tables`: the same as tables of SQL.
//! - `noise`: by how much a number may be off by chance.
//! - `regimes`: the levels of one pair, from one route step to the next.
//! - `archive`: the Delta tables as they are now.
//! - `functions`: exact quantiles and digests for SQL.
//! - `sql`: bounded, read-only SQL over them, on threads of its own.
//! - `series`: the history of one pair, from live minutes or from the archive's samples; `rolled`: from its rollups.
//! - `alerts`: rules held against the live view, and who is told.
//! - `http`: the doors; `serve`: the connections to them.
//! - `metrics`: what the service counts of itself.

mod alerts;
mod archive;
mod broken;
mod functions;
mod http;
mod live_tables;
mod live_view;
mod noise;
mod metrics;
mod refresh;
mod regimes;
mod rolled;
mod series;
mod serve;
mod service;
mod settings;
mod sql;
mod statistic;
mod text;

pub use alerts::{AlertFileError, Alerts, Webhooks};
pub use archive::ArchiveError;
pub use serve::serve;
pub use service::{Service, SetupError};
pub use settings::{ConnectionLimits, HistoryKeys, LegacyHistory, LiveSettings, Settings, SqlLimits};
pub use sql::SqlError;
