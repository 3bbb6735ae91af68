//! How well the planet keeps to what was asked of it, by the router's own clock.

use std::collections::VecDeque;
use std::time::Duration;

use crate::address::Flow;

/// A summary of all handshakes so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Accuracy {
    /// Completed handshakes.
    pub handshakes: u64,
    /// Half of them were at most this much later than asked (never earlier). Quantiles are exact to 1/16.
    pub late_median: Duration,
    /// 99 in 100 of them were at most this much late.
    pub late_p99: Duration,
    /// The latest.
    pub late_max: Duration,
    /// SYNs whose kernel timestamp was not to be had, so that their time is when the router read them.
    pub unstamped: u64,
    /// CPU time of the router, including the kernel's work on the packets it carries.
    pub cpu: Duration,
    /// Since the router started.
    pub running: Duration,
}

/// What was asked for one handshake, and what the router's clock says became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedRtt {
    /// The connection.
    pub flow: Flow,
    /// When the SYN left, in nanoseconds since 1970 (the kernel's timestamp where it could be had).
    pub syn_at_ns: u64,
    /// RTT asked for: the link's RTT and the jitter drawn for this handshake.
    pub asked: Duration,
    /// RTT delivered, by the router's clock.
    pub delivered: Duration,
}

const SUB_BITS: u32 = 4;
const SUBS: u64 = 1 << SUB_BITS;

/// A histogram of nanoseconds in sixteenths of powers of two.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub fn record(&mut self, ns: u64) {
        let bucket = bucket_of(ns);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.max = self.max.max(ns);
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn max(&self) -> u64 {
        self.max
    }

    /// Upper edge of the bucket that holds quantile `q` (nearest rank), at most the maximum; 0 if nothing was recorded.
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = ((q * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_edge(bucket).min(self.max);
            }
        }
        self.max
    }
}

fn bucket_of(ns: u64) -> usize {
    if ns < SUBS {
        return ns as usize;
    }
    let shift = ns.ilog2() - SUB_BITS;
    (u64::from(shift + 1) * SUBS + ((ns >> shift) - SUBS)) as usize
}

fn upper_edge(bucket: usize) -> u64 {
    let (octave, sub) = (bucket as u64 / SUBS, bucket as u64 % SUBS);
    if octave == 0 {
        return sub;
    }
    let shift = octave - 1;
    ((SUBS + sub) << shift) + ((1 << shift) - 1)
}

/// The latest handshakes, as many as there is room for.
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: VecDeque<AskedRtt>,
    capacity: usize,
}

impl Ledger {
    pub fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity }
    }

    /// Adds a handshake; the oldest gives way.
    pub fn push(&mut self, asked: AskedRtt) {
        if self.capacity == 0 {
            return;
        }
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(asked);
    }

    /// Takes all handshakes out, oldest first.
    pub fn take(&mut self) -> Vec<AskedRtt> {
        std::mem::take(&mut self.entries).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_histogram_is_zero() {
        assert_eq!(Histogram::default().quantile(0.99), 0);
    }

    proptest! {
        #[test]
        fn a_bucket_is_within_a_sixteenth(ns in 0u64..1 << 60) {
            let edge = upper_edge(bucket_of(ns));
            prop_assert!(edge >= ns);
            prop_assert!(edge - ns <= ns / SUBS);
            prop_assert!(bucket_of(edge) == bucket_of(ns) && bucket_of(edge + 1) == bucket_of(ns) + 1);
        }

        #[test]
        fn quantiles_like_a_sort(mut values in proptest::collection::vec(0u64..1_000_000, 1..200), q in 0.0..=1.0f64) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|&value| histogram.record(value));
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            let exact = values[rank - 1];
            let estimate = histogram.quantile(q);
            prop_assert!(estimate >= exact && estimate - exact <= exact / SUBS, "{estimate} for {exact}");
        }
    }

    #[test]
    fn the_oldest_gives_way() {
        let entry = |syn_at_ns| AskedRtt {
            flow: Flow { vantage: ([10, 1, 0, 1], 1).into(), target: ([10, 2, 0, 1], 443).into() },
            syn_at_ns,
            asked: Duration::ZERO,
            delivered: Duration::ZERO,
        };
        let mut ledger = Ledger::new(2);
        (1..=3).for_each(|at| ledger.push(entry(at)));
        assert_eq!(ledger.take(), [entry(2), entry(3)]);
        assert_eq!(ledger.take(), []);
    }
}
