//! What a service said, as far as it decides what to do next.

use aws_sdk_lambda::config::http::HttpResponse;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use cloudping_region_manager::{CloudError, Fault};

/// Turns the outcome of `request`, such as `lambda:GetFunction`, into ours.
pub fn told<T, E>(request: &str, outcome: Result<T, SdkError<E, HttpResponse>>) -> Result<T, CloudError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    outcome.map_err(|error| error_of(request, &error))
}

/// As [`told`], where there may be nothing of what was asked for.
pub fn told_if_there<T, E>(
    request: &str,
    outcome: Result<T, SdkError<E, HttpResponse>>,
) -> Result<Option<T>, CloudError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match outcome {
        Ok(found) => Ok(Some(found)),
        // CloudWatch's own word is the shorter one.
        Err(error) if matches!(error.code(), Some("ResourceNotFoundException" | "ResourceNotFound")) => Ok(None),
        Err(error) => Err(error_of(request, &error)),
    }
}

/// As [`told`], where what should be made may be there already: a request whose answer was lost is sent again.
pub fn told_unless_there<T, E>(request: &str, outcome: Result<T, SdkError<E, HttpResponse>>) -> Result<(), CloudError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match outcome {
        Err(error) if error.code() == Some("ResourceAlreadyExistsException") => Ok(()),
        outcome => told(request, outcome).map(drop),
    }
}

fn error_of<E>(request: &str, error: &SdkError<E, HttpResponse>) -> CloudError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let message = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, Some(message)) => message.to_owned(),
        (None, None) => innermost(error),
    };
    let fault = if matches!(error, SdkError::TimeoutError(_)) { Fault::Late } else { fault(error.code()) };
    CloudError { fault, request: request.to_owned(), message }
}

fn fault(code: Option<&str>) -> Fault {
    match code.unwrap_or_default() {
        // A region that is not enabled knows no token of the account's.
        "UnrecognizedClientException" | "InvalidClientTokenId" | "OptInRequired" | "AuthFailure" => Fault::Closed,
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => Fault::Denied,
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" | "LimitExceededException" => {
            Fault::Throttled
        }
        "ResourceConflictException" | "OperationAbortedException" | "ConcurrentModificationException" => {
            Fault::Conflict
        }
        _ => Fault::Other,
    }
}

/// The cause of the causes: the SDK's own message is "dispatch failure".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
