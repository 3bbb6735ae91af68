//! What a host does that measures: `cloudping agent`, and the commands that need nothing but a network. Both the agent's own program and the
//! whole cloudping have them, so that the first is small: no query engine, no store but the spool, no SDK.
//!
//! [`cli`] has the commands, [`measured`] says what is measured, [`checks`] looks at the host, [`program`] stands around a command; [`ask`],
//! [`output`], [`failure`], [`signals`] and [`clock`] are what every command uses.

pub mod agent;
pub mod ask;
pub mod changes;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod failure;
pub mod ingest_key;
pub mod matrix;
pub mod measured;
pub mod nearest;
pub mod output;
pub mod probe;
pub mod program;
pub mod reflect;
mod resolve;
pub mod signals;
pub mod sql;
pub mod targets;
