//! STAMP (RFC 8762) between our own vantage points: a Session-Sender as a prober, and a stateless Session-Reflector.
//!
//! The sender's two stamps are the kernel's, and so is the reflector's first; the reflector's second is taken right before it
//! sends. What the reflector needed is taken off the round trip, so that its load does not count as latency.

use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use cloudping_model::{Outcome, Protocol};
use socket2::Socket;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::time::timeout;

use super::stamp_packet::{ErrorEstimate, NtpTime, Reflected, Test};
use super::stamped::{self, Arrival, MOST_BYTES, Stamped};
use super::{Prober, Reading, Request};
use crate::tcp::outcome_of;

/// Ports below are of services, such as STAMP's own 862: a "test packet" from there is another reflector's answer, and to
/// answer it would never end.
const FIRST_SENDER_PORT: u16 = 1_024;

/// One STAMP test packet. Its number is the round trip less the time that the reflector held it:
/// `(T4 - T1) - (T3 - T2)`, which needs no common clock.
///
/// A packet that answers another one, or whose reflector claims a time that cannot be, is no answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stamp;

#[async_trait]
impl Prober for Stamp {
    fn protocol(&self) -> Protocol {
        Protocol::UdpStamp
    }

    async fn probe(&self, request: &Request) -> Reading {
        let socket = match Stamped::open(request, socket2::Protocol::UDP) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::debug!(address = %request.address, %error, "probe could not be sent");
                return Reading::failed(outcome_of(&error));
            }
        };
        let (sequence, session) = (fastrand::u32(..), fastrand::u16(1..));
        let test = Test { sequence, sent: NtpTime::since_1970(now()), error: own_error(), session };
        let packet = test.encode();
        let exchange = socket.exchange(&packet, |packet| answer(&test, packet));
        match timeout(request.timeout, exchange).await {
            Ok(Ok(exchange)) => {
                let held = exchange.answer;
                exchange.reading(held)
            }
            Ok(Err(error)) => Reading::failed(outcome_of(&error)),
            Err(_elapsed) => Reading::failed(Outcome::Timeout),
        }
    }
}

/// How long the reflector held this packet. A reflector that knows no session identifiers leaves theirs 0.
fn answer(test: &Test, packet: &[u8]) -> Option<Duration> {
    let reflected = Reflected::decode(packet)?;
    let session = if reflected.session == 0 { 0 } else { test.session };
    reflected.held(&Test { session, ..*test })
}

/// Answers test packets that come to `socket` until `shutdown` turns true: a stateless Session-Reflector, for a vantage point
/// that others measure. Bind the socket to the address that is probed, usually port 862. IPv4 and IPv6 need one socket each.
///
/// Answers are as long as the shortest test packet, so they amplify nothing. What is too short, comes from a service's
/// port or from the reflector's own, is not answered.
///
/// # Errors
/// The socket's, when it cannot be used at all. An answer that cannot be sent is only logged.
pub async fn reflect(socket: UdpSocket, mut shutdown: watch::Receiver<bool>) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let own_port = socket.local_addr()?.port();
    let socket = Socket::from(socket);
    stamped::ask_for_arrivals(&socket)?;
    let socket = stamped::watched(socket)?;
    let mut buffer = [0; MOST_BYTES];
    loop {
        let arrival = tokio::select! {
            received = stamped::receive(&socket, &mut buffer) => received,
            // A sender that was dropped shuts down too.
            _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
        };
        // An error here is an earlier answer's that found nobody.
        let Ok(arrival) = arrival else { continue };
        let test = Test::decode(&buffer[..arrival.length]);
        let from = arrival.from.filter(|from| from.port() >= FIRST_SENDER_PORT && from.port() != own_port);
        if let Some((test, from)) = test.zip(from) {
            send_back(&socket, test, from, arrival);
        }
    }
}

fn send_back(socket: &AsyncFd<Socket>, test: Test, to: SocketAddr, arrival: Arrival) {
    let read = now();
    let reflected = Reflected {
        sequence: test.sequence,
        error: own_error(),
        session: test.session,
        // The stamp precedes the reading of the packet, unless the clock was set back in between.
        received: NtpTime::since_1970(arrival.at.filter(|at| *at <= read).unwrap_or(read)),
        test,
        hops: arrival.hops.unwrap_or(0),
        sent: NtpTime::since_1970(now()),
    };
    if let Err(error) = socket.get_ref().send_to(&reflected.encode(), &to.into()) {
        tracing::debug!(%to, %error, "a test packet could not be answered");
    }
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

/// What the kernel says of its clock. It is off by no more than `maxerror`, if anything keeps it in step.
fn own_error() -> ErrorEstimate {
    // SAFETY: a timex of zeros is a valid one that asks for nothing to be changed, and it outlives the call.
    let (state, clock) = unsafe {
        let mut clock: libc::timex = MaybeUninit::zeroed().assume_init();
        (libc::adjtimex(&raw mut clock), clock)
    };
    let synchronised = state >= 0 && clock.status & libc::STA_UNSYNC == 0;
    ErrorEstimate::new(synchronised, u64::try_from(clock.maxerror).unwrap_or(u64::MAX))
}
