//! What really passed the wire: handshakes by the planet's own capture, echoes by a second packet socket beside it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cloudping_planet::Capture;
use socket2::{SockFilter, Socket};

use crate::lab::Lab;

/// A probe on the wire.
#[derive(Debug, Clone, Copy)]
pub struct Passage {
    /// Which target it went to.
    pub target: usize,
    pub source: IpAddr,
    /// Source port; 0 for an echo.
    pub port: u16,
    /// When it left (its first packet), in nanoseconds since 1970.
    pub left_at_ns: u64,
    /// From the first packet to its answer.
    pub rtt_ms: Option<f64>,
    /// How many times it was sent before it was answered.
    pub sent: u32,
}

/// Both captures, under way.
pub struct Tap {
    handshakes: Capture,
    echoes: JoinHandle<io::Result<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
}

impl Tap {
    /// Starts to record all that passes.
    pub fn start(lab: &Lab) -> io::Result<Self> {
        let socket = lab.inside(echo_socket)??;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let echoes = std::thread::spawn(move || record(&socket, &stopped));
        Ok(Self { handshakes: Capture::start(&lab.planet)?, echoes, stop })
    }

    /// Ends it: every probe that passed, in the order in which they left.
    pub fn stop(self, lab: &Lab) -> io::Result<Vec<Passage>> {
        self.stop.store(true, Ordering::Relaxed);
        let echoes = self.echoes.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let mut passages = pair(lab, &echoes);
        for seen in self.handshakes.stop()? {
            let Some(target) = lab.target_of(seen.flow.target.ip()) else { continue };
            passages.push(Passage {
                target,
                source: seen.flow.vantage.ip(),
                port: seen.flow.vantage.port(),
                left_at_ns: seen.syn_at_ns,
                rtt_ms: seen.synack_at_ns.map(|at| at.saturating_sub(seen.syn_at_ns) as f64 / 1e6),
                sent: seen.syn_count,
            });
        }
        passages.sort_by_key(|passage| passage.left_at_ns);
        Ok(passages)
    }
}

/// An echo request or reply.
#[derive(Debug, Clone, Copy)]
struct Seen {
    is_reply: bool,
    from: Ipv4Addr,
    to: Ipv4Addr,
    /// Identifier and sequence number.
    id: [u8; 4],
    at_ns: u64,
}

fn pair(lab: &Lab, echoes: &[Seen]) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut open = HashMap::new();
    for seen in echoes {
        if seen.is_reply {
            let Some(at) = open.remove(&(seen.from, seen.id)) else { continue };
            let passage: &mut Passage = &mut passages[at];
            passage.rtt_ms = Some(seen.at_ns.saturating_sub(passage.left_at_ns) as f64 / 1e6);
        } else if let Some(target) = lab.target_of(seen.to.into()) {
            open.insert((seen.to, seen.id), passages.len());
            let source = seen.from.into();
            passages.push(Passage { target, source, port: 0, left_at_ns: seen.at_ns, rtt_ms: None, sent: 1 });
        }
    }
    passages
}

/// A packet socket that sees IPv4 on the planet's device; the calling thread must be inside.
fn echo_socket() -> io::Result<Socket> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: takes no pointers.
    let descriptor = unsafe { libc::socket(libc::AF_PACKET, kind, i32::from((libc::ETH_P_ALL as u16).to_be())) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    // ICMP alone (the protocol is byte 9): to wake this program for each SYN-ACK would delay what is measured.
    let step = |code: u32, jump_if_not, k| SockFilter::new(code as u16, 0, jump_if_not, k);
    socket.attach_filter(&[
        step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 9),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, libc::IPPROTO_ICMP as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 128),
        step(libc::BPF_RET | libc::BPF_K, 0, 0),
    ])?;
    let on: libc::c_int = 1;
    // SAFETY: the option takes one int, whose size is given.
    let status = unsafe {
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, (&raw const on).cast(), size)
    };
    if status == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

fn record(socket: &Socket, stop: &AtomicBool) -> io::Result<Vec<Seen>> {
    let mut echoes = Vec::new();
    let mut buffer = [0; 128];
    loop {
        match receive(socket, &mut buffer) {
            Ok((length, at_ns)) => echoes.extend(parse(&buffer[..length], at_ns)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && stop.load(Ordering::Relaxed) => {
                return Ok(echoes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// ICMP echo over IPv4 (RFC 792); anything else is `None`.
fn parse(packet: &[u8], at_ns: u64) -> Option<Seen> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    if packet[0] >> 4 != 4 || *packet.get(9)? != libc::IPPROTO_ICMP as u8 {
        return None;
    }
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
    let is_reply = match packet.get(header)? {
        0 => true,
        8 => false,
        _ => return None,
    };
    let id = packet.get(header + 4..header + 8)?.try_into().ok()?;
    Some(Seen { is_reply, from: address(12)?, to: address(16)?, id, at_ns })
}

/// Takes a packet with the kernel's timestamp, in nanoseconds since 1970.
fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<(usize, u64)> {
    #[repr(align(8))]
    struct Control([u8; 64]);
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    (message.msg_control, message.msg_controllen) = (control.0.as_mut_ptr().cast(), size_of::<Control>() as _);
    // SAFETY: the message points to `buffer` and `control`, which outlive the call, with their true lengths.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has filled in the message, whose control buffer is alive.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    if header.is_null() {
        return Err(io::Error::other("a packet without a timestamp"));
    }
    // SAFETY: the only control message asked for is SCM_TIMESTAMPNS: one timespec, which need not be aligned.
    let time: libc::timespec = unsafe { libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned() };
    Ok((length as usize, time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64))
}
