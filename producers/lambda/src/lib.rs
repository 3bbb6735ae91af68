//! The producer as an AWS Lambda function: one invocation is one or more rounds from the function's own region.
//!
//! Whatever the event holds, an invocation measures; a schedule is meant to send it.

pub mod handler;
pub mod settings;
