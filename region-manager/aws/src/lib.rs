//! The region manager on AWS: the account's regions, and producers as Lambda functions behind a rule of EventBridge; and the Lambda function
//! that a schedule invokes.

mod apply;
mod clients;
mod cloud;
mod errors;
mod find;
pub mod handler;
pub mod metrics;
pub mod settings;

pub use cloud::{AwsCloud, account_client};
