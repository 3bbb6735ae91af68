//! The AWS backend: the event log on Kinesis, the live store on DynamoDB.
//!
//! A client is made by the edge, with the standard AWS settings (profile, region, `AWS_ENDPOINT_URL_KINESIS`,
//! `AWS_ENDPOINT_URL_DYNAMODB`); nothing here reads the environment.

mod dynamo_store;
mod dynamo_table;
mod dynamo_writes;
mod kinesis_log;

pub use dynamo_store::DynamoStore;
pub use dynamo_table::create_table_if_absent;
pub use kinesis_log::KinesisLog;
