//! The archive: what the event log holds, as Delta Lake tables that any engine reads.
//!
//! - [`Tables`]: where the tables lie, how they are created and how their files are encoded.
//! - [`Archiver`]: appends the log's rounds to the table of samples, each once, with its checkpoint in the same commit.
//! - [`Appender`], [`import`]: rounds of others, into the same table.
//! - [`replay`]: the rounds back out of it.
//! - [`export::Exporter`]: closed days and months as plain files with a manifest.
//! - [`athena`]: the tables as Athena, Glue and DuckDB define them.
//! - [`Rollup`]: recomputes the hours and days that new samples touched: exact percentiles and a mergeable digest a series.
//! - [`Check`]: proves that the rollups are what the samples say, and that the tables are whole.
//! - [`Regions`]: the catalogue and the targets seen, as a table.
//! - [`Compactor`], [`Vacuum`]: few large files of many small ones, and away with what nobody needs.
//! - [`schedule`]: when the upkeep is due. [`stats`]: what the tables weigh.
//!
//! What to write is decided by pure functions ([`checkpoint`], [`hours`], [`rollup_plan`], [`statistics`]); the runners read, ask them, and
//! commit. Nothing here reads a clock. Delta itself stamps its commits with the wall time, for people to read: no decision here depends on it.

mod append;
mod archive;
pub mod athena;
mod batch;
mod changes;
mod check;
pub mod checkpoint;
mod commit;
mod compact;
mod error;
pub mod export;
mod file_statistics;
mod file_writer;
pub mod hours;
pub mod import;
mod parquet_file;
mod progress;
mod query;
mod regions;
pub mod replay;
mod rollup;
mod sample_arrays;
mod sample_rows;
pub mod schedule;
pub mod statistics;
pub mod stats;
mod stretches;
mod table;
mod tables;
mod unfinished;
mod vacuum;

pub use append::{AppendReport, Appender};
pub use archive::{ArchiveOptions, ArchiveReport, Archiver};
pub use check::{Check, CheckReport, Difference};
pub use compact::{CompactError, CompactOptions, CompactReport, Compactor};
pub use error::{ArchiveError, BrokenFile, FileError, FileFault, RollupError, TableError};
pub use progress::Progress;
pub use regions::{Regions, RegionsReport};
pub use rollup::{Rollup, RollupReport, plan as rollup_plan};
pub use table::Table;
pub use tables::Tables;
pub use vacuum::{Vacuum, VacuumError, VacuumOptions, VacuumReport};
