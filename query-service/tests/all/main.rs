//! The service through its doors. One program, so that the engine is linked once.

mod alerts;
mod access;
mod access_log;
mod archive;
mod broken;
mod caching;
mod changes;
mod common;
mod compare;
mod doors;
mod exports;
mod history;
mod legacy;
mod live;
mod metrics;
mod openapi;
mod readings;
mod refresh;
mod samples;
mod sql;
mod sql_forms;
mod stream;
mod traces;
mod windows;
