//! Many datagrams in one call: `recvmmsg` and `sendmmsg`, and waiting for several sockets. All that is unsafe is here.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Datagrams in one call at most.
const AT_ONCE: usize = 64;
/// A datagram's buffer: no datagram is larger. The odd part keeps the buffers' beginnings out of each other's cache lines.
const STRIDE: usize = 65_536 + 192;
/// Where `SO_MEMINFO` has the datagrams that the kernel dropped (`SK_MEMINFO_DROPS` in linux/sock_diag.h).
const DROPS: usize = 8;
const MEMINFO_LENGTH: usize = 9;

/// Datagrams as they were received.
pub struct Inbox {
    buffers: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    received: Vec<usize>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { buffers: vec![0; AT_ONCE * STRIDE], names: vec![no_name(); AT_ONCE], received: Vec::new() }
    }
}

impl Inbox {
    /// Receives what is there, 64 datagrams at most, and says how many. None is no error.
    ///
    /// # Errors
    /// What the system says.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.received.clear();
        let mut parts: [libc::iovec; AT_ONCE] = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; AT_ONCE];
        for (part, buffer) in parts.iter_mut().zip(self.buffers.chunks_exact_mut(STRIDE)) {
            *part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: STRIDE };
        }
        let mut headers = [no_message(); AT_ONCE];
        for ((header, part), name) in headers.iter_mut().zip(&mut parts).zip(&mut self.names) {
            *header = message(name, part);
        }
        // SAFETY: each header points to one name and one part, each part to one buffer, all of which live and are borrowed mutably by
        // nobody else until the call has returned; lengths are those of what is pointed to.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                AT_ONCE as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let Ok(received) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            return if is_nothing(&error) { Ok(0) } else { Err(error) };
        };
        self.received.extend(headers[..received].iter().map(|header| (header.msg_len as usize).min(STRIDE)));
        Ok(received)
    }

    /// What was received last: who sent it, and the payload. Whose address is of no family that is known is left out.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let buffers = self.buffers.chunks_exact(STRIDE).zip(&self.received);
        buffers.zip(&self.names).filter_map(|((buffer, length), name)| Some((read_name(name)?, &buffer[..*length])))
    }
}

/// How many of some datagrams were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// The kernel took them.
    pub sent: u64,
    /// It did not.
    pub failed: u64,
}

/// Sends datagrams without waiting; what the kernel does not take at once is counted as failed.
pub fn send<'a>(socket: &UdpSocket, ipv6: bool, datagrams: impl Iterator<Item = (SocketAddr, &'a [u8])>) -> Sent {
    let mut sum = Sent::default();
    let mut names = [no_name(); AT_ONCE];
    let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; AT_ONCE];
    let mut filled = 0;
    for (to, data) in datagrams {
        names[filled] = write_name(to, ipv6);
        // The kernel only reads what it sends.
        parts[filled] = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
        filled += 1;
        if filled == AT_ONCE {
            send_filled(socket, &mut names, &mut parts, &mut sum);
            filled = 0;
        }
    }
    send_filled(socket, &mut names[..filled], &mut parts[..filled], &mut sum);
    sum
}

fn send_filled(socket: &UdpSocket, names: &mut [libc::sockaddr_storage], parts: &mut [libc::iovec], sum: &mut Sent) {
    let mut headers = [no_message(); AT_ONCE];
    for ((header, part), name) in headers.iter_mut().zip(parts.iter_mut()).zip(names.iter_mut()) {
        *header = message(name, part);
        header.msg_hdr.msg_namelen = name_length(name);
    }
    let mut rest = &mut headers[..parts.len()];
    while !rest.is_empty() {
        // SAFETY: each header points to one name and one part, which live on in the caller; each part points to the payload that the
        // caller still borrows. The kernel writes to the headers' lengths only.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as libc::c_uint, libc::MSG_DONTWAIT as _)
        };
        let (sent, failed) = match usize::try_from(sent) {
            Ok(sent) if sent > 0 => (sent, 0),
            // Only the first one's failure is told: the others are still to be tried.
            _ if is_nothing(&io::Error::last_os_error()) => (0, rest.len()),
            _ => (0, 1),
        };
        sum.sent += sent as u64;
        sum.failed += failed as u64;
        rest = &mut rest[sent + failed..];
    }
}

/// Waits until one of the descriptors has something to read or the time is over.
///
/// # Errors
/// What the system says, except that a signal came.
pub fn wait(readable: &[BorrowedFd<'_>], at_most: Duration) -> io::Result<()> {
    let mut polled: Vec<libc::pollfd> =
        readable.iter().map(|it| libc::pollfd { fd: it.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
    let time = libc::timespec {
        tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    // SAFETY: the list and the time live until the call has returned, and the length is the list's.
    let ready =
        unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, &raw const time, std::ptr::null()) };
    match io::Error::last_os_error() {
        error if ready < 0 && error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

/// How many datagrams the kernel has dropped for want of room in the socket's buffer; 0 where it does not say.
pub fn kernel_drops(socket: &UdpSocket) -> u64 {
    let mut info = [0_u32; MEMINFO_LENGTH];
    let mut length = mem::size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to the list, and the length that it wrote to `length`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { info[DROPS].into() } else { 0 }
}

/// Sets the receive buffer beyond the system's limit where that is allowed, else up to it. Returns what the kernel says it is, in bytes.
pub fn set_receive_buffer(socket: &UdpSocket, bytes: usize) -> usize {
    let wanted = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    // SAFETY: the option's value is an int, whose size is said, and is only read.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const wanted).cast(),
            mem::size_of_val(&wanted) as libc::socklen_t,
        )
    };
    let socket = socket2::SockRef::from(socket);
    let size = || socket.recv_buffer_size().unwrap_or(0);
    // The kernel doubles what it is told, for its own book-keeping.
    if size() < bytes {
        // Whatever becomes of it: the size is asked for.
        let _ = socket.set_recv_buffer_size(bytes);
    }
    size()
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn no_name() -> libc::sockaddr_storage {
    // SAFETY: it is a plain structure of numbers, for which zero is a value.
    unsafe { mem::zeroed() }
}

fn no_message() -> libc::mmsghdr {
    // SAFETY: it is a plain structure of numbers and pointers, for which zero and null are values.
    unsafe { mem::zeroed() }
}

fn message(name: &mut libc::sockaddr_storage, part: &mut libc::iovec) -> libc::mmsghdr {
    let mut header = no_message();
    header.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
    header.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    header.msg_hdr.msg_iov = part;
    header.msg_hdr.msg_iovlen = 1;
    header
}

fn name_length(name: &libc::sockaddr_storage) -> libc::socklen_t {
    let length = match libc::c_int::from(name.ss_family) {
        libc::AF_INET => mem::size_of::<libc::sockaddr_in>(),
        _ => mem::size_of::<libc::sockaddr_in6>(),
    };
    length as libc::socklen_t
}

/// IPv4 on a socket of IPv6 is read as IPv4.
fn read_name(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the storage is large enough and aligned for every address, and the family says which one the kernel wrote.
            let name = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddr::from((ip, u16::from_be(name.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            let (ip, port) = (Ipv6Addr::from(name.sin6_addr.s6_addr), u16::from_be(name.sin6_port));
            match ip.to_ipv4_mapped() {
                Some(ip) => Some(SocketAddr::from((ip, port))),
                // A link-local address means nothing without its link.
                None => Some(SocketAddrV6::new(ip, port, 0, name.sin6_scope_id).into()),
            }
        }
        _ => None,
    }
}

fn write_name(address: SocketAddr, ipv6: bool) -> libc::sockaddr_storage {
    let mut storage = no_name();
    match (address, address.ip()) {
        (SocketAddr::V4(address), _) if !ipv6 => {
            // SAFETY: the storage is large enough and aligned for every address.
            let name = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in>() };
            name.sin_family = libc::AF_INET as libc::sa_family_t;
            name.sin_port = address.port().to_be();
            name.sin_addr.s_addr = u32::from(*address.ip()).to_be();
        }
        (address, ip) => {
            let ip = match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            // SAFETY: as above.
            let name = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in6>() };
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = address.port().to_be();
            name.sin6_addr.s6_addr = ip.octets();
            name.sin6_scope_id = if let SocketAddr::V6(address) = address { address.scope_id() } else { 0 };
        }
    }
    storage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_to_the_kernel_and_back() {
        for (text, ipv6) in
            [("192.0.2.1:9", false), ("192.0.2.1:9", true), ("[2001:db8::1]:65535", true), ("[fe80::1%3]:1", true)]
        {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(read_name(&write_name(address, ipv6)), Some(address), "{text}");
        }
    }

    #[test]
    fn datagrams_of_every_size_go_through_both_families() {
        for (here, ipv6) in [("127.0.0.1:0", false), ("[::1]:0", true)] {
            let (one, other) = (UdpSocket::bind(here).unwrap(), UdpSocket::bind(here).unwrap());
            set_receive_buffer(&other, 4 << 20);
            let sizes = [0_usize, 1, 64, 1_472, 9_000, 65_507];
            let data: Vec<Vec<u8>> = sizes.iter().map(|size| vec![7; *size]).collect();
            let to = other.local_addr().unwrap();
            let sent = send(&one, ipv6, data.iter().map(|data| (to, &data[..])));
            assert_eq!(sent, Sent { sent: 6, failed: 0 });
            let mut inbox = Inbox::default();
            assert_eq!(inbox.receive(&other).unwrap(), 6);
            let from = one.local_addr().unwrap();
            assert!(inbox.iter().zip(&data).all(|(got, data)| got == (from, &data[..])));
            assert_eq!(inbox.receive(&other).unwrap(), 0);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_counted_and_the_others_are_sent() {
        let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let (good, bad) = (other.local_addr().unwrap(), SocketAddr::from(([127, 0, 0, 1], 0)));
        let sent = send(&one, false, [(good, &b"a"[..]), (bad, b"b"), (good, b"c")].into_iter());
        assert_eq!(sent, Sent { sent: 2, failed: 1 });
    }

    #[test]
    fn what_finds_no_room_in_the_kernel_is_counted_there() {
        let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        socket2::SockRef::from(&other).set_recv_buffer_size(4_096).unwrap();
        let to = other.local_addr().unwrap();
        send(&one, false, (0..1_000).map(|_| (to, &[0_u8; 64][..])));
        let (mut inbox, mut received) = (Inbox::default(), 0);
        while let got @ 1.. = inbox.receive(&other).unwrap() {
            received += got as u64;
        }
        assert_eq!(received + kernel_drops(&other), 1_000);
        assert!(received < 1_000);
    }
}
