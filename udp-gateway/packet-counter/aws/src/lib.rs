//! The packet counter on AWS: a Lambda function that the UDP gateway gives its batches.

pub mod handler;
pub mod metrics;
pub mod settings;
