//! The AWS backend: the event log on Kinesis, the live store on DynamoDB, objects on S3 (feature `s3`), topics on SNS (feature `sns`).
//!
//! A client is made by the edge, with the standard AWS settings (profile, region, `AWS_ENDPOINT_URL_KINESIS`,
//! `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_S3`); nothing here reads the environment.

mod attempt_limit;
mod dynamo_reads;
mod dynamo_rows;
mod dynamo_store;
mod dynamo_table;
pub mod dynamo_units;
mod dynamo_writes;
mod kinesis_error;
mod kinesis_log;
mod kinesis_queue;
mod kinesis_reader;
mod kinesis_stream;
mod kinesis_writer;
#[cfg(feature = "s3")]
mod s3_bucket;
#[cfg(feature = "s3")]
mod s3_objects;
#[cfg(feature = "sns")]
mod sns_topics;

pub use dynamo_store::{DynamoStore, ExpiryRule};
pub use dynamo_table::create_table_if_absent;
pub use kinesis_log::KinesisLog;
pub use kinesis_stream::create_stream_if_absent;
#[cfg(feature = "s3")]
pub use s3_bucket::{S3Error, create_bucket_if_absent, presigned_get, s3_client};
#[cfg(feature = "s3")]
pub use s3_objects::s3_objects;
#[cfg(feature = "sns")]
pub use sns_topics::SnsTopics;
