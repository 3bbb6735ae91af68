//! Measures: opens TCP connections to targets on an open-loop schedule and appends what became of them to the event log,
//! one event a round.
//!
//! - [`probers`] are the kinds of probes: TCP, TLS, HTTPS, ICMP and STAMP.
//! - [`tcp::connect`] makes one probe: the kernel's round-trip time of the handshake, and every failure as an outcome.
//! - [`schedule`] decides when probes leave, a [`timer`] wakes for them; [`measure`] makes a round of them.
//! - [`gaps`] tells from the clocks what could not be measured.
//! - [`outbox`] takes finished rounds to the event log, with a [`spool`] on disk for when it is away.
//! - [`target_file`] reads a user's own targets.
//! - [`targets`] knows what to probe and keeps names resolved, so that no name look-up is ever inside a measurement.
//! - [`producer::run`] is one vantage point: rounds on time whatever became of the last.

pub mod gaps;
pub mod measure;
mod names;
pub mod outbox;
pub mod probers;
pub mod producer;
pub mod schedule;
pub mod sockets;
pub mod spool;
pub mod target_file;
pub mod targets;
pub mod tcp;
pub mod timer;
