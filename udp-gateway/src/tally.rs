//! What was counted. Nothing is dropped in silence: every datagram that was received is delivered, still waiting, or dropped for a reason.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::replies::Unusable;

/// A number that only grows, counted by several threads.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// What it is now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counts of a listener. `received` is `not_allowed + rate_limited + accepted`.
#[derive(Debug, Default)]
pub struct ListenerTally {
    /// Datagrams that the gateway took from the socket.
    pub received: Count,
    /// Their payloads' bytes.
    pub bytes: Count,
    /// Dropped: the sender is in no allowed network.
    pub not_allowed: Count,
    /// Dropped: the sender is beyond its rate.
    pub rate_limited: Count,
    /// Handed to each of the listener's destinations.
    pub accepted: Count,
    /// Replies that were sent.
    pub replies: Count,
    /// Replies that the kernel did not take.
    pub replies_unsent: Count,
}

/// Counts of a destination. `offered` is `queue_full + unfair_share + no_target + failed + delivered` and what is waiting.
#[derive(Debug, Default)]
pub struct DestinationTally {
    /// Datagrams that its listeners accepted.
    pub offered: Count,
    /// Dropped: nothing more may wait.
    pub queue_full: Count,
    /// Dropped: its sender held more than its share of what may wait.
    pub unfair_share: Count,
    /// Dropped: there was no target, or none that is well.
    pub no_target: Count,
    /// Dropped: the target failed, and so did the one that was tried after it, if there was one.
    pub failed: Count,
    /// In a batch that a target took.
    pub delivered: Count,
    /// Batches that a target took.
    pub batches: Count,
    /// Batches that were tried a second time.
    pub retried: Count,
    /// Attempts of which nobody knows whether the target counted them: it did not answer in time, or broke off.
    pub unknown_outcome: Count,
    /// Replies: no datagram of the batch has the tag.
    pub unknown_tag: Count,
    /// Replies: the tag was answered already.
    pub repeated_tag: Count,
    /// Replies: the data is not of the formatter.
    pub unreadable_reply: Count,
    /// Answers that could not be read at all; their batches were taken.
    pub unreadable_answer: Count,
    /// Replies: too large for a datagram.
    pub too_large_reply: Count,
}

impl DestinationTally {
    /// Counts replies that could not be sent.
    pub fn count(&self, unusable: &Unusable) {
        self.unknown_tag.add(unusable.unknown_tag);
        self.repeated_tag.add(unusable.repeated_tag);
        self.unreadable_reply.add(unusable.unreadable);
        self.too_large_reply.add(unusable.too_large);
    }

    /// Datagrams that are on their way.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        // What leaves is counted after what came: read in the other order, the difference is never negative.
        let gone = [&self.queue_full, &self.unfair_share, &self.no_target, &self.failed, &self.delivered];
        let gone: u64 = gone.iter().map(|count| count.get()).sum();
        self.offered.get().saturating_sub(gone)
    }
}

/// Counts of a target, since it was set.
#[derive(Debug, Default)]
pub struct TargetTally {
    /// Batches that it took.
    pub batches: Count,
    /// The datagrams in them.
    pub packets: Count,
    /// Batches that it did not take.
    pub failures: Count,
    /// Replies that it gave and that could be sent.
    pub replies: Count,
}
