//! The producer on AWS: a Lambda function, one invocation of which is one or more rounds, and an agent for a host that runs
//! for ever. Both append to the event log on Kinesis, or through an ingest door.

pub mod deployment;
pub mod handler;
pub mod metrics;
pub mod settings;
