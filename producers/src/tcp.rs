//! One probe: a nonblocking TCP connect whose round-trip time the kernel takes.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use cloudping_model::Outcome;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub use crate::probers::Reading;

/// `tcpi_state` of an open connection (`enum` in the kernel's `include/net/tcp_states.h`).
const TCP_ESTABLISHED: u8 = 1;

/// Connects to `target`, from `source` if given, and closes by reset, so that neither end keeps a TIME_WAIT.
///
/// Waits `limit` at most. The round-trip time is the kernel's (`tcpi_rtt`: from the SYN to its SYN-ACK, before any other
/// packet); a handshake that needed a SYN retransmit is [`Outcome::Retransmitted`] and has none.
pub async fn connect(target: SocketAddr, source: Option<IpAddr>, limit: Duration) -> Reading {
    let socket = match open(target, source) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::debug!(%target, %error, "probe could not be sent");
            return Reading::failed(Outcome::NotSent);
        }
    };
    let started = Instant::now();
    match socket.connect(&target.into()) {
        Ok(()) => return concluded(&socket, started),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Reading::failed(outcome_at_once(&error)),
    }
    let stream = match TcpStream::from_std(socket.into()) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%target, %error, "probe could not be watched");
            return Reading::failed(Outcome::NotSent);
        }
    };
    let ready = timeout(limit, stream.writable()).await;
    let socket = SockRef::from(&stream);
    match ready {
        Ok(Ok(())) => concluded(&socket, started),
        Ok(Err(error)) => gone(&socket, outcome_of(&error)),
        Err(_elapsed) => gone(&socket, Outcome::Timeout),
    }
}

/// What became of a connect that is over, one way or the other.
fn concluded(socket: &Socket, started: Instant) -> Reading {
    let elapsed = started.elapsed();
    let info = tcp_info(socket.as_raw_fd());
    // An established connection has no error pending: asking would be one system call in eight of a probe.
    if info.is_none_or(|info| info.tcpi_state != TCP_ESTABLISHED)
        && let Some(error) = socket.take_error().unwrap_or_else(Some)
    {
        return gone(socket, outcome_of(&error));
    }
    established(elapsed, info)
}

fn gone(socket: &Socket, outcome: Outcome) -> Reading {
    Reading { retransmits: retransmits(socket), ..Reading::failed(outcome) }
}

pub(crate) fn retransmits(socket: &Socket) -> u32 {
    tcp_info(socket.as_raw_fd()).map_or(0, |info| info.tcpi_total_retrans)
}

pub(crate) fn open(target: SocketAddr, source: Option<IpAddr>) -> io::Result<Socket> {
    let domain = Domain::for_address(target);
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_linger(Some(Duration::ZERO))?;
    if let Some(source) = source {
        // The port is then chosen at connect, so that one source address serves 28,000 connections to each target.
        socket.set_bind_address_no_port(true)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    Ok(socket)
}

trait BindAddressNoPort {
    fn set_bind_address_no_port(&self, on: bool) -> io::Result<()>;
}

impl BindAddressNoPort for Socket {
    fn set_bind_address_no_port(&self, on: bool) -> io::Result<()> {
        let value = libc::c_int::from(on);
        // SAFETY: the descriptor is open for as long as `self` is, and the option takes one int, whose size is given.
        let status = unsafe {
            libc::setsockopt(
                self.as_raw_fd(),
                libc::IPPROTO_IP,
                libc::IP_BIND_ADDRESS_NO_PORT,
                (&raw const value).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if status == 0 {
            return Ok(());
        }
        Err(io::Error::last_os_error())
    }
}

fn established(elapsed: Duration, info: Option<libc::tcp_info>) -> Reading {
    let elapsed = u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX);
    let retransmits = info.as_ref().map_or(0, |info| info.tcpi_total_retrans);
    let rtt = info.map(|info| info.tcpi_rtt).filter(|rtt| *rtt > 0);
    let outcome = match retransmits {
        0 => Outcome::Answered,
        _ => Outcome::Retransmitted,
    };
    Reading { outcome, rtt_us: rtt.filter(|_| outcome == Outcome::Answered), connect_us: Some(elapsed), retransmits }
}

fn tcp_info(socket: RawFd) -> Option<libc::tcp_info> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the buffer is as long as the length says, and any bytes, zeros included, are a valid tcp_info.
    let (status, info) = unsafe {
        let status =
            libc::getsockopt(socket, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut length);
        (status, info.assume_init())
    };
    (status == 0).then_some(info)
}

/// What an error says that connect gives at once. Without a route, or where this machine forbids it, no packet left: that is
/// no statement about the network.
pub(crate) fn outcome_at_once(error: &io::Error) -> Outcome {
    match outcome_of(error) {
        Outcome::Unreachable => Outcome::NotSent,
        outcome => outcome,
    }
}

/// What an error that came later says about the network.
pub(crate) fn outcome_of(error: &io::Error) -> Outcome {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => Outcome::Refused,
        Some(libc::ECONNRESET | libc::ECONNABORTED | libc::EPIPE) => Outcome::Reset,
        Some(libc::ETIMEDOUT) => Outcome::Timeout,
        Some(
            libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENETDOWN
            | libc::ENONET
            | libc::EACCES
            | libc::EPERM,
        ) => Outcome::Unreachable,
        _ => Outcome::NotSent,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    #[tokio::test]
    async fn an_answered_probe_has_the_kernels_time_and_leaves_no_time_wait() {
        for address in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let listener = TcpListener::bind((address, 0)).await.unwrap();
            let target = listener.local_addr().unwrap();
            let reading = connect(target, Some(address), LIMIT).await;
            assert_eq!(reading.outcome, Outcome::Answered);
            let (rtt, connect) = (reading.rtt_us.unwrap(), reading.connect_us.unwrap());
            assert!(rtt < 50_000 && rtt <= connect + 100, "{reading:?}");
            let (mut accepted, peer) = listener.accept().await.unwrap();
            let read = tokio::io::AsyncReadExt::read(&mut accepted, &mut [0]).await;
            let error = read.expect_err("closed by reset").kind();
            assert_eq!(error, io::ErrorKind::ConnectionReset);
            assert_eq!(peer.ip(), address);
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        drop(listener);
        let reading = connect(target, None, LIMIT).await;
        assert_eq!(reading, Reading::failed(Outcome::Refused));
    }

    #[tokio::test]
    async fn a_full_backlog_is_a_timeout_with_its_retransmits_never_a_latency() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let target = socket.local_addr().unwrap().as_socket().unwrap();
        let _fills_it: Vec<_> = (0..3)
            .map(|_| {
                let client = open(target, None).unwrap();
                let _in_progress = client.connect(&target.into());
                client
            })
            .collect();
        let reading = connect(target, None, Duration::from_millis(1_500)).await;
        assert_eq!((reading.outcome, reading.rtt_us), (Outcome::Timeout, None));
        assert!(reading.retransmits >= 1, "{reading:?}");
    }

    #[tokio::test]
    async fn a_source_that_is_not_ours_is_not_sent() {
        let source = Some(IpAddr::from([192, 0, 2, 77]));
        let reading = connect(([127, 0, 0, 1], 9).into(), source, LIMIT).await;
        assert_eq!(reading, Reading::failed(Outcome::NotSent));
    }
}
