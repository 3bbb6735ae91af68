//! What is counted beside the latencies.

use crate::LatencyDigest;

/// The outcomes of probes that have no round-trip time, and when the newest probe started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Probes that got no answer in time, and those answered only after a SYN retransmit.
    pub lost: u64,
    /// Those of the lost probes that were answered after a SYN retransmit.
    pub retransmitted: u64,
    /// Answers for which the kernel gave no RTT.
    pub unknown: u64,
    /// Start of the newest probe, whatever its outcome (UTC, µs since 1970); `None` when nothing was sent.
    pub last_at_us: Option<i64>,
}

impl Counts {
    /// Adds all that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.lost = self.lost.saturating_add(other.lost);
        self.retransmitted = self.retransmitted.saturating_add(other.retransmitted);
        self.unknown = self.unknown.saturating_add(other.unknown);
        self.last_at_us = self.last_at_us.max(other.last_at_us);
    }

    /// These counts as a summary of `received` RTTs can hold them: a time exactly if something was sent (1970 for want of a better),
    /// and no more retransmitted than lost.
    pub(crate) fn settled(self, received: u64) -> Self {
        let silent = received == 0 && self.lost == 0 && self.unknown == 0;
        Self {
            retransmitted: self.retransmitted.min(self.lost),
            last_at_us: if silent { None } else { Some(self.last_at_us.unwrap_or(0)) },
            ..self
        }
    }
}

/// A stored summary, taken apart by [`SeriesSummary::take_parts`](crate::SeriesSummary::take_parts).
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// All that is counted beside the latencies.
    pub counts: Counts,
    /// The latencies where the summary does not keep each value; `None` where it does, and they went to the caller's list.
    pub sketch: Option<LatencyDigest>,
}
