//! Whether probes can be sent and timed here.

use std::net::Ipv4Addr;
use std::time::Duration;

use cloudping_model::Outcome;
use cloudping_producers::probers::Reading;
use cloudping_producers::tcp;

use super::finding::Finding;

/// How long a handshake with this machine itself may take.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// The process needs so many for itself, and a few to probe with.
const LEAST_FILES: u64 = 320;
/// A round of 39 regions by 38 targets.
const ENOUGH_FILES: u64 = 2_048;

/// How many sockets may be open at once.
pub fn judge_files(most: Result<u64, String>) -> Finding {
    const CHECK: &str = "open files";
    let next = "raise the hard limit: `ulimit -Hn 65536`, or LimitNOFILE= in the unit";
    match most {
        Err(error) => Finding::warn(CHECK, format!("limit unknown: {error}"), next),
        Ok(most) => {
            let found = format!("up to {most} files and sockets; probes beyond are recorded as not sent");
            match most {
                ..LEAST_FILES => Finding::fail(CHECK, found, next),
                LEAST_FILES..ENOUGH_FILES => Finding::warn(CHECK, found, next),
                _ => Finding::ok(CHECK, format!("up to {most} files and sockets")),
            }
        }
    }
}

/// A handshake with a socket of our own on this machine.
pub fn judge(reading: Result<Reading, String>) -> Finding {
    const CHECK: &str = "probes";
    let next = "run on a Linux kernel; gVisor and the like have no TCP_INFO";
    match reading {
        Ok(Reading { outcome: Outcome::Answered, rtt_us: Some(rtt), .. }) => {
            Finding::ok(CHECK, format!("the kernel times handshakes: {rtt} µs to this machine itself"))
        }
        Ok(Reading { outcome: Outcome::Answered, rtt_us: None, .. }) => {
            Finding::fail(CHECK, "handshakes succeed, but the kernel tells no round-trip time", next)
        }
        Ok(reading) => {
            let found = format!("a handshake with this machine itself ended as {}", reading.outcome.name());
            Finding::fail(CHECK, found, "see what filters 127.0.0.1")
        }
        Err(error) => Finding::fail(CHECK, error, "see what filters 127.0.0.1"),
    }
}

/// One probe, to a socket of our own.
///
/// # Errors
/// Why there is no such socket.
pub fn try_here() -> Result<Reading, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let address =
            listener.as_ref().map_err(ToString::to_string)?.local_addr().map_err(|error| error.to_string())?;
        Ok(tcp::connect(address, None, PROBE_LIMIT).await)
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    #[test]
    fn few_files_warn_and_too_few_fail() {
        let judged = |most| judge_files(most).status;
        assert_eq!([judged(Ok(256)), judged(Ok(1_024)), judged(Ok(4_096))], [Status::Fail, Status::Warn, Status::Ok]);
        assert_eq!(judged(Err("?".into())), Status::Warn);
    }

    #[test]
    fn a_probe_needs_the_kernels_time() {
        let timed = Reading { rtt_us: Some(31), ..Reading::failed(Outcome::Answered) };
        assert!(judge(Ok(timed)).found.contains("31 µs"));
        assert_eq!(judge(Ok(Reading::failed(Outcome::Answered))).status, Status::Fail);
        assert_eq!(judge(Ok(Reading::failed(Outcome::Timeout))).status, Status::Fail);
        assert_eq!(judge(Err("no socket".into())).status, Status::Fail);
    }
}
