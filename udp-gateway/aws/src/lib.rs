//! Targets of the UDP gateway on AWS: Lambda functions and Kinesis data streams.
//!
//! The SDK's own retries are off: the gateway decides whether a batch that failed is tried again, and where.

mod kinesis;
mod lambda;

use std::sync::Arc;

use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use cloudping_udp_gateway::targets::{Connect, ConnectError, Sink, TargetAddress, TargetError};

use kinesis::Stream;
use lambda::Function;

/// Makes targets of ARNs, each in the region that its ARN names.
#[derive(Debug, Clone)]
pub struct AwsTargets(SdkConfig);

impl AwsTargets {
    /// By these settings of AWS.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(config.to_builder().retry_config(RetryConfig::disabled()).build())
    }

    fn of(&self, region: &str) -> SdkConfig {
        self.0.to_builder().region(Region::new(region.to_owned())).build()
    }
}

impl Connect for AwsTargets {
    fn connect(&self, _: &str, address: &TargetAddress) -> Option<Result<Sink, ConnectError>> {
        match address {
            TargetAddress::Lambda(arn) => {
                Some(Ok(Sink::Remote(Arc::new(Function::new(&self.of(&arn.region), &arn.text)))))
            }
            TargetAddress::Kinesis(arn) => {
                Some(Ok(Sink::Remote(Arc::new(Stream::new(&self.of(&arn.region), &arn.text)))))
            }
            TargetAddress::Http(_) | TargetAddress::InProcess(_) => None,
        }
    }
}

/// Whether AWS has taken what a failed call brought.
fn failure<E, R>(error: SdkError<E, R>, status: impl Fn(&R) -> u16) -> TargetError
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::ConstructionFailure(_) => TargetError::NotTaken("the request cannot be made".to_owned()),
        SdkError::ServiceError(answer) => {
            let (status, error) = (status(answer.raw()), answer.into_err());
            let code = error.code().unwrap_or("no code");
            let what = format!("AWS answered {status} {code}: {}", error.message().unwrap_or("no message"));
            // What AWS refuses it has not done; of a failure of its own it may have.
            if status < 500 { TargetError::NotTaken(what) } else { TargetError::Unknown(what) }
        }
        SdkError::TimeoutError(_) => TargetError::Unknown("AWS did not answer in time".to_owned()),
        SdkError::DispatchFailure(failure) => {
            let what = failure.as_connector_error().map_or_else(|| "no connection".to_owned(), ToString::to_string);
            TargetError::Unknown(format!("AWS cannot be reached: {what}"))
        }
        _ => TargetError::Unknown("AWS' answer cannot be read".to_owned()),
    }
}
