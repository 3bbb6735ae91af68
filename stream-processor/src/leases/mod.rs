//! Leases: several workers share the shards of a log, each shard read by one of them at a time.
//!
//! The scheme is that of the Kinesis Client Library
//! (<https://docs.aws.amazon.com/streams/latest/dev/kcl-concepts.html>), kept in the live store:
//!
//! - `leases/<shard>` says who reads a shard. It is written only when the shard changes hands, and when it is finished.
//! - `workers/<id>` is a worker's sign of life, written at each of its looks. A worker is dead to another that saw its sign stand still for
//!   the lease time by its *own* timer ([`RollCall`]): no machine's clock is compared with another's.
//! - At each look a worker decides by what it sees alone ([`decide`]): it takes what nobody reads, up to its share, and then one
//!   lease at a time of who has more than a share. All workers compute the same plan from the same view; where views differ, the versions
//!   of the lease items let one of them win.
//!
//! Judging another dead may be wrong: it may only have been asleep. Therefore whatever a worker commits for a shard depends on the lease's
//! version ([`Fenced`]). Without that the identities of the rounds keep the *numbers* right already; with it a lease that was lost has
//! no effect at all: no checkpoint moves, no dead letter is written, no item that the new owner has cached changes under it.

mod fenced;
mod plan;
#[cfg(test)]
mod plan_tests;
mod roll_call;
mod table;

use std::fmt;

pub use fenced::{Fence, Fenced};
pub(crate) use plan::{Action, View, decide, has_readable_parents};
pub(crate) use roll_call::{LOOKS_PER_LEASE, RollCall};
pub(crate) use table::{Table, finish};

/// The longest id of a worker.
const LONGEST_ID: usize = 200;

/// The name of one worker for as long as it runs.
///
/// Two that live at the same time must not have the same, and a worker that is started again should have a new one: a host's name with
/// the moment of the start, say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(String);

/// Why a text names no worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("worker id is {0:?}, expected 1 to {LONGEST_ID} visible ASCII characters")]
pub struct WorkerIdError(String);

impl WorkerId {
    /// Wraps an id.
    ///
    /// # Errors
    /// [`WorkerIdError`] unless it has 1 to 200 characters, all of them visible ASCII.
    pub fn new(id: impl Into<String>) -> Result<Self, WorkerIdError> {
        let id = id.into();
        let fits = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(id)) } else { Err(WorkerIdError(id)) }
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_be_a_key() {
        assert_eq!(WorkerId::new("ip-10-0-0-7/42").unwrap().as_str(), "ip-10-0-0-7/42");
        for bad in ["", "two words", "z\u{fc}rich", &"x".repeat(201)] {
            let error = WorkerId::new(bad).unwrap_err().to_string();
            assert_eq!(error, format!("worker id is {bad:?}, expected 1 to 200 visible ASCII characters"));
        }
    }
}
