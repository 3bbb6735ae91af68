//! The archive through its tables. One program, so that the engine is linked once.

mod archive;
mod check;
mod common;
mod export;
mod golden;
mod import;
mod interop;
mod regions;
mod replay;
mod rollup;
mod torture;
