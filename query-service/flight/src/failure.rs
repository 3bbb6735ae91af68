//! Errors as gRPC knows them.

use cloudping_query_service::SqlError;
use tonic::Status;

/// Why a statement has no answer, or no more of one.
pub fn of_statement(reason: &SqlError) -> Status {
    let text = reason.to_string();
    match reason {
        SqlError::Failed(reason) => {
            // The text may hold the server's paths: it is for the log.
            tracing::error!("{reason}");
            Status::internal("the server could not answer; its log says why")
        }
        SqlError::NotReading | SqlError::Invalid(_) => Status::invalid_argument(text),
        SqlError::TooSlow { .. } | SqlError::SlowReader { .. } => Status::deadline_exceeded(text),
        SqlError::Busy { .. } => Status::unavailable(text),
        SqlError::Broken { .. } => Status::data_loss(text),
        // Bounds.
        _ => Status::resource_exhausted(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_the_log_is_not_sent() {
        let status = of_statement(&SqlError::Failed("file:///secret".to_owned()));
        assert_eq!(status.code(), tonic::Code::Internal);
        assert!(!status.message().contains("secret"), "{status}");
        let status = of_statement(&SqlError::NotReading);
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    }
}
