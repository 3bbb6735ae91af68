//! The system calls that the standard library lacks. All of the crate's `unsafe` is here.

use std::ffi::CStr;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use libc::{c_int, c_void};

/// The kernel's answer as a result.
fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(result: c_int) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the call that returned this descriptor has just made it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    // SAFETY: all-zero is a valid timespec.
    let mut time: libc::timespec = unsafe { zeroed() };
    // SAFETY: `time` is valid for writes; the clocks used in this module exist on every Linux, so the call cannot fail.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds of the monotonic clock.
pub(crate) fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970.
pub(crate) fn realtime_ns() -> u64 {
    clock_ns(libc::CLOCK_REALTIME)
}

/// Nanoseconds of CPU that the calling thread has used.
pub(crate) fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Moves the calling thread into new namespaces (`CLONE_NEWNET`, `CLONE_NEWUSER`).
pub(crate) fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::unshare(flags) }).map(drop)
}

/// Moves the calling thread into the network namespace behind `namespace`.
pub(crate) fn enter_network_namespace(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes no pointers, and the descriptor is open.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// Real user and group id.
pub(crate) fn user_and_group() -> (u32, u32) {
    // SAFETY: cannot fail, take no pointers.
    unsafe { (libc::getuid(), libc::getgid()) }
}

/// Makes a TUN device called `name` on an open `/dev/net/tun`: bare IP packets, no checksum or segmentation offload.
pub(crate) fn make_tun(device: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { zeroed() };
    let bytes = name.to_bytes_with_nul();
    if bytes.len() > request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq.
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF as _, &mut request) }).map(drop)
}

/// Index of a network device in the calling thread's namespace.
pub(crate) fn device_index(name: &CStr) -> io::Result<u32> {
    // SAFETY: `name` ends with a zero byte.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// A netlink routing socket in the calling thread's namespace.
pub(crate) fn netlink_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: takes no pointers.
    owned(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) })
}

/// A counter to wake a poll with: written by `Write`, read by `Read`, never blocking.
pub(crate) fn event_counter() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })
}

/// Waits until one of `fds` is readable or `timeout` is over (`None`: for ever), to the nanosecond as far as the kernel
/// can. Returns which are readable; an interrupted wait counts as a timeout.
pub(crate) fn wait_readable<const N: usize>(
    fds: [BorrowedFd<'_>; N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut polls = fds.map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 });
    let time = timeout.map(|timeout| libc::timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `polls` holds N entries and outlives the call; `time` is null or points to a live timespec.
    let result = unsafe { libc::ppoll(polls.as_mut_ptr(), N as libc::nfds_t, time, std::ptr::null()) };
    match check(result) {
        Ok(_) => Ok(polls.map(|poll| poll.revents != 0)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok([false; N]),
        Err(error) => Err(error),
    }
}

/// What the calling thread's wake-ups were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promptness {
    /// Real-time scheduling: nothing of lower priority delays it.
    RealTime,
    /// Normal scheduling with a short slice, which shortens the wait for a CPU.
    ShortSlice,
    /// Normal scheduling.
    Normal,
}

/// Makes the calling thread's wake-ups as prompt as its rights allow.
pub(crate) fn be_prompt() -> Promptness {
    const LEAST_TIMER_SLACK_NS: libc::c_ulong = 1;
    // SAFETY: PR_SET_TIMERSLACK takes a number; it cannot fail for the calling thread.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, LEAST_TIMER_SLACK_NS) };
    // SAFETY: whole numbers, of which musl has more than glibc: all zero is a value.
    let mut priority: libc::sched_param = unsafe { zeroed() };
    priority.sched_priority = 10;
    // SAFETY: `priority` outlives the call; thread 0 is the calling one.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &priority) } == 0 {
        return Promptness::RealTime;
    }
    // SAFETY: all-zero is a valid sched_attr.
    let mut attributes: libc::sched_attr = unsafe { zeroed() };
    attributes.size = size_of::<libc::sched_attr>() as u32;
    attributes.sched_policy = libc::SCHED_OTHER as u32;
    // The least that the fair scheduler accepts (Linux 6.12 and later; earlier ones ignore it).
    attributes.sched_runtime = 100_000;
    // SAFETY: `attributes` outlives the call and states its own size.
    match unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &attributes, 0) } {
        0 => Promptness::ShortSlice,
        _ => Promptness::Normal,
    }
}

/// Lets a listening socket queue as many finished handshakes as the namespace's `somaxconn` allows.
pub(crate) fn deepen_backlog(listener: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes no pointers. Listening again only changes the length of the queue.
    check(unsafe { libc::listen(listener.as_raw_fd(), c_int::MAX) }).map(drop)
}

/// Raises the process's limit on open files to the most it is allowed, and returns it.
pub(crate) fn raise_file_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writes.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is valid for reads.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    Ok(limit.rlim_cur)
}

/// An epoll instance; keys are chosen by the caller.
pub(crate) struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Self)
    }

    /// Reports `key` while `fd` is readable, hung up or in error. Closing `fd` removes it.
    pub fn add(&self, fd: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLRDHUP) as u32, u64: key };
        let (epoll, fd) = (self.0.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: `event` outlives the call.
        check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) }).map(drop)
    }

    /// Waits for at least one key and puts all that are ready into `keys`.
    pub fn wait(&self, keys: &mut Vec<u64>) -> io::Result<()> {
        const BATCH: usize = 64;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        keys.clear();
        // SAFETY: `events` holds BATCH entries and outlives the call.
        let found = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), BATCH as c_int, -1) };
        match check(found) {
            Ok(found) => {
                keys.extend(events[..found as usize].iter().map(|event| event.u64));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A socket that sees every packet on a device of the calling thread's namespace that passes `filter` (a classic BPF
/// program over the IP header), with the kernel's timestamps. Never blocks.
pub(crate) fn packet_socket(device: u32, filter: &[libc::sock_filter]) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // Protocol 0 receives nothing: the filter must be in place before the first packet.
    // SAFETY: takes no pointers.
    let socket = owned(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    set_option(&socket, libc::SO_ATTACH_FILTER, &program)?;
    set_option(&socket, libc::SO_TIMESTAMPNS, &1)?;
    let buffer: c_int = 8 << 20;
    // Forcing needs rights over the whole machine; the plain option is cut to `rmem_max`.
    set_option(&socket, libc::SO_RCVBUFFORCE, &buffer).or_else(|_| set_option(&socket, libc::SO_RCVBUF, &buffer))?;
    // SAFETY: all-zero is a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = device as c_int;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `address` is a sockaddr_ll of the length given.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(socket)
}

fn set_option<T>(socket: &OwnedFd, option: c_int, value: &T) -> io::Result<()> {
    let (fd, length) = (socket.as_raw_fd(), size_of::<T>() as libc::socklen_t);
    let value: *const c_void = std::ptr::from_ref(value).cast();
    // SAFETY: `value` points to `length` live bytes, which the kernel copies.
    check(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, value, length) }).map(drop)
}

/// Room for the control messages of one packet.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Takes a packet off a packet socket: its length and the kernel's timestamp in nanoseconds since 1970. `None` if there is
/// none waiting.
pub(crate) fn receive_stamped(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<(usize, u64)>> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = Control([0; 64]);
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: the message points to `buffer` and `control`, which outlive the call, with their true lengths.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, 0) };
    if length < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
    }
    let stamp = timestamp(&message).ok_or_else(|| io::Error::other("packet without a timestamp"))?;
    Ok(Some((length as usize, stamp)))
}

fn timestamp(message: &libc::msghdr) -> Option<u64> {
    // SAFETY: the kernel has filled in the message, and its control buffer is alive.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return null or a header within the control buffer.
        let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS {
            // SAFETY: a SCM_TIMESTAMPNS message carries one timespec, which need not be aligned.
            let time: libc::timespec = unsafe { libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned() };
            return Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64);
        }
        // SAFETY: `header` came from this message.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

/// Makes reads and writes of `fd` return `WouldBlock` instead of waiting.
pub(crate) fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    let fd: RawFd = fd.as_fd().as_raw_fd();
    // SAFETY: takes no pointers.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    // SAFETY: takes no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(drop)
}
