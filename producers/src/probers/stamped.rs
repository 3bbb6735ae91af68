//! Datagram sockets whose packets the kernel stamps with its own clock, on the way out and on the way in.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use cloudping_model::Outcome;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Reading, Request};

/// More than any packet that is sent or expected here.
pub(super) const MOST_BYTES: usize = 1_500;
/// Wall time and monotonic time may drift apart by this within one exchange (500 ppm of two seconds). Beyond, the wall
/// clock was set.
const DRIFT: Duration = Duration::from_millis(1);
/// Room for a receive stamp, a hop count and the envelope of the error queue.
const CONTROL_WORDS: usize = 64;

/// A packet that came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) length: usize,
    /// The kernel's stamp, since 1970.
    pub(super) at: Option<Duration>,
    /// What was left of its hops (TTL).
    pub(super) hops: Option<u8>,
    pub(super) from: Option<SocketAddr>,
}

/// An answered exchange.
#[derive(Debug)]
pub(super) struct Exchange<A> {
    /// What the answer says.
    pub(super) answer: A,
    /// By the kernel's stamps, where both are there and the clock was not set meanwhile.
    kernel: Option<Duration>,
    /// By the monotonic clock of user space.
    user: Duration,
}

impl<A> Exchange<A> {
    /// The reading: the kernel's time less `held`, the time that the other side kept the packet; user space's beside it. Where the
    /// kernel gave no stamps, user space's is the number. Unknown where `held` is more than the whole.
    pub(super) fn reading(&self, held: Duration) -> Reading {
        let (time, beside) = match self.kernel {
            Some(kernel) => (kernel, Some(self.user)),
            None => (self.user, None),
        };
        let less_held = |time: Duration| time.checked_sub(held).map(super::micros);
        let rtt_us = less_held(time).map(|micros| micros.max(1));
        Reading { rtt_us, connect_us: beside.and_then(less_held), ..Reading::failed(Outcome::Answered) }
    }
}

/// The wall clock, and the monotonic one right before and right after it, however long this thread had to wait between.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    before: Instant,
    wall: SystemTime,
    after: Instant,
}

impl Clocks {
    fn now() -> Self {
        Self { before: Instant::now(), wall: SystemTime::now(), after: Instant::now() }
    }

    /// Whether the wall clock went as the monotonic one did since `earlier`.
    fn in_step_with(&self, earlier: &Self) -> bool {
        let (least, most) = (self.before.duration_since(earlier.after), self.after.duration_since(earlier.before));
        let by_wall = self.wall.duration_since(earlier.wall);
        by_wall.is_ok_and(|by_wall| by_wall + DRIFT >= least && by_wall <= most + DRIFT)
    }
}

/// A socket that speaks with one address.
pub(super) struct Stamped {
    socket: AsyncFd<Socket>,
    peer: IpAddr,
}

impl Stamped {
    /// A socket from `request.source` to `request.address`.
    pub(super) fn open(request: &Request, protocol: Protocol) -> io::Result<Self> {
        let domain = Domain::for_address(request.address);
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(protocol))?;
        keep_stamping();
        ask_for_stamps(
            &socket,
            libc::SOF_TIMESTAMPING_RX_SOFTWARE
                | libc::SOF_TIMESTAMPING_TX_SOFTWARE
                | libc::SOF_TIMESTAMPING_SOFTWARE
                | libc::SOF_TIMESTAMPING_OPT_TSONLY,
        )?;
        if let Some(source) = request.source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        socket.connect(&request.address.into())?;
        Ok(Self { socket: watched(socket)?, peer: request.address.ip() })
    }

    /// Sends `packet` and waits for the first packet from the same address of which `accept` makes an answer.
    ///
    /// Waits for ever: the caller sets the limit.
    pub(super) async fn exchange<A>(
        &self,
        packet: &[u8],
        accept: impl Fn(&[u8]) -> Option<A>,
    ) -> io::Result<Exchange<A>> {
        let start = Clocks::now();
        loop {
            let mut ready = self.socket.writable().await?;
            if let Ok(sent) = ready.try_io(|socket| socket.get_ref().send(packet)) {
                sent?;
                break;
            }
        }
        let mut buffer = [0; MOST_BYTES];
        loop {
            let arrival = receive(&self.socket, &mut buffer).await?;
            let end = Clocks::now();
            let user = end.before - start.before;
            let from_peer = arrival.from.is_none_or(|from| from.ip() == self.peer);
            let Some(answer) = from_peer.then(|| accept(&buffer[..arrival.length])).flatten() else {
                tracing::debug!(from = ?arrival.from, "a packet that answers no probe");
                continue;
            };
            let sent = receive_message(self.socket.as_raw_fd(), &mut [], libc::MSG_ERRQUEUE).ok();
            let stamps = arrival.at.zip(sent.and_then(|sent| sent.at));
            let kernel = stamps.and_then(|(came, left)| came.checked_sub(left));
            // The stamps are of the wall clock: where it was set meanwhile, their difference is no time.
            let kernel = kernel.filter(|kernel| end.in_step_with(&start) && *kernel <= user + DRIFT);
            return Ok(Exchange { answer, kernel, user });
        }
    }
}

/// Registers a nonblocking socket with the runtime.
pub(super) fn watched(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    let interest = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
    // SAFETY: the socket owns its one descriptor, which is open until the socket is dropped with what is returned.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

/// The next packet.
pub(super) async fn receive(socket: &AsyncFd<Socket>, buffer: &mut [u8]) -> io::Result<Arrival> {
    loop {
        // An ICMP error wakes by ERROR alone. So does the stamp of what was sent: then there is nothing to read yet.
        let mut ready = socket.ready(Interest::READABLE | Interest::ERROR).await?;
        if let Ok(received) = ready.try_io(|socket| receive_message(socket.as_raw_fd(), buffer, 0)) {
            return received;
        }
    }
}

/// Asks for stamps of what comes in, and for its hop count.
pub(super) fn ask_for_arrivals(socket: &Socket) -> io::Result<()> {
    keep_stamping();
    ask_for_stamps(socket, libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE)?;
    match socket.domain()? {
        Domain::IPV6 => set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1),
        _ => set(socket, libc::IPPROTO_IP, libc::IP_RECVTTL, 1),
    }
}

/// The kernel stamps arrivals only while some socket wants it, and takes a while to begin: one socket wants it for ever, so that
/// the first packet of a probe's own socket is stamped too.
fn keep_stamping() {
    static WANTED: OnceLock<Option<Socket>> = OnceLock::new();
    WANTED.get_or_init(|| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?;
        ask_for_stamps(&socket, libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE).ok()?;
        Some(socket)
    });
}

fn ask_for_stamps(socket: &Socket, which: libc::c_uint) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, which.cast_signed())
}

fn set(socket: &Socket, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `socket` is, and the option takes one int, whose size is given.
    let status = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// One `recvmsg`, with what the kernel says beside the data. Never blocks.
fn receive_message(socket: RawFd, buffer: &mut [u8], flags: libc::c_int) -> io::Result<Arrival> {
    // Of u64, so that it is aligned as control messages must be.
    let mut control = [0_u64; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a msghdr of zeros is a valid one without name, data or control.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the name's storage is given with its length, and the message names buffers that outlive the call.
    let (length, from) = unsafe {
        socket2::SockAddr::try_init(|storage, length| {
            message.msg_name = storage.cast();
            message.msg_namelen = *length;
            let received = libc::recvmsg(socket, &raw mut message, flags | libc::MSG_DONTWAIT);
            *length = message.msg_namelen;
            usize::try_from(received).map_err(|_| io::Error::last_os_error())
        })?
    };
    let mut arrival = Arrival { length, at: None, hops: None, from: from.as_socket() };
    // SAFETY: the kernel has filled `control`, which lives on, and says in `message` how far.
    unsafe { read_control(&message, &mut arrival) };
    Ok(arrival)
}

/// # Safety
/// `message` is as the kernel left it, and its control buffer is alive.
unsafe fn read_control(message: &libc::msghdr, arrival: &mut Arrival) {
    // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give headers within the buffer or null; each kind has the data that is read.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            match ((*header).cmsg_level, (*header).cmsg_type) {
                // Three stamps: by software, a legacy one, and by hardware.
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => {
                    arrival.at = since_1970(data.cast::<libc::timespec>().read_unaligned());
                }
                (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    arrival.hops = u8::try_from(data.cast::<libc::c_int>().read_unaligned()).ok();
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
}

fn since_1970(time: libc::timespec) -> Option<Duration> {
    let seconds = u64::try_from(time.tv_sec).ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_was_set_is_seen_and_a_thread_that_had_to_wait_is_none() {
        let (start, second) = (Clocks::now(), Duration::from_secs(1));
        let later = |by_wall: SystemTime, waited: Duration| Clocks {
            before: start.before + second,
            wall: by_wall,
            after: start.before + second + waited,
        };
        assert!(later(start.wall + second, Duration::ZERO).in_step_with(&start));
        assert!(later(start.wall + second + second / 2, second).in_step_with(&start), "it waited for the wall clock");
        for set in [start.wall - second, start.wall + second / 2, start.wall + second * 2] {
            assert!(!later(set, Duration::ZERO).in_step_with(&start));
        }
    }

    #[test]
    fn a_reading_takes_off_what_the_other_side_held_and_is_never_negative() {
        let ms = Duration::from_millis;
        let exchange = |kernel: Option<u64>| Exchange { answer: (), kernel: kernel.map(ms), user: ms(12) };
        let times = |kernel, held| {
            let reading = exchange(kernel).reading(ms(held));
            (reading.outcome, reading.rtt_us, reading.connect_us)
        };
        assert_eq!(times(Some(10), 3), (Outcome::Answered, Some(7_000), Some(9_000)));
        assert_eq!(times(None, 3), (Outcome::Answered, Some(9_000), None));
        assert_eq!(times(Some(10), 11), (Outcome::Answered, None, Some(1_000)));
        assert_eq!(times(Some(10), 10), (Outcome::Answered, Some(1), Some(2_000)), "0 would be unknown");
    }
}
