//! The stream processor on AWS: a Lambda function that Kinesis' event source gives batches of one shard, on a DynamoDB table.
//!
//! The event source must report batch item failures (`FunctionResponseTypes: ReportBatchItemFailures`).

pub mod event;
pub mod handler;
pub mod metrics;
pub mod settings;
