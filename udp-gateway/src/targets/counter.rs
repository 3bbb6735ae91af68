//! The packet counter in this process, without JSON on the way.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use cloudping_packet_counter::Counter;

use super::{Handler, TargetError};
use crate::packets::Packets;
use crate::replies::Replies;

/// Answers the first datagram of each address in a batch with how many it has there, and the region.
#[derive(Debug)]
pub struct PacketCounter {
    region: String,
    /// Memory that is used again: of the counts, and of a reply.
    memory: Mutex<(Counter<usize>, Vec<u8>)>,
}

impl PacketCounter {
    /// One that says it is in this region.
    #[must_use]
    pub fn new(region: &str) -> Self {
        Self { region: region.to_owned(), memory: Mutex::default() }
    }
}

impl Handler for PacketCounter {
    fn handle(&self, packets: &Packets, replies: &mut Replies) -> Result<(), TargetError> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (counter, text) = &mut *memory;
        let senders = packets.iter().enumerate().map(|(index, packet)| (packet.remote.ip(), index));
        for count in counter.count(senders) {
            text.clear();
            // Writing to a vector cannot fail.
            let _ = write!(text, "{}", count.body(Some(&self.region)));
            replies.push(count.tag, text);
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
