//! The sockets.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use ipnet::IpNet;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::ListenerConfig;
use crate::packets::Packets;
use crate::replies::Replies;
use crate::sys;
use crate::tally::ListenerTally;

/// A UDP socket that receives, and sends the replies to what it received.
#[derive(Debug)]
pub struct Listener {
    /// The socket. It never waits.
    pub socket: UdpSocket,
    /// Where it is bound.
    pub address: SocketAddr,
    /// The domain name that destinations are told.
    pub domain: String,
    /// Who gets what it receives: places in the list of destinations.
    pub destinations: Vec<usize>,
    /// The kernel's buffer, in bytes.
    pub receive_buffer: usize,
    /// What was counted.
    pub tally: ListenerTally,
    allowed: Vec<IpNet>,
}

impl Listener {
    /// Binds a socket.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(config: &ListenerConfig) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(config.address), Type::DGRAM, Some(Protocol::UDP))?;
        if config.address.is_ipv6() {
            socket.set_only_v6(!config.address.ip().is_unspecified())?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&config.address.into())?;
        let socket = UdpSocket::from(socket);
        Ok(Self {
            address: socket.local_addr()?,
            receive_buffer: sys::set_receive_buffer(&socket, config.receive_buffer),
            socket,
            domain: config.domain.clone(),
            destinations: config.destinations.clone(),
            tally: ListenerTally::default(),
            allowed: config.allowed.clone(),
        })
    }

    /// Whether datagrams of this sender are taken.
    #[must_use]
    pub fn allows(&self, sender: IpAddr) -> bool {
        self.allowed.is_empty() || self.allowed.iter().any(|network| network.contains(&sender))
    }
}

/// Sends each reply to the sender of the datagram that it answers, from the socket that received that.
pub fn reply(listeners: &[Listener], packets: &Packets, replies: &Replies) {
    if replies.is_empty() {
        return;
    }
    for (number, listener) in listeners.iter().enumerate() {
        let own = replies.iter().filter_map(|(index, data)| {
            let packet = packets.get(index).filter(|packet| usize::from(packet.listener) == number)?;
            Some((packet.remote, data))
        });
        let sent = sys::send(&listener.socket, listener.address.is_ipv6(), own);
        listener.tally.replies.add(sent.sent);
        listener.tally.replies_unsent.add(sent.failed);
    }
}
