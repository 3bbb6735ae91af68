//! One invocation: a batch, and its answer.

use cloudping_model::UtcMicros;
use cloudping_schemas::gateway::{Batch, FormatError};
use serde_json::Value;

/// Why a batch cannot be counted.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The event is no batch.
    #[error("the event: {0}, expected {{\"Messages\":[…]}} as the UDP gateway sends it")]
    Event(serde_json::Error),
    /// A reply cannot be written as its message was.
    #[error("a reply: {0}")]
    Reply(#[from] FormatError),
    /// The answer cannot be written.
    #[error("the answer: {0}")]
    Answer(serde_json::Error),
}

/// What an invocation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The packets of the batch.
    pub packets: u64,
    /// The addresses that sent them: so many replies are in the answer.
    pub senders: u64,
    /// What the gateway is told.
    pub answer: Value,
}

/// Counts the batch that the event holds, at `now`. The region is this function's, where replies name it.
///
/// # Errors
/// [`HandlerError`] where the event is no batch, or a reply cannot be written.
pub fn handle(event: Value, region: Option<&str>, now: UtcMicros) -> Result<Counted, HandlerError> {
    let batch: Batch = serde_json::from_value(event).map_err(HandlerError::Event)?;
    let answer = cloudping_packet_counter::answer(&batch, region, now)?;
    let (packets, senders) = (batch.messages.len() as u64, answer.replies.len() as u64);
    let answer = serde_json::to_value(&answer).map_err(HandlerError::Answer)?;
    Ok(Counted { packets, senders, answer })
}
