//! The AWS backend: the event log on Kinesis.
//!
//! A client is made by the edge, with the standard AWS settings (profile, region, `AWS_ENDPOINT_URL_KINESIS`); nothing here
//! reads the environment.

mod kinesis_log;

pub use kinesis_log::KinesisLog;
