//! ICMP echo through the kernel's ping sockets, which need no privilege.

use std::io;
use std::net::IpAddr;
use std::sync::Once;

use async_trait::async_trait;
use cloudping_model::{Outcome, Protocol};
use tokio::time::timeout;

use super::stamped::Stamped;
use super::{Prober, Reading, Request};
use crate::tcp::outcome_of;

/// Type, code, checksum, identifier and sequence number (RFC 792, RFC 4443).
const HEADER: usize = 8;
/// Random bytes that only the true answer can bring back.
const TOKEN: usize = 16;

/// One ICMP echo, timed by the kernel's stamps of the request on its way out and the reply on its way in.
///
/// Where this process may open no ping socket (`net.ipv4.ping_group_range` leaves its group out), every probe is
/// [`Outcome::NotSent`] and the log says so once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Icmp;

#[async_trait]
impl Prober for Icmp {
    fn protocol(&self) -> Protocol {
        Protocol::IcmpEcho
    }

    async fn probe(&self, request: &Request) -> Reading {
        let (protocol, v6) = match request.address.ip() {
            IpAddr::V4(_) => (socket2::Protocol::ICMPV4, false),
            IpAddr::V6(_) => (socket2::Protocol::ICMPV6, true),
        };
        let socket = match Stamped::open(request, protocol) {
            Ok(socket) => socket,
            Err(error) => return Reading::failed(unopened(&error)),
        };
        let echo = Echo { v6, sequence: fastrand::u16(..), token: fastrand::u128(..).to_be_bytes() };
        let packet = echo.request();
        let exchange = socket.exchange(&packet, |packet| echo.is_answered_by(packet).then_some(()));
        match timeout(request.timeout, exchange).await {
            Ok(Ok(exchange)) => exchange.reading(std::time::Duration::ZERO),
            Ok(Err(error)) => Reading::failed(outcome_of(&error)),
            Err(_elapsed) => Reading::failed(Outcome::Timeout),
        }
    }
}

fn unopened(error: &io::Error) -> Outcome {
    static SAID: Once = Once::new();
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            SAID.call_once(|| {
                tracing::warn!(
                    "ICMP echo is not permitted, its probes are not sent: the sysctl net.ipv4.ping_group_range must hold \
                     this process's group, as in `sysctl net.ipv4.ping_group_range='0 2147483647'`"
                );
            });
            Outcome::NotSent
        }
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => Outcome::Unreachable,
        _ => Outcome::NotSent,
    }
}

/// One echo request. Checksum and identifier are the kernel's.
#[derive(Debug, Clone, Copy)]
struct Echo {
    v6: bool,
    sequence: u16,
    token: [u8; TOKEN],
}

impl Echo {
    fn request(&self) -> [u8; HEADER + TOKEN] {
        let mut packet = [0; HEADER + TOKEN];
        packet[0] = if self.v6 { 128 } else { 8 };
        packet[6..8].copy_from_slice(&self.sequence.to_be_bytes());
        packet[HEADER..].copy_from_slice(&self.token);
        packet
    }

    /// Whether a packet is the whole reply to this very request.
    fn is_answered_by(&self, packet: &[u8]) -> bool {
        let reply = if self.v6 { 129 } else { 0 };
        packet.len() == HEADER + TOKEN
            && packet[..2] == [reply, 0]
            && packet[6..8] == self.sequence.to_be_bytes()
            && packet[HEADER..] == self.token
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(echo: &Echo) -> Vec<u8> {
        let mut packet = echo.request().to_vec();
        packet[0] = if echo.v6 { 129 } else { 0 };
        packet[2..6].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]); // checksum and identifier
        packet
    }

    proptest! {
        #[test]
        fn only_the_whole_true_reply_is_an_answer(v6: bool, sequence: u16, token: [u8; TOKEN], at in 0..24_usize, by in 1..=255_u8) {
            let echo = Echo { v6, sequence, token };
            let good = reply(&echo);
            prop_assert!(echo.is_answered_by(&good));
            prop_assert!(!echo.is_answered_by(&echo.request()), "our own request come back");
            prop_assert!(!echo.is_answered_by(&good[..at]), "truncated");
            let mut damaged = good.clone();
            damaged[at] ^= by;
            prop_assert_eq!(echo.is_answered_by(&damaged), (2..6).contains(&at));
            let other = Echo { sequence: sequence.wrapping_add(1), ..echo };
            prop_assert!(!echo.is_answered_by(&reply(&other)), "another's");
        }
    }
}
