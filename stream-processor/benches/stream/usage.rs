//! What work costs: CPU time and memory, as the kernel counts them.

use std::error::Error;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

/// CPU time of this process, all its threads, in seconds.
pub fn process_cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer. The clock exists since Linux 2.6.12, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What a child cost.
#[derive(Debug, Clone, Copy)]
pub struct ChildUsage {
    /// CPU time of it, and of its children that it waited for, in seconds.
    pub cpu_seconds: f64,
    /// The most memory that one of these had resident, in bytes.
    pub peak_memory: f64,
}

/// Waits for a child to end.
///
/// # Errors
/// If it cannot be waited for.
pub fn wait_for(child: Child) -> io::Result<(ExitStatus, ChildUsage)> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let mut status = 0;
    // SAFETY: both places are valid for the answers. The child is ours and nobody else waits for it, as `child` is owned here.
    if unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) } != pid {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroes are a valid rusage, and wait4 filled it.
    let usage = unsafe { usage.assume_init() };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Ok((ExitStatus::from_raw(status), ChildUsage { cpu_seconds, peak_memory: usage.ru_maxrss as f64 * 1024.0 }))
}

/// The most memory that this process had resident (`VmHWM`, `proc(5)`), in bytes.
pub fn peak_memory() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("/proc/self/status: no VmHWM")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024.0)
}
