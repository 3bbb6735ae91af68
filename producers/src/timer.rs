//! Sleeps that end when they should. The runtime's own end a millisecond late, give or take half of one: its clock has no finer grain.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// A timer of the kernel's, as late as its scheduler lets this process run. Where there is none to be had, the runtime's does.
#[derive(Debug)]
pub struct Timer {
    fd: Option<AsyncFd<OwnedFd>>,
}

impl Timer {
    /// A timer for one sleep after the other.
    #[must_use]
    pub fn new() -> Self {
        Self { fd: open().inspect_err(|error| tracing::debug!(%error, "no timer of the kernel's")).ok() }
    }

    /// Sleeps until `deadline`, never shorter. May be dropped before it ends.
    pub async fn sleep_until(&mut self, deadline: Instant) {
        // A timer that is set to nothing is switched off.
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let Some(fd) = self.fd.as_ref().filter(|fd| set(fd, left).is_ok()) else {
            return tokio::time::sleep_until(deadline).await;
        };
        tokio::select! {
            () = rung(fd) => {}
            // Comes later, but for a runtime whose time is not the kernel's: a test's.
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

fn open() -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and nothing else has it.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: it is open until it is dropped with what is returned.
    Ok(unsafe { AsyncFd::register_with_interest(owned, Interest::READABLE) }?)
}

/// Sets the timer off once, `left` from now; whatever it was set to before is forgotten.
fn set(fd: &AsyncFd<OwnedFd>, left: Duration) -> io::Result<()> {
    let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let tv_sec = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
    let at = libc::timespec { tv_sec, tv_nsec: left.subsec_nanos().into() };
    let setting = libc::itimerspec { it_interval: never, it_value: at };
    // SAFETY: `setting` outlives the call, and no old setting is asked for.
    match unsafe { libc::timerfd_settime(fd.as_raw_fd(), 0, &raw const setting, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends when the timer goes off; never if its descriptor fails.
async fn rung(fd: &AsyncFd<OwnedFd>) {
    loop {
        let Ok(mut ready) = fd.readable().await else {
            return std::future::pending().await;
        };
        // Ready may be left of an earlier setting: then there is nothing to read, and it is asked for again.
        if let Ok(Ok(())) = ready.try_io(take) {
            return;
        }
    }
}

/// Takes note that the timer went off.
fn take(fd: &AsyncFd<OwnedFd>) -> io::Result<()> {
    let mut times = [0_u8; 8];
    // SAFETY: eight bytes, which is what a timer writes.
    match unsafe { libc::read(fd.as_raw_fd(), times.as_mut_ptr().cast(), times.len()) } {
        8 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_sleep_is_shorter_than_asked_for_also_after_one_that_was_given_up() {
        let mut timer = Timer::new();
        assert!(timer.fd.is_some(), "this kernel has timers");
        for micros in [0, 1, 30, 700, 3_000, 20, 1_500] {
            let given_up = timer.sleep_until(Instant::now() + Duration::from_micros(micros / 2));
            tokio::time::timeout(Duration::from_micros(micros / 4), given_up).await.ok();
            let deadline = Instant::now() + Duration::from_micros(micros);
            timer.sleep_until(deadline).await;
            assert!(Instant::now() >= deadline, "asked for {micros} us");
        }
    }

    #[tokio::test]
    async fn a_timer_goes_off_once() {
        let timer = Timer::new();
        let fd = timer.fd.as_ref().unwrap();
        set(fd, Duration::from_micros(100)).unwrap();
        rung(fd).await;
        let error = take(fd).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "it goes off once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_only_the_runtime_knows_ends_it_too() {
        let mut timer = Timer::new();
        let deadline = Instant::now() + Duration::from_secs(1_000_000);
        timer.sleep_until(deadline).await;
        assert!(Instant::now() >= deadline);
    }

    #[tokio::test]
    async fn without_a_timer_of_the_kernels_the_runtimes_does() {
        let deadline = Instant::now() + Duration::from_millis(2);
        Timer { fd: None }.sleep_until(deadline).await;
        assert!(Instant::now() >= deadline);
    }
}
