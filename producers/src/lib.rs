//! Measures: opens TCP connections to targets on an open-loop schedule and appends what became of them to the event log,
//! one event a round.
//!
//! - [`tcp::connect`] makes one probe: the kernel's round-trip time of the handshake, and every failure as an outcome.
//! - [`schedule`] decides when probes leave.
//! - [`targets`] knows what to probe and keeps names resolved, so that no name look-up is ever inside a measurement.
//! - [`producer::run`] is one vantage point: rounds on time whatever became of the last.

pub mod producer;
pub mod schedule;
pub mod sockets;
pub mod targets;
pub mod tcp;
