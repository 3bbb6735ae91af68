//! When each SYN left its vantage point, by the kernel's own timestamp: the time between the kernel queueing a packet and
//! the router reading it is thereby no part of the error.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

use crate::address::Flow;
use crate::packet::{Kind, Packet};
use crate::sys;

/// Timestamps of SYNs that the router has not asked for yet. They never pile up: the kernel shows a packet to the packet
/// socket before it queues it on the TUN device, and the router asks for each.
pub(crate) struct Departures {
    socket: OwnedFd,
    stamps: HashMap<(Flow, u32), u64>,
}

impl Departures {
    /// `socket` is a packet socket on the vantage side's device that sees first SYNs.
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, stamps: HashMap::new() }
    }

    /// When a SYN left, in nanoseconds since 1970; `None` if the socket missed it.
    pub fn of(&mut self, flow: Flow, sequence: u32) -> Option<u64> {
        let wanted = (flow, sequence);
        let mut buffer = [0; 256];
        loop {
            if let Some(stamp) = self.stamps.remove(&wanted) {
                return Some(stamp);
            }
            let (length, stamp) = sys::receive_stamped(self.socket.as_fd(), &mut buffer).ok()??;
            if let Some(Packet { kind: Kind::Syn { flow, sequence }, .. }) = Packet::parse(&buffer[..length]) {
                self.stamps.insert((flow, sequence), stamp);
            }
        }
    }

    /// Forgets timestamps that nobody asked for (their packets were lost on a full queue).
    pub fn sweep(&mut self, now_realtime: u64) {
        const MEMORY_NS: u64 = 10_000_000_000;
        self.stamps.retain(|_, stamp| now_realtime < stamp.saturating_add(MEMORY_NS));
    }
}

/// The time on a clock that reads `now` when the wall clock reads `now_realtime`, of something that happened at `stamp` on
/// the wall clock. `None` if that is not in the last second: the wall clock was set meanwhile.
pub(crate) fn on_router_clock(stamp: u64, now_realtime: u64, now: u64) -> Option<u64> {
    let age = now_realtime.checked_sub(stamp)?;
    (age < 1_000_000_000).then(|| now.saturating_sub(age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        assert_eq!(on_router_clock(1_000, 1_300, 50_000), Some(49_700));
        assert_eq!(on_router_clock(1_301, 1_300, 50_000), None);
        assert_eq!(on_router_clock(0, 1_000_000_000, 50_000), None);
    }
}
