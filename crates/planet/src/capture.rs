//! An independent judge: the handshakes as they pass the vantage side's device, by the kernel's timestamps.
//!
//! The wire of a vantage point is its TUN device: a SYN's time is when the kernel hands it to the device, a SYN-ACK's when
//! the device hands it to the kernel. Nothing of the router is involved, so the RTT between the two is what an ideal prober
//! would measure.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::{self, JoinHandle};

use crate::address::Flow;
use crate::filter;
use crate::packet::{Kind, Packet};
use crate::planet::Planet;
use crate::sys;

/// A handshake as seen on the wire. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// The connection.
    pub flow: Flow,
    /// When the first SYN left.
    pub syn_at_ns: u64,
    /// When the last SYN before the answer left: the same, unless SYNs were repeated.
    pub last_syn_at_ns: u64,
    /// When the first SYN-ACK arrived; `None` if none did during the capture.
    pub synack_at_ns: Option<u64>,
    /// How many SYNs left before the answer.
    pub syn_count: u32,
}

/// A capture under way.
pub struct Capture {
    stop: OwnedFd,
    thread: JoinHandle<io::Result<Pairing>>,
}

impl Capture {
    /// Starts to record every handshake of `planet`, until [`Capture::stop`].
    ///
    /// # Errors
    /// If the packet socket or the thread cannot be made.
    pub fn start(planet: &Planet) -> io::Result<Self> {
        let (entrance, device) = (planet.entrance(), planet.device());
        let socket = thread::scope(|scope| {
            let open = scope.spawn(move || {
                entrance.enter()?;
                sys::packet_socket(device, &filter::all_syns())
            });
            open.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        let stop = sys::event_counter()?;
        let stopped = stop.try_clone()?;
        let record = move || record(&socket, &stopped);
        let thread = thread::Builder::new().name("planet-capture".into()).spawn(record)?;
        Ok(Self { stop, thread })
    }

    /// Ends the capture and gives all handshakes, in the order of their first SYN.
    ///
    /// # Errors
    /// If the packet socket failed meanwhile.
    pub fn stop(self) -> io::Result<Vec<Handshake>> {
        std::fs::File::from(self.stop).write_all(&1u64.to_ne_bytes())?;
        let pairing = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(pairing.handshakes)
    }
}

fn record(socket: &OwnedFd, stop: &OwnedFd) -> io::Result<Pairing> {
    let mut pairing = Pairing::default();
    let mut buffer = [0; 256];
    loop {
        let [_, stopped] = sys::wait_readable([socket.as_fd(), stop.as_fd()], None)?;
        while let Some((length, at)) = sys::receive_stamped(socket.as_fd(), &mut buffer)? {
            if let Some(packet) = Packet::parse(&buffer[..length]) {
                pairing.see(packet.kind, at);
            }
        }
        if stopped {
            return Ok(pairing);
        }
    }
}

/// Brings SYNs and their answers together.
#[derive(Debug, Default)]
struct Pairing {
    handshakes: Vec<Handshake>,
    /// The latest SYN's sequence number and place in `handshakes`, by flow.
    open: HashMap<Flow, (u32, usize)>,
}

impl Pairing {
    fn see(&mut self, kind: Kind, at: u64) {
        match kind {
            Kind::Syn { flow, sequence } => self.see_syn(flow, sequence, at),
            Kind::SynAck { flow, syn_sequence } => {
                if let Some(&(sequence, index)) = self.open.get(&flow)
                    && sequence == syn_sequence
                {
                    self.handshakes[index].synack_at_ns.get_or_insert(at);
                }
            }
            Kind::Bare | Kind::Content => {}
        }
    }

    fn see_syn(&mut self, flow: Flow, sequence: u32, at: u64) {
        if let Some(&(known, index)) = self.open.get(&flow)
            && known == sequence
        {
            let handshake = &mut self.handshakes[index];
            if handshake.synack_at_ns.is_none() {
                handshake.syn_count += 1;
                handshake.last_syn_at_ns = at;
            }
            return;
        }
        self.open.insert(flow, (sequence, self.handshakes.len()));
        self.handshakes.push(Handshake { flow, syn_at_ns: at, last_syn_at_ns: at, synack_at_ns: None, syn_count: 1 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_by_flow_and_sequence() {
        let flow = Flow { vantage: ([10, 1, 0, 1], 50_000).into(), target: ([10, 2, 0, 2], 443).into() };
        let mut pairing = Pairing::default();
        let syn = |sequence| Kind::Syn { flow, sequence };
        let syn_ack = |syn_sequence| Kind::SynAck { flow, syn_sequence };
        for (kind, at) in [
            (syn(1), 10),
            (syn(1), 20),
            (syn_ack(9), 25),
            (syn_ack(1), 30),
            (syn(1), 35),
            (syn_ack(1), 40),
            (syn(2), 50),
        ] {
            pairing.see(kind, at);
        }
        let first = Handshake { flow, syn_at_ns: 10, last_syn_at_ns: 20, synack_at_ns: Some(30), syn_count: 2 };
        let second = Handshake { flow, syn_at_ns: 50, last_syn_at_ns: 50, synack_at_ns: None, syn_count: 1 };
        assert_eq!(pairing.handshakes, [first, second]);
    }
}
