//! Where batches go.

mod address;
pub mod counter;
pub mod http;
mod in_process;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use address::{AddressError, TargetAddress};
pub use in_process::InProcess;

use crate::packets::Packets;
use crate::replies::Replies;

/// Why a target did not take a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It has not counted the batch: it was not reached, or said no.
    #[error("{0}")]
    NotTaken(String),
    /// It may have counted the batch: it did not answer in time, or broke off.
    #[error("{0}, and may have taken the batch")]
    Unknown(String),
    /// It took the batch, so that no other may have it, but its replies cannot be read.
    #[error("{0}, so there are no replies")]
    Garbled(String),
}

/// A batch on its way to a target elsewhere.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Names the batch, the same at every attempt and in no other batch: by it a target can tell that it has seen it.
    pub id: Arc<str>,
    /// The batch in the wire format.
    pub body: Arc<[u8]>,
    /// How long the target may take.
    pub time: Duration,
}

/// A target elsewhere.
#[async_trait]
pub trait Target: Send + Sync {
    /// Hands over a batch and waits for the answer: replies in the wire format, or nothing.
    ///
    /// # Errors
    /// [`TargetError`], which says whether the batch may have been taken.
    async fn deliver(&self, delivery: &Delivery) -> Result<Vec<u8>, TargetError>;
}

/// A target in this process. It is called on the thread that receives, so it must not wait for anything.
pub trait Handler: Send + Sync {
    /// Takes a batch as a whole, or not at all; answers go into `replies`.
    ///
    /// # Errors
    /// [`TargetError::NotTaken`], with nothing of the batch counted.
    fn handle(&self, packets: &Packets, replies: &mut Replies) -> Result<(), TargetError>;
}

/// A target of either kind.
#[derive(Clone)]
pub enum Sink {
    /// In this process.
    InProcess(Arc<dyn Handler>),
    /// Elsewhere.
    Remote(Arc<dyn Target>),
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InProcess(_) => "InProcess",
            Self::Remote(_) => "Remote",
        })
    }
}

/// Why a target cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConnectError(pub String);

/// Makes targets of addresses.
pub trait Connect: Send + Sync {
    /// A target for a region; nothing is sent to it yet. `None` for an address of a kind that this one does not know.
    fn connect(&self, region: &str, address: &TargetAddress) -> Option<Result<Sink, ConnectError>>;
}

/// Several ways to make targets: the first that knows an address makes its target.
#[derive(Clone, Default)]
pub struct Connectors(Vec<Arc<dyn Connect>>);

impl fmt::Debug for Connectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connectors").field(&self.0.len()).finish()
    }
}

impl Connectors {
    /// One more way.
    #[must_use]
    pub fn with(mut self, connector: impl Connect + 'static) -> Self {
        self.0.push(Arc::new(connector));
        self
    }

    /// Makes a target.
    ///
    /// # Errors
    /// [`ConnectError`], also where nobody knows the kind of address.
    pub fn connect(&self, region: &str, address: &TargetAddress) -> Result<Sink, ConnectError> {
        let made = self.0.iter().find_map(|connector| connector.connect(region, address));
        made.unwrap_or_else(|| {
            let hint = match address {
                TargetAddress::Lambda(_) | TargetAddress::Kinesis(_) => {
                    "; build one with `cargo build --release -p cloudping --features aws`"
                }
                _ => "",
            };
            Err(ConnectError(format!("this program has no targets such as {address}{hint}")))
        })
    }
}
