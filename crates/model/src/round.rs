//! Rounds and samples: what a producer records.

use std::net::IpAddr;

use crate::{TargetId, UtcMicros, VantageId};

/// How a probe was made. Numbers of different protocols are never mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// One TCP handshake, timed by the kernel.
    TcpConnect,
    /// The TLS handshake on a TCP connection that is open already, timed in user space.
    TlsHandshake,
    /// From sending an HTTP request over an open TLS connection to the first byte of the answer, timed in user space.
    HttpsTtfb,
    /// One ICMP echo.
    IcmpEcho,
    /// One STAMP test packet (RFC 8762) over UDP, less the time that the reflector held it.
    UdpStamp,
}

impl Protocol {
    /// Every protocol, in the order of the wire format.
    pub const ALL: [Self; 5] = [Self::TcpConnect, Self::TlsHandshake, Self::HttpsTtfb, Self::IcmpEcho, Self::UdpStamp];

    /// The name used in tables and APIs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TcpConnect => "tcp",
            Self::TlsHandshake => "tls",
            Self::HttpsTtfb => "https",
            Self::IcmpEcho => "icmp",
            Self::UdpStamp => "udp",
        }
    }

    /// The protocol of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }
}

/// Address family of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// 4 or 6.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

/// What became of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// What was sent first was answered (TCP: the first SYN).
    Answered,
    /// An answer came only after a retransmission: a lost probe with a late answer, never a latency.
    Retransmitted,
    /// No answer within the probe's timeout.
    Timeout,
    /// The target refused the connection.
    Refused,
    /// A router or the kernel said that the target cannot be reached.
    Unreachable,
    /// The connection was reset during the handshake.
    Reset,
    /// The target's name had no address, so no probe left: no statement about the path.
    DnsFailure,
    /// This machine could not send the probe (no file descriptor, no port): no statement about the network.
    NotSent,
}

impl Outcome {
    /// Every outcome, in the order of the wire format.
    pub const ALL: [Self; 8] = [
        Self::Answered,
        Self::Retransmitted,
        Self::Timeout,
        Self::Refused,
        Self::Unreachable,
        Self::Reset,
        Self::DnsFailure,
        Self::NotSent,
    ];

    /// The name used in tables and APIs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Retransmitted => "retransmitted",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::DnsFailure => "dns_failure",
            Self::NotSent => "not_sent",
        }
    }

    /// Whether a probe left this machine. What never left is neither latency nor loss.
    #[must_use]
    pub fn was_sent(self) -> bool {
        !matches!(self, Self::NotSent | Self::DnsFailure)
    }

    /// Whether the probe left this machine and found no proper answer.
    #[must_use]
    pub fn is_loss(self) -> bool {
        self.was_sent() && self != Self::Answered
    }
}

/// The record of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Where the probe went.
    pub target: TargetId,
    /// When the probe left, in µs after the start of its round.
    pub offset_us: u32,
    /// How it was made.
    pub protocol: Protocol,
    /// What became of it.
    pub outcome: Outcome,
    /// The protocol's own time in µs (TCP: the kernel's round-trip time); `None` when it is unknown. Only an
    /// [`Outcome::Answered`] sample has one.
    pub rtt_us: Option<u32>,
    /// What user space saw of the same exchange in µs, where it completed (TCP: from connect to writable): less `rtt_us` it is
    /// the instrument's own error. `None` where `rtt_us` itself was taken in user space.
    pub connect_us: Option<u32>,
    /// Retransmits that the kernel counted (TCP: of the SYN).
    pub retransmits: u32,
    /// Family asked for.
    pub family: Family,
    /// The resolved address that was used, if there was one.
    pub address: Option<IpAddr>,
}

/// The identity of a round: two events with the same identity are the same event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoundId {
    /// Who measured.
    pub vantage: VantageId,
    /// The producer's epoch: new at every start of the producer, greater than all before.
    pub epoch: u64,
    /// Contiguous from 0 within the epoch.
    pub number: u64,
}

/// Why rounds are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapReason {
    /// The wall clock was set: times before and after do not fit together.
    ClockStep,
    /// The machine did not run.
    Suspended,
    /// The machine did not keep up with the schedule.
    Overload,
    /// Rounds were measured and dropped: the event log could not be reached for longer than the spool could hold, or refused them for
    /// good.
    SpoolFull,
}

impl GapReason {
    /// Every reason, in the order of the wire format.
    pub const ALL: [Self; 4] = [Self::ClockStep, Self::Suspended, Self::Overload, Self::SpoolFull];

    /// The name used in tables and APIs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClockStep => "clock_step",
            Self::Suspended => "suspended",
            Self::Overload => "overload",
            Self::SpoolFull => "spool_full",
        }
    }
}

/// What is known to be missing before a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// Rounds known to be missing; 0 where their number is unknown.
    pub rounds: u64,
    /// Wall time that was not measured, µs. A clock step has the sign of the step.
    pub micros: i64,
}

/// One pass of a vantage point over its targets: one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Its identity.
    pub id: RoundId,
    /// When it started.
    pub started_at: UtcMicros,
    /// What is missing before it, if anything.
    pub gap: Option<Gap>,
    /// Its probes.
    pub samples: Vec<Sample>,
}

impl Round {
    /// When a sample's probe left.
    #[must_use]
    pub fn sent_at(&self, sample: &Sample) -> UtcMicros {
        self.started_at + i64::from(sample.offset_us)
    }
}
