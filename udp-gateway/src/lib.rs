//! The UDP gateway: receives datagrams, hands them in batches to the nearest target that is well, by our own latency matrix, and sends the
//! replies back.
//!
//! One thread receives ([`engine`]); what it decides is pure: who may send ([`senders`], [`shares`]), when a batch goes out ([`batch`]), where to
//! ([`route`], [`breaker`]). A handler in this process is called on that thread; batches for targets elsewhere leave it by a bounded
//! queue ([`deliver`]).

pub mod batch;
pub mod breaker;
pub mod config;
pub mod control;
mod deliver;
pub mod destination;
mod engine;
mod gateway;
pub mod listener;
pub mod matrix;
pub mod metrics;
pub mod overrides;
pub mod packets;
pub mod replies;
pub mod route;
pub mod senders;
pub mod shares;
pub mod state;
pub mod sys;
pub mod tally;
pub mod targets;

pub use config::Config;
pub use gateway::{ChangeError, Gateway, Shared, StartError};
