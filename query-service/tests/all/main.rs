//! The service through its doors. One program, so that the engine is linked once.

mod alerts;
mod archive;
mod broken;
mod caching;
mod changes;
mod common;
mod compare;
mod doors;
mod legacy;
mod live;
mod openapi;
mod metrics;
mod readings;
mod refresh;
mod sql;
mod sql_forms;
mod stream;
mod traces;
mod windows;
