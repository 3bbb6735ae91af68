//! The datagrams of one batch, in memory that is used again.

use std::net::SocketAddr;

use cloudping_model::UtcMicros;

/// A datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Who sent it. IPv4 is IPv4 here, whatever the socket.
    pub remote: SocketAddr,
    /// On which listener it came, as the configuration counts them from 0.
    pub listener: u16,
    /// The sender's place in the table of senders.
    pub sender: u32,
    /// When it was received.
    pub received_at: UtcMicros,
    /// The payload.
    pub data: &'a [u8],
}

/// A batch of datagrams. A datagram's index in it is its identity there.
#[derive(Debug, Default)]
pub struct Packets {
    heads: Vec<Head>,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    remote: SocketAddr,
    received_at: UtcMicros,
    /// Where its payload ends; it begins where the one before ends.
    end: usize,
    sender: u32,
    listener: u16,
}

impl Packets {
    /// None yet, with room for so many.
    #[must_use]
    pub fn with_capacity(packets: usize, bytes: usize) -> Self {
        Self { heads: Vec::with_capacity(packets), bytes: Vec::with_capacity(bytes) }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The payloads' bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds one behind the others.
    pub fn push(&mut self, packet: &Packet<'_>) {
        self.bytes.extend_from_slice(packet.data);
        self.heads.push(Head {
            remote: packet.remote,
            received_at: packet.received_at,
            end: self.bytes.len(),
            sender: packet.sender,
            listener: packet.listener,
        });
    }

    /// The one of this index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Packet<'_>> {
        let head = self.heads.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.heads[before].end);
        Some(Packet {
            remote: head.remote,
            listener: head.listener,
            sender: head.sender,
            received_at: head.received_at,
            data: &self.bytes[start..head.end],
        })
    }

    /// All, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = Packet<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Forgets them and keeps the memory.
    pub fn clear(&mut self) {
        self.heads.clear();
        self.bytes.clear();
    }
}
