//! How much a door takes.

use std::time::Duration;

/// How much a door takes, and how long it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Rounds of a request.
    pub rounds: usize,
    /// Bytes of one round: an event log's records are bounded too (Kinesis: 1 MiB).
    pub round_bytes: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// How far the clock of a vantage point may be off, to either side: µs.
    pub clock_us: i64,
    /// How old a round may be: µs before now. Older ones are in no window of the live view.
    pub oldest_us: i64,
    /// Requests that are handled at once; each may hold a body in memory.
    pub at_once: usize,
    /// Those of them that may be one vantage point's.
    pub at_once_per_vantage: usize,
    /// Rounds a second that one vantage point may send for long, through this door.
    pub rounds_per_second: u32,
    /// Rounds that it may send at once beyond that, after an outage say. At least `rounds`.
    pub burst: u32,
    /// Requests that one vantage point may sign in one minute: through all doors that share the live store.
    pub requests_per_minute: usize,
}

impl Limits {
    /// What a vantage point's bucket holds: a request of the largest size must fit.
    pub(crate) fn most(&self) -> u64 {
        u64::from(self.burst).max(self.rounds as u64)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            rounds: 500,
            round_bytes: 256 << 10,
            body_time: Duration::from_secs(10),
            clock_us: 300_000_000,
            oldest_us: 366 * 86_400_000_000,
            at_once: 64,
            at_once_per_vantage: 8,
            rounds_per_second: 50,
            burst: 1_000,
            requests_per_minute: 600,
        }
    }
}
