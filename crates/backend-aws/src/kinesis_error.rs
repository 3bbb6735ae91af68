//! What can go wrong with a Kinesis stream, and whether it passes by itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::put_records::PutRecordsError;
use cloudping_ports::LogError;

use crate::kinesis_queue::{BYTES_OF_A_RECORD, CHARACTERS_OF_A_KEY};

/// A call that failed, with all that the service said: the SDK's own message is "service error".
#[derive(Debug, thiserror::Error)]
#[error("Kinesis: {}", DisplayErrorContext(.0))]
struct CallError(#[source] aws_sdk_kinesis::Error);

/// A failed call as the port's error.
pub(crate) fn backend(error: impl Into<aws_sdk_kinesis::Error>) -> LogError {
    LogError::Backend(Box::new(CallError(error.into())))
}

/// Why a record did not get into the stream, as told to the callers of one request.
#[derive(Debug, Clone)]
pub(crate) struct Cause(Arc<str>);

impl Cause {
    pub(crate) fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an append failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AppendError {
    /// Refused before anything was sent.
    #[error("Kinesis: a record of {bytes} bytes with its partition key, expected at most {BYTES_OF_A_RECORD}")]
    TooLarge {
        /// The record's data and its partition key.
        bytes: usize,
    },
    /// Refused before anything was sent.
    #[error("Kinesis: a partition key of {characters} characters, expected 1 to {CHARACTERS_OF_A_KEY}")]
    Key {
        /// Of the key that was given.
        characters: usize,
    },
    /// An answer that more tries would not change.
    #[error("Kinesis: {cause}")]
    Refused {
        /// What Kinesis said.
        cause: Cause,
    },
    /// What should pass did not pass in time.
    #[error("Kinesis: given up after {tries} tries in {spent:?}: {cause}")]
    GivenUp {
        /// Requests that carried the record.
        tries: u32,
        /// Since the first of them was sent.
        spent: Duration,
        /// What the last of them met.
        cause: Cause,
    },
    /// An earlier record of the same partition key was refused or given up.
    #[error("Kinesis: not sent, because an earlier record of its partition key was not taken: {cause}")]
    Behind {
        /// What that record met.
        cause: Cause,
    },
    /// The runtime in which the stream's writer ran was shut down.
    #[error("Kinesis: the runtime that the records were sent from has ended")]
    Ended,
}

impl From<AppendError> for LogError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::TooLarge { .. } | AppendError::Key { .. } => Self::Refused(Box::new(error)),
            // What Kinesis refuses may be mended on its side: a stream that is not there, a right that is not given.
            _ => Self::Backend(Box::new(error)),
        }
    }
}

/// Codes of refusals that pass by themselves; a 5xx and a 429 are such whatever their code.
const PASSING: &[&str] = &[
    "InternalFailure",
    "InternalFailureException",
    "KMSThrottlingException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeoutException",
    // The stream is being made.
    "ResourceInUseException",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
];

/// Whether a failed PutRecords may go well when it is sent again, and what it met.
pub(crate) fn of_request(error: SdkError<PutRecordsError>) -> (bool, Cause) {
    let passes = match &error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        // As the SDK's own classifier has it; what remains is a lack of credentials or a faulty address.
        SdkError::DispatchFailure(failure) => failure.is_timeout() || failure.is_io() || failure.as_other().is_some(),
        SdkError::ServiceError(refusal) => {
            let status = refusal.raw().status().as_u16();
            status >= 500 || status == 429 || refusal.err().code().is_some_and(|code| PASSING.contains(&code))
        }
        _ => false,
    };
    (passes, Cause::new(DisplayErrorContext(aws_sdk_kinesis::Error::from(error)).to_string()))
}
