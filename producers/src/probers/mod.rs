//! The kinds of probes behind one port.
//!
//! | kind | its number (`rtt_us`) | beside it (`connect_us`) |
//! |---|---|---|
//! | [`Tcp`] | the kernel's time from the SYN to its SYN-ACK | user-space connect time |
//! | [`Tls`] | the TLS handshake on an open connection, user space | - |
//! | [`Https`] | from sending a request to the first byte of the answer, user space | - |
//! | [`Icmp`] | the echo's round trip by the kernel's stamps | the same by user space |
//! | [`Stamp`] | the test packet's round trip by the kernel's stamps, less the reflector's time | the same by user space |
//!
//! Whatever kind: no answer in time is an outcome, and what was answered only after a retransmission, or answers another
//! packet than the one that was sent, is never a latency.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudping_model::{Outcome, Protocol};

mod https;
mod icmp;
mod stamp;
mod stamp_packet;
mod stamped;
mod stream;
mod tcp;
mod tls;

pub use https::Https;
pub use icmp::Icmp;
pub use stamp::{Stamp, reflect};
pub use tcp::Tcp;
pub use tls::Tls;

/// What one probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What became of it.
    pub outcome: Outcome,
    /// The protocol's own time, µs (TCP: the kernel's round-trip time of the handshake). Only an answered probe has one.
    pub rtt_us: Option<u32>,
    /// What user space saw of the same exchange, µs (TCP: from the connect call until the connection was seen established).
    pub connect_us: Option<u32>,
    /// Retransmits that the kernel counted (TCP: of the SYN).
    pub retransmits: u32,
}

impl Reading {
    /// A probe without an answer.
    #[must_use]
    pub fn failed(outcome: Outcome) -> Self {
        Self { outcome, rtt_us: None, connect_us: None, retransmits: 0 }
    }
}

/// One probe to make.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it goes. ICMP has no ports and ignores this one's.
    pub address: SocketAddr,
    /// The name or address that the user gave: TLS and HTTP ask for it, the other kinds ignore it.
    pub host: Arc<str>,
    /// The address to probe from; `None` leaves the choice to the kernel.
    pub source: Option<IpAddr>,
    /// How long the whole probe may take.
    pub timeout: Duration,
}

/// A kind of probe.
#[async_trait]
pub trait Prober: Send + Sync {
    /// Which kind.
    fn protocol(&self) -> Protocol;

    /// Makes one probe. Whatever goes wrong is an outcome.
    async fn probe(&self, request: &Request) -> Reading;
}

/// The prober of a kind, with its usual settings.
#[must_use]
pub fn of(protocol: Protocol) -> Arc<dyn Prober> {
    match protocol {
        Protocol::TcpConnect => Arc::new(Tcp),
        Protocol::TlsHandshake => Arc::new(Tls::new()),
        Protocol::HttpsTtfb => Arc::new(Https::new()),
        Protocol::IcmpEcho => Arc::new(Icmp),
        Protocol::UdpStamp => Arc::new(Stamp),
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
