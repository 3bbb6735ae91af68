//! The event log on a real Kinesis server: its contract, its limits, faults on the way to the server, and resharding.

mod contract;
mod faults;
mod reading;
mod resharding;
mod support;
