//! What the region manager asks of a cloud.

use std::fmt;

use async_trait::async_trait;

use crate::{AccountRegion, Producer, Step};

/// An account of a cloud, with its regions.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// All regions that the account knows of, whether it may use them or not.
    ///
    /// # Errors
    /// [`CloudError`].
    async fn regions(&self) -> Result<Vec<AccountRegion>, CloudError>;

    /// Asks that the account may use a region. It is done minutes to hours later.
    ///
    /// # Errors
    /// [`CloudError`].
    async fn enable(&self, region: &str) -> Result<(), CloudError>;

    /// What a region has of the producer.
    ///
    /// # Errors
    /// [`CloudError`]; of the fault [`Fault::Closed`] where the account may not use the region, [`Fault::Foreign`] where the producer is
    /// somebody else's to change.
    async fn find(&self, region: &str) -> Result<Producer, CloudError>;

    /// Takes one step in a region. Returns when the next can be taken.
    ///
    /// # Errors
    /// [`CloudError`]. The step may have taken effect all the same.
    async fn apply(&self, region: &str, step: &Step) -> Result<(), CloudError>;
}

/// What went wrong, as far as it decides what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The account may not use the region.
    Closed,
    /// The producer belongs to somebody else, such as a stack.
    Foreign,
    /// The caller may not do this.
    Denied,
    /// Too many requests, also after the usual repetitions.
    Throttled,
    /// Something else is changing the same thing.
    Conflict,
    /// The service did not come to an end in the time given to it.
    Late,
    /// Whatever else the service says.
    Other,
}

impl Fault {
    /// What to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Closed => "enable the region, or leave it",
            Self::Foreign => "remove what it belongs to first",
            Self::Denied => {
                "give the caller this permission (cdk/lib/region-manager.ts lists them); where it has it, look for a policy of the organisation"
            }
            Self::Throttled => "run it again; nothing that was done is lost",
            Self::Conflict => "wait until the other change is over, then run it again",
            Self::Late => "look at the function's state in the console, then run it again",
            Self::Other => "put right what it says, then run it again",
        }
    }
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudError {
    /// Of what sort.
    pub fault: Fault,
    /// What was asked for, such as `lambda:CreateFunction`.
    pub request: String,
    /// What the service said, in one line.
    pub message: String,
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.request, self.message)
    }
}

impl std::error::Error for CloudError {}
