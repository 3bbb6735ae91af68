//! The stream of the event log.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::create_stream::CreateStreamError;
use aws_sdk_kinesis::types::{StreamMode, StreamModeDetails, StreamStatus};
use cloudping_ports::LogError;

use crate::kinesis_error::backend;

const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// A stream is there after some tens of seconds.
const MOST_LOOKS: u32 = 240;

/// Makes the stream of a [`KinesisLog`](crate::KinesisLog) with so many shards, unless there is one of that name; returns when it
/// can be used. A shard takes 1,000 records or 1 MB a second, and is paid by the hour.
///
/// # Errors
/// [`LogError::Backend`] when it cannot be made, or is not ready after two minutes.
pub async fn create_stream_if_absent(client: &Client, stream: &str, shards: u16) -> Result<(), LogError> {
    let mode = StreamModeDetails::builder().stream_mode(StreamMode::Provisioned).build().map_err(backend)?;
    let request = client.create_stream().stream_name(stream).stream_mode_details(mode);
    match request.shard_count(shards.into()).send().await {
        Ok(_) => {}
        Err(error) if matches!(error.as_service_error(), Some(CreateStreamError::ResourceInUseException(_))) => {}
        Err(error) => return Err(backend(error)),
    }
    for _ in 0..MOST_LOOKS {
        let answer = client.describe_stream_summary().stream_name(stream).send().await.map_err(backend)?;
        let status = answer.stream_description_summary.map(|summary| summary.stream_status);
        // An updating stream takes records.
        if matches!(status, Some(StreamStatus::Active | StreamStatus::Updating)) {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Err(LogError::Backend(format!("Kinesis: the stream {stream} is not active after two minutes").into()))
}
