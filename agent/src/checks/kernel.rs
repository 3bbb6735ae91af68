//! What the kernel says of this machine and process.

use std::ffi::CString;
use std::io;
use std::mem;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::clock::Discipline;

/// Whether the clock is kept by a time service (`adjtimex`, which says so to anybody).
pub fn discipline() -> Discipline {
    // SAFETY: `timex` is a plain C structure of numbers, for which all zeros is a value; with `modes` 0 the call sets nothing.
    let (state, timex) = unsafe {
        let mut timex: libc::timex = mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex)
    };
    match state {
        state if state < 0 => Discipline::Unknown,
        libc::TIME_ERROR => Discipline::Free,
        _ if timex.status & libc::STA_UNSYNC != 0 => Discipline::Free,
        _ => Discipline::Kept { error_us: timex.esterror },
    }
}

/// Bytes that an ordinary user may still write where `path` is.
///
/// # Errors
/// The system's.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path ends in a NUL; `statvfs` is a plain C structure of numbers, for which all zeros is a value.
    let (failed, space) = unsafe {
        let mut space: libc::statvfs = mem::zeroed();
        (libc::statvfs(path.as_ptr(), &raw mut space) != 0, space)
    };
    match failed {
        true => Err(io::Error::last_os_error()),
        false => Ok(space.f_bavail.saturating_mul(space.f_frsize)),
    }
}

/// To how many files and sockets this process may raise its limit.
///
/// # Errors
/// The system's.
pub fn most_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit that outlives the call.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } {
        0 => Ok(limit.rlim_max),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether there is a way to this address. Sends nothing: a UDP socket that is connected has only been given its route.
pub fn has_route(from: &str, to: SocketAddr) -> bool {
    UdpSocket::bind(from).and_then(|socket| socket.connect(to)).is_ok()
}
