//! Telling somebody outside of something, by a webhook or a topic.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

/// What is told, to one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it goes: an address that the notifier takes.
    pub to: String,
    /// The same at every attempt, so that a receiver that got it twice knows.
    pub id: String,
    /// A line for people, without line ends.
    pub subject: String,
    /// JSON.
    pub body: Bytes,
    /// What to sign it with, where the destination can check that.
    pub secret: Option<Secret>,
    /// When this attempt is made, seconds since 1970.
    pub sent_at: i64,
}

/// Shared with the receiver. Its text is in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a message was not taken, as far as is known. It may be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotifyError(pub String);

/// One way to tell. A message may arrive more than once, never in part.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Whether it can tell whoever is at this address.
    fn takes(&self, to: &str) -> bool;

    /// Tells; returns when the receiver has said that it has it.
    ///
    /// # Errors
    /// [`NotifyError`], whose text holds neither the address nor the secret.
    async fn notify(&self, message: &Message) -> Result<(), NotifyError>;
}
