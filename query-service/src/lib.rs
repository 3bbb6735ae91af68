//! Answers from the live store and the archive over HTTP: matrix, series, coverage, SQL, a stream of changes, the dashboard.
//!
//! - `live_view`: an immutable picture of all windows at one moment; `refresh` reads the next one from the live store.
//! - `regimes`: the levels of one pair, from one route step to the next.
//! - `past_changes`: the route steps that the archive keeps.
//! - `archive`: the Delta tables as they are now.
//! - `functions`: exact quantiles and digests for SQL.
//! - `sql`: bounded, read-only SQL over them, on threads of its own.
//! - `history`: what was measured in a range of time, from rollups, samples and live minutes.
//! - `exports`: the files that were exported for whoever reads no Delta.
//! - `samples`: the archive's samples as they are, by pages or all at once.
//! - `http`: the doors.

mod archive;
mod broken;
mod exports;
mod functions;
mod history;
mod http;
mod live_view;
mod past_changes;
mod refresh;
mod regimes;
mod samples;
mod service;
mod settings;
mod sql;
mod statistic;
mod text;

pub use archive::ArchiveError;
pub use exports::{Exports, SignLinks};
pub use service::{Service, SetupError, serve};
pub use settings::{LiveSettings, Settings, SqlLimits};
pub use sql::SqlError;
