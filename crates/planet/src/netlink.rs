//! The few routing requests that a namespace needs, as netlink messages (`rtnetlink(7)`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;

use crate::sys;

const HEADER: usize = 16;

/// A route to a whole prefix.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Route {
    /// Every address of the prefix is this machine's own.
    Local,
    /// The prefix is reached through the device.
    Through,
}

/// A connection to the kernel's routing tables of one namespace.
pub(crate) struct Netlink(File);

impl Netlink {
    /// Opens the namespace of the calling thread.
    pub fn open() -> io::Result<Self> {
        sys::netlink_socket().map(|socket| Self(socket.into()))
    }

    /// Sets a device up, with a queue of `queue` packets if given.
    pub fn set_up(&mut self, device: u32, queue: Option<u32>) -> io::Result<()> {
        self.request(&link_up(device, queue))
    }

    /// Adds a route by way of `device`.
    pub fn add_route(&mut self, route: Route, prefix: IpAddr, length: u8, device: u32) -> io::Result<()> {
        self.request(&new_route(route, prefix, length, device))
    }

    fn request(&mut self, message: &[u8]) -> io::Result<()> {
        self.0.write_all(message)?;
        let mut answer = [0; 4096];
        let length = self.0.read(&mut answer)?;
        acknowledged(&answer[..length])
    }
}

/// Reads the kernel's acknowledgement: an error message whose code is 0.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "malformed netlink answer");
    let kind = answer.get(4..6).ok_or_else(malformed)?;
    let code = answer.get(HEADER..HEADER + 4).ok_or_else(malformed)?;
    if kind != (libc::NLMSG_ERROR as u16).to_ne_bytes() {
        return Err(malformed());
    }
    match i32::from_ne_bytes([code[0], code[1], code[2], code[3]]) {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(-code)),
    }
}

fn link_up(device: u32, queue: Option<u32>) -> Vec<u8> {
    let up = (libc::IFF_UP as u32).to_ne_bytes();
    // struct ifinfomsg: family and padding, type, index, flags, change mask.
    let mut body = vec![0; 4];
    body.extend(device.to_ne_bytes());
    body.extend(up);
    body.extend(up);
    if let Some(queue) = queue {
        attribute(&mut body, libc::IFLA_TXQLEN, &queue.to_ne_bytes());
    }
    message(libc::RTM_NEWLINK, 0, &body)
}

fn new_route(route: Route, prefix: IpAddr, length: u8, device: u32) -> Vec<u8> {
    let (family, octets) = match prefix {
        IpAddr::V4(v4) => (libc::AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, v6.octets().to_vec()),
    };
    let (table, scope, kind) = match route {
        Route::Local => (libc::RT_TABLE_LOCAL, libc::RT_SCOPE_HOST, libc::RTN_LOCAL),
        Route::Through => (libc::RT_TABLE_MAIN, libc::RT_SCOPE_LINK, libc::RTN_UNICAST),
    };
    // struct rtmsg: family, destination and source length, type of service, table, protocol, scope, type, flags.
    let mut body = vec![family as u8, length, 0, 0, table, libc::RTPROT_STATIC, scope, kind];
    body.extend(0u32.to_ne_bytes());
    attribute(&mut body, libc::RTA_DST, &octets);
    attribute(&mut body, libc::RTA_OIF, &device.to_ne_bytes());
    message(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL, &body)
}

/// Appends an attribute, whose length is always a multiple of four here: it needs no padding.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    debug_assert!(value.len().is_multiple_of(4));
    body.extend((value.len() as u16 + 4).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
}

fn message(kind: u16, flags: libc::c_int, body: &[u8]) -> Vec<u8> {
    let flags = (flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    // Sequence number and port: one request at a time needs neither.
    message.extend([0; 8]);
    message.extend(body);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_route_in_bytes() {
        // What `ip route add local 10.1.0.0/16 dev lo` sends, on a little-endian machine.
        let bytes = new_route(Route::Local, IpAddr::from([10, 1, 0, 0]), 16, 1);
        assert_eq!(bytes.len(), 44);
        assert_eq!(bytes[16..28], [2, 16, 0, 0, 255, 4, 254, 2, 0, 0, 0, 0]);
        if cfg!(target_endian = "little") {
            assert_eq!(bytes[..8], [44, 0, 0, 0, 24, 0, 0x05, 0x06]);
            assert_eq!(bytes[28..], [8, 0, 1, 0, 10, 1, 0, 0, 8, 0, 4, 0, 1, 0, 0, 0]);
        }
    }

    #[test]
    fn answers() {
        let answer = |kind: i32, code: i32| {
            let mut bytes = vec![0; HEADER];
            bytes[4..6].copy_from_slice(&(kind as u16).to_ne_bytes());
            bytes.extend(code.to_ne_bytes());
            acknowledged(&bytes)
        };
        assert!(answer(libc::NLMSG_ERROR, 0).is_ok());
        let refused = answer(libc::NLMSG_ERROR, -libc::EPERM).expect_err("refused");
        assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
        assert!(answer(libc::NLMSG_DONE, 0).is_err());
        assert!(acknowledged(&[]).is_err());
    }
}
