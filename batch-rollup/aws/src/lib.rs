//! The archive on AWS: a Lambda function that a schedule invokes, from a Kinesis stream into Delta tables on S3.
//!
//! Any number of invocations may run at once, since archivers take turns; one at a time (reserved concurrency 1) is cheaper.

pub mod handler;
pub mod metrics;
pub mod origin;
pub mod settings;
