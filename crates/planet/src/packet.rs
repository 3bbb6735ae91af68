//! What the router needs to know of a packet: who sends it to whom, and what part it plays in a TCP handshake.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::address::{Flow, Side, locate};

const TCP: u8 = 6;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// A packet from one side of the planet to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The side that sent it.
    pub from: Side,
    /// Region number of the vantage point, whichever way the packet goes.
    pub vantage: usize,
    /// Region number of the target, whichever way the packet goes.
    pub target: usize,
    pub kind: Kind,
}

/// What a packet is to the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first segment of a connection, with its sequence number.
    Syn { flow: Flow, sequence: u32 },
    /// The answer to the SYN whose sequence number is given.
    SynAck { flow: Flow, syn_sequence: u32 },
    /// A TCP segment that carries nothing: a pure ACK, FIN or RST.
    Bare,
    /// Payload, or something other than TCP.
    Content,
}

impl Packet {
    /// Reads an IP packet as it leaves a TUN device. `None` if it is malformed or does not go from one side to the other.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let ip = Ip::parse(bytes)?;
        let (from, source) = locate(ip.source)?;
        let (to, destination) = locate(ip.destination)?;
        if from == to {
            return None;
        }
        let (vantage, target) = match from {
            Side::Vantage => (source, destination),
            Side::Target => (destination, source),
        };
        Some(Self { from, vantage, target, kind: ip.kind(from) })
    }
}

struct Ip<'a> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    /// A later fragment has no transport header.
    later_fragment: bool,
    transport: &'a [u8],
}

impl<'a> Ip<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => Self::parse_v4(bytes),
            6 => Self::parse_v6(bytes),
            _ => None,
        }
    }

    fn parse_v4(bytes: &'a [u8]) -> Option<Self> {
        let header = usize::from(bytes[0] & 0x0f) * 4;
        let total = usize::from(u16_at(bytes, 2)?);
        if header < 20 {
            return None;
        }
        Some(Self {
            source: Ipv4Addr::from(array_at::<4>(bytes, 12)?).into(),
            destination: Ipv4Addr::from(array_at::<4>(bytes, 16)?).into(),
            protocol: *bytes.get(9)?,
            later_fragment: u16_at(bytes, 6)? & 0x1fff != 0,
            transport: bytes.get(header..total)?,
        })
    }

    /// Extension headers are not followed: what stands behind one counts as content.
    fn parse_v6(bytes: &'a [u8]) -> Option<Self> {
        let payload = usize::from(u16_at(bytes, 4)?);
        Some(Self {
            source: Ipv6Addr::from(array_at::<16>(bytes, 8)?).into(),
            destination: Ipv6Addr::from(array_at::<16>(bytes, 24)?).into(),
            protocol: *bytes.get(6)?,
            later_fragment: false,
            transport: bytes.get(40..40 + payload)?,
        })
    }

    fn kind(&self, from: Side) -> Kind {
        if self.protocol != TCP || self.later_fragment {
            return Kind::Content;
        }
        self.tcp_kind(from).unwrap_or(Kind::Content)
    }

    fn tcp_kind(&self, from: Side) -> Option<Kind> {
        let segment = self.transport;
        let source = SocketAddr::new(self.source, u16_at(segment, 0)?);
        let destination = SocketAddr::new(self.destination, u16_at(segment, 2)?);
        let sequence = u32::from_be_bytes(array_at::<4>(segment, 4)?);
        let acknowledged = u32::from_be_bytes(array_at::<4>(segment, 8)?);
        let header = usize::from(segment.get(12)? >> 4) * 4;
        let flags = segment.get(13)? & (FIN | SYN | RST | ACK);
        let flow = match from {
            Side::Vantage => Flow { vantage: source, target: destination },
            Side::Target => Flow { vantage: destination, target: source },
        };
        Some(match flags {
            SYN => Kind::Syn { flow, sequence },
            f if f == SYN | ACK => Kind::SynAck { flow, syn_sequence: acknowledged.wrapping_sub(1) },
            _ if segment.len() > header => Kind::Content,
            _ => Kind::Bare,
        })
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::address::{v4, v6};
    use proptest::prelude::*;

    /// A TCP packet between two sockets, without checksums.
    pub fn tcp(source: SocketAddr, destination: SocketAddr, flags: u8, numbers: (u32, u32), payload: usize) -> Vec<u8> {
        let length = 20 + payload;
        let mut bytes = match (source.ip(), destination.ip()) {
            (IpAddr::V4(s), IpAddr::V4(d)) => {
                let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, TCP, 0, 0];
                ip[2..4].copy_from_slice(&(20 + length as u16).to_be_bytes());
                ip.extend(s.octets());
                ip.extend(d.octets());
                ip
            }
            (IpAddr::V6(s), IpAddr::V6(d)) => {
                let mut ip = vec![0x60, 0, 0, 0, 0, 0, TCP, 64];
                ip[4..6].copy_from_slice(&(length as u16).to_be_bytes());
                ip.extend(s.octets());
                ip.extend(d.octets());
                ip
            }
            _ => unreachable!("one family"),
        };
        bytes.extend(source.port().to_be_bytes());
        bytes.extend(destination.port().to_be_bytes());
        bytes.extend(numbers.0.to_be_bytes());
        bytes.extend(numbers.1.to_be_bytes());
        bytes.extend([0x50, flags, 0, 0, 0, 0, 0, 0]);
        bytes.resize(bytes.len() + payload, 0);
        bytes
    }

    fn flow() -> Flow {
        Flow {
            vantage: SocketAddr::new(v4(Side::Vantage, 3).into(), 50_000),
            target: SocketAddr::new(v4(Side::Target, 7).into(), 443),
        }
    }

    #[test]
    fn the_segments_of_a_handshake() {
        let flow = flow();
        let there = |flags, payload| {
            Packet::parse(&tcp(flow.vantage, flow.target, flags, (99, 0), payload)).expect("valid").kind
        };
        assert_eq!(there(SYN, 0), Kind::Syn { flow, sequence: 99 });
        assert_eq!(there(ACK, 0), Kind::Bare);
        assert_eq!(there(RST | ACK, 0), Kind::Bare);
        assert_eq!(there(ACK, 1), Kind::Content);
        let back = tcp(flow.target, flow.vantage, SYN | ACK, (5, 100), 0);
        let expected =
            Packet { from: Side::Target, vantage: 3, target: 7, kind: Kind::SynAck { flow, syn_sequence: 99 } };
        assert_eq!(Packet::parse(&back), Some(expected));
    }

    #[test]
    fn ipv6() {
        let flow = Flow {
            vantage: SocketAddr::new(v6(Side::Vantage, 0).into(), 1),
            target: SocketAddr::new(v6(Side::Target, 1).into(), 443),
        };
        let packet = Packet::parse(&tcp(flow.vantage, flow.target, SYN, (7, 0), 0)).expect("valid");
        assert_eq!(packet.kind, Kind::Syn { flow, sequence: 7 });
    }

    #[test]
    fn other_protocols_and_later_fragments_are_content() {
        let mut bytes = tcp(flow().vantage, flow().target, SYN, (0, 0), 0);
        bytes[9] = 17;
        assert_eq!(Packet::parse(&bytes).expect("valid").kind, Kind::Content);
        bytes[9] = TCP;
        bytes[7] = 1;
        assert_eq!(Packet::parse(&bytes).expect("valid").kind, Kind::Content);
    }

    #[test]
    fn strangers_are_not_carried() {
        let near = SocketAddr::new(v4(Side::Vantage, 4).into(), 443);
        assert_eq!(Packet::parse(&tcp(flow().vantage, near, SYN, (0, 0), 0)), None);
        let far = "192.0.2.1:443".parse().expect("address");
        assert_eq!(Packet::parse(&tcp(flow().vantage, far, SYN, (0, 0), 0)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Packet::parse(&bytes);
        }

        #[test]
        fn truncation_is_never_a_syn(length in 0usize..40) {
            let bytes = tcp(flow().vantage, flow().target, SYN, (0, 0), 0);
            prop_assert!(Packet::parse(&bytes[..length]).is_none());
        }
    }
}
