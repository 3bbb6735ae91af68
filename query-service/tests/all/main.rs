//! The service through its doors. One program, so that the engine is linked once.

mod alerts;
mod archive;
mod broken;
mod changes;
mod common;
mod compare;
mod doors;
mod legacy;
mod live;
mod openapi;
mod readings;
mod refresh;
mod sql;
mod sql_forms;
mod stream;
mod windows;
