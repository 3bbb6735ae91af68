//! How long a service may take for an answer.

use std::time::Duration;

use aws_sdk_kinesis::config::timeout::TimeoutConfig;

/// An attempt that is not answered by then has failed: the SDK waits for ever unless told otherwise, and a connection may die without
/// a word.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);

/// A client's timeouts with a limit for each attempt; `None` if they have one already.
pub(crate) fn with_attempt_limit(set: Option<&TimeoutConfig>) -> Option<TimeoutConfig> {
    if set.is_some_and(|set| set.operation_attempt_timeout().is_some()) {
        return None;
    }
    let limited = set.map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
    Some(limited.operation_attempt_timeout(ATTEMPT_LIMIT).build())
}
