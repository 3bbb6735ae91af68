//! The service through its doors. One program, so that the engine is linked once.

mod archive;
mod broken;
mod changes;
mod common;
mod doors;
mod exports;
mod history;
mod live;
mod readings;
mod refresh;
mod samples;
mod sql;
mod stream;
mod windows;
