//! When a batch goes out: at the first of its limits that is reached.

use std::mem;
use std::time::{Duration, Instant};

use crate::packets::{Packet, Packets};

/// The limits of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Datagrams, at least 1.
    pub count: usize,
    /// Bytes of payload. A single datagram may be larger.
    pub bytes: usize,
    /// How long its first datagram waits.
    pub wait: Duration,
}

/// The batch that is being filled.
#[derive(Debug)]
pub struct Batcher {
    limits: BatchLimits,
    packets: Packets,
    deadline: Option<Instant>,
}

impl Batcher {
    /// An empty one.
    #[must_use]
    pub fn new(limits: BatchLimits) -> Self {
        Self { limits, packets: Packets::default(), deadline: None }
    }

    /// Whether a datagram of this size still belongs to this batch. If not, the batch must be taken first.
    #[must_use]
    pub fn fits(&self, bytes: usize) -> bool {
        self.packets.is_empty()
            || (self.packets.len() < self.limits.count && self.packets.bytes() + bytes <= self.limits.bytes)
    }

    /// Adds a datagram; says whether the batch is full by it.
    pub fn push(&mut self, packet: &Packet<'_>, now: Instant) -> bool {
        if self.packets.is_empty() {
            self.deadline = Some(now + self.limits.wait);
        }
        self.packets.push(packet);
        self.packets.len() >= self.limits.count || self.packets.bytes() >= self.limits.bytes
    }

    /// When it goes out at the latest; `None` while it is empty.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The batch as it is; the next one is filled into `empty`.
    pub fn take(&mut self, empty: Packets) -> Packets {
        self.deadline = None;
        mem::replace(&mut self.packets, empty)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use cloudping_model::UtcMicros;
    use proptest::prelude::*;

    use super::*;

    fn packet(data: &[u8]) -> Packet<'_> {
        let remote = SocketAddr::from(([192, 0, 2, 1], 9));
        Packet { remote, listener: 0, sender: 0, received_at: UtcMicros(0), data }
    }

    proptest! {
        /// Against a plain list: every datagram is in one batch, in order, and every batch ended at the first limit that it reached.
        #[test]
        fn every_packet_is_in_one_batch(
            count in 1_usize..6,
            bytes in 1_usize..40,
            steps in proptest::collection::vec((0_u64..30, 0_usize..20), 1..200),
        ) {
            let limits = BatchLimits { count, bytes, wait: Duration::from_millis(20) };
            let start = Instant::now();
            let (mut batcher, mut now, mut taken, mut sent) = (Batcher::new(limits), start, Vec::new(), Vec::new());
            for (number, (pause, length)) in steps.into_iter().enumerate() {
                now += Duration::from_millis(pause);
                let late = batcher.deadline().is_some_and(|deadline| deadline <= now);
                if late || !batcher.fits(length) {
                    taken.push(batcher.take(Packets::default()));
                }
                let data = vec![u8::try_from(number).unwrap(); length];
                let opened = batcher.deadline().is_none();
                let full = batcher.push(&packet(&data), now);
                if opened {
                    prop_assert_eq!(batcher.deadline(), Some(now + limits.wait));
                }
                sent.push(data);
                if full {
                    taken.push(batcher.take(Packets::default()));
                }
            }
            taken.push(batcher.take(Packets::default()));
            for batch in &taken {
                prop_assert!(batch.len() <= count);
                prop_assert!(batch.bytes() <= bytes || batch.len() == 1);
            }
            let got: Vec<Vec<u8>> = taken.iter().flat_map(|b| b.iter().map(|p| p.data.to_vec()).collect::<Vec<_>>()).collect();
            prop_assert_eq!(got, sent);
        }
    }
}
