//! The packet counter in this process: Proxylity's, without JSON on the way.

use std::io::Write;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::{Handler, TargetError};
use crate::packets::Packets;
use crate::replies::Replies;

/// Answers the first datagram of each address in a batch with `"{n} {region}\n"`, n being the address' datagrams in the batch.
#[derive(Debug)]
pub struct PacketCounter {
    region: String,
    scratch: Mutex<Scratch>,
}

/// Memory that is used again.
#[derive(Debug, Default)]
struct Scratch {
    /// The addresses of a batch, sorted, each with the index of its datagram.
    order: Vec<(IpAddr, usize)>,
    /// The index of an address' first datagram, and how many it has.
    counts: Vec<(usize, usize)>,
    text: Vec<u8>,
}

impl PacketCounter {
    /// One that says it is in this region.
    #[must_use]
    pub fn new(region: &str) -> Self {
        Self { region: region.to_owned(), scratch: Mutex::default() }
    }
}

impl Handler for PacketCounter {
    fn handle(&self, packets: &Packets, replies: &mut Replies) -> Result<(), TargetError> {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let Scratch { order, counts, text } = &mut *scratch;
        order.clear();
        order.extend(packets.iter().enumerate().map(|(index, packet)| (packet.remote.ip(), index)));
        order.sort_unstable();
        counts.clear();
        counts.extend(order.chunk_by(|one, other| one.0 == other.0).map(|chunk| (chunk[0].1, chunk.len())));
        counts.sort_unstable();
        for (index, count) in counts {
            text.clear();
            // Writing to a vector cannot fail.
            let _ = writeln!(text, "{count} {}", self.region);
            replies.push(*index, text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use cloudping_model::UtcMicros;

    use super::*;
    use crate::packets::Packet;

    #[test]
    fn counts_by_address_whatever_the_port_and_answers_the_first() {
        let mut packets = Packets::default();
        for (ip, port) in [(2, 1), (1, 1), (2, 2), (2, 1), (1, 9)] {
            let remote = SocketAddr::from(([192, 0, 2, ip], port));
            packets.push(&Packet { remote, listener: 0, sender: 0, received_at: UtcMicros(0), data: b"test" });
        }
        let mut replies = Replies::default();
        replies.start(packets.len());
        PacketCounter::new("eu-west-1").handle(&packets, &mut replies).unwrap();
        let got: Vec<(usize, &[u8])> = replies.iter().collect();
        assert_eq!(got, [(0, &b"3 eu-west-1\n"[..]), (1, b"2 eu-west-1\n")]);
    }
}
