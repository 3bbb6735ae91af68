//! The ingest door on AWS: a Lambda function behind a function URL, on a Kinesis stream and a DynamoDB table.
//!
//! The URL needs no authorisation of AWS' own (`AuthType: NONE`): whoever sends signs, and the door checks. How many requests are handled
//! at once is the function's reserved concurrency.

pub mod metrics;
pub mod settings;
