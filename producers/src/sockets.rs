//! How many probes may be open at once.

use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Descriptors that are left to the rest of the process.
const RESERVED: u64 = 256;
/// More than any schedule needs; keeps the permit count within what a semaphore takes.
const MOST: u64 = 1_000_000;

/// Raises the limit of open files as far as the process may, and gives that many permits less a reserve. A probe that
/// finds no permit is recorded as not sent, so a short limit is seen and never taken for loss.
///
/// # Errors
/// When the limit cannot be read.
pub fn permits() -> io::Result<Arc<Semaphore>> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit that outlives both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return Err(io::Error::last_os_error());
        }
        let asked = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const asked) == 0 {
            limit = asked;
        }
    }
    let count = limit.rlim_cur.saturating_sub(RESERVED).clamp(16, MOST);
    Ok(Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(16))))
}
