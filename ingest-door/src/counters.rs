//! What a door has done so far.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::refusal::Reason;

/// What a door has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Requests that were taken.
    pub requests: u64,
    /// Rounds that were appended to the log; also those of a request in whose midst the log failed.
    pub rounds: u64,
    refused: [u64; Reason::ALL.len()],
}

impl Counters {
    /// Requests that were refused for this reason.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused[reason as usize]
    }

    /// Requests that were refused.
    #[must_use]
    pub fn all_refused(&self) -> u64 {
        self.refused.iter().sum()
    }
}

/// Counts while requests are handled.
#[derive(Debug, Default)]
pub struct Tally {
    requests: AtomicU64,
    rounds: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
}

impl Tally {
    pub fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub fn rounds(&self, appended: usize) {
        self.rounds.fetch_add(appended as u64, Ordering::Relaxed);
    }

    pub fn refused(&self, reason: Reason) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn counters(&self) -> Counters {
        Counters {
            requests: self.requests.load(Ordering::Relaxed),
            rounds: self.rounds.load(Ordering::Relaxed),
            refused: std::array::from_fn(|at| self.refused[at].load(Ordering::Relaxed)),
        }
    }
}
