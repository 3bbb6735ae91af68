//! The door's threads stand back behind all others: where processors are scarce, a statement takes what live answers leave.

/// How far: at this nice value a thread has a thirtieth of the weight of an ordinary one. It hardly delays any answer then, and still gets on where live answers
/// alone would fill the machine.
#[cfg(target_os = "linux")]
const NICE: libc::c_int = 15;

/// Makes the calling thread stand back.
#[cfg(target_os = "linux")]
pub(super) fn stand_back() {
    // On Linux a nice value is a thread's own, and process 0 is the calling thread (setpriority(2)).
    // SAFETY: the call takes numbers only.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, NICE) } != 0 {
        tracing::warn!("statements may delay live answers: {}", std::io::Error::last_os_error());
    }
}

/// Elsewhere a nice value is the whole process'.
#[cfg(not(target_os = "linux"))]
pub(super) fn stand_back() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_the_calling_thread_stands_back() {
        // SAFETY: the call takes numbers only.
        let nice = || unsafe { libc::getpriority(libc::PRIO_PROCESS as _, 0) };
        let before = nice();
        let there = std::thread::spawn(move || {
            stand_back();
            nice()
        });
        assert_eq!((there.join().unwrap(), nice()), (NICE.max(before), before));
    }
}
