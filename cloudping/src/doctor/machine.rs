//! What `up` needs of this machine: from facts to findings.

use std::path::PathBuf;

use cloudping_backend_local::OpenError;
use cloudping_model::Outcome;
use cloudping_producers::probers::Reading;

use super::finding::Finding;

/// A data directory that is nearly full stops the log, bytes.
const LEAST_FREE: u64 = 200 << 20;
/// Some days of the planet's archive, bytes.
const ENOUGH_FREE: u64 = 5 << 30;
/// The process needs so many for itself, and a few to probe with.
const LEAST_FILES: u64 = 320;
/// A round of 39 regions by 38 targets.
const ENOUGH_FILES: u64 = 2_048;

/// The data directory.
#[derive(Debug)]
pub struct DataFacts {
    /// As it was named.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
    /// Whether it, or where it would be made, can be written.
    pub writable: Result<(), String>,
    /// Bytes that can be written.
    pub free: Result<u64, String>,
    /// Whose measurements it holds, if any.
    pub claimed: Option<String>,
}

/// What to think of the data directory; `network` is whose measurements it shall hold.
pub fn judge_data(facts: &DataFacts, network: &str) -> Vec<Finding> {
    const CHECK: &str = "data directory";
    let path = facts.path.display();
    let other = "choose another directory with --data";
    let place = match (&facts.writable, &facts.claimed) {
        (Err(error), _) => Finding::fail(CHECK, format!("{path}: {error}"), format!("change its owner, or {other}")),
        (Ok(()), Some(claimed)) if claimed != network => {
            Finding::fail(CHECK, format!("{path} holds measurements of the {claimed}, and not of the {network}"), other)
        }
        (Ok(()), Some(claimed)) => {
            Finding::ok(CHECK, format!("{path} is writable and holds measurements of the {claimed}"))
        }
        (Ok(()), None) if facts.exists => Finding::ok(CHECK, format!("{path} is writable")),
        (Ok(()), None) => Finding::ok(CHECK, format!("{path} is not there yet and can be made")),
    };
    vec![place, judge_free(facts)]
}

fn judge_free(facts: &DataFacts) -> Finding {
    const CHECK: &str = "disk";
    let path = facts.path.display();
    let next = "make room, or choose a larger disk with --data";
    match &facts.free {
        Err(error) => Finding::warn(CHECK, format!("free space of {path} unknown: {error}"), next),
        Ok(bytes) => {
            let found = format!("{:.1} GB free for {path}", *bytes as f64 / 1e9);
            match *bytes {
                ..LEAST_FREE => Finding::fail(CHECK, found, next),
                LEAST_FREE..ENOUGH_FREE => Finding::warn(CHECK, found, next),
                _ => Finding::ok(CHECK, found),
            }
        }
    }
}

/// What opening an embedded store gave; `None` where it is not there yet.
pub fn judge_store(check: &'static str, file: &str, opened: Option<Result<(), OpenError>>) -> Finding {
    match opened {
        None => Finding::ok(check, format!("{file} is not there yet; `cloudping up` makes it")),
        Some(Ok(())) => Finding::ok(check, format!("{file} opens, and nobody uses it")),
        Some(Err(OpenError::InUse { .. })) => Finding::ok(check, format!("{file} is in use by a running cloudping")),
        Some(Err(error)) => Finding::fail(check, file, error.to_string()),
    }
}

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
pub fn judge_probe(reading: Result<Reading, String>) -> Finding {
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

/// Whether there is a route to the world, over IPv4 and IPv6.
pub fn judge_routes(v4: bool, v6: bool, planet: bool) -> Finding {
    const CHECK: &str = "network";
    let next = "give this machine a route to the Internet, or run `cloudping up --planet`, which needs none";
    match (v4, v6) {
        (true, true) => Finding::ok(CHECK, "routes out, over IPv4 and IPv6"),
        (true, false) => Finding::warn(
            CHECK,
            "a route out over IPv4, none over IPv6: targets with only IPv6 addresses are recorded as unreachable",
            "nothing, unless you measure such targets",
        ),
        (false, true) => Finding::warn(
            CHECK,
            "a route out over IPv6, none over IPv4: most regions answer over IPv4 only",
            "add IPv4, or NAT64",
        ),
        (false, false) if planet => Finding::ok(CHECK, "no route out; the planet needs none"),
        (false, false) => Finding::fail(CHECK, "no route out of this machine", next),
    }
}

/// Whether this user may make the planet's network.
pub fn judge_planet(trial: Result<(), String>, wanted: bool) -> Finding {
    const CHECK: &str = "planet";
    match trial {
        Ok(()) => Finding::ok(CHECK, "this user may make the simulated network"),
        Err(error) if wanted => Finding::fail(CHECK, "this user may not make the simulated network", error),
        Err(error) => Finding::warn(
            CHECK,
            "`up --planet` will not work for this user; measuring the world needs no such right",
            error,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    fn data() -> DataFacts {
        DataFacts { path: "/data".into(), exists: true, writable: Ok(()), free: Ok(50 << 30), claimed: None }
    }

    fn statuses(facts: &DataFacts) -> Vec<Status> {
        judge_data(facts, "world").iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_directory_must_be_ours_writable_and_roomy() {
        assert_eq!(statuses(&data()), [Status::Ok; 2]);
        let absent = judge_data(&DataFacts { exists: false, ..data() }, "world");
        assert_eq!(absent[0].found, "/data is not there yet and can be made");
        assert_eq!(statuses(&DataFacts { claimed: Some("world".into()), ..data() }), [Status::Ok; 2]);
        let planets = judge_data(&DataFacts { claimed: Some("planet".into()), ..data() }, "world");
        assert_eq!(planets[0].status, Status::Fail);
        assert_eq!(planets[0].found, "/data holds measurements of the planet, and not of the world");
        let closed = judge_data(&DataFacts { writable: Err("Permission denied".into()), ..data() }, "world");
        assert_eq!((closed[0].status, &*closed[0].found), (Status::Fail, "/data: Permission denied"));
        assert_eq!(statuses(&DataFacts { free: Ok(1 << 30), ..data() }), [Status::Ok, Status::Warn]);
        assert_eq!(statuses(&DataFacts { free: Ok(1 << 20), ..data() }), [Status::Ok, Status::Fail]);
        assert_eq!(statuses(&DataFacts { free: Err("?".into()), ..data() }), [Status::Ok, Status::Warn]);
    }

    #[test]
    fn a_store_in_use_is_a_running_cloudping() {
        let judged = |opened| judge_store("event log", "log.redb", opened).status;
        assert_eq!(judged(None), Status::Ok);
        assert_eq!(judged(Some(Ok(()))), Status::Ok);
        assert_eq!(judged(Some(Err(OpenError::InUse { dir: "/data".into() }))), Status::Ok);
        let damaged = OpenError::Unreadable { path: "/data/log.redb".into(), kind: "event log", reason: "bad".into() };
        let finding = judge_store("event log", "log.redb", Some(Err(damaged)));
        assert!(finding.status == Status::Fail && finding.next.unwrap().contains("move it away"));
    }

    #[test]
    fn few_files_warn_and_too_few_fail() {
        let judged = |most| judge_files(most).status;
        assert_eq!([judged(Ok(256)), judged(Ok(1_024)), judged(Ok(4_096))], [Status::Fail, Status::Warn, Status::Ok]);
        assert_eq!(judged(Err("?".into())), Status::Warn);
    }

    #[test]
    fn a_probe_needs_the_kernels_time() {
        let timed = Reading { rtt_us: Some(31), ..Reading::failed(Outcome::Answered) };
        assert!(judge_probe(Ok(timed)).found.contains("31 µs"));
        assert_eq!(judge_probe(Ok(Reading::failed(Outcome::Answered))).status, Status::Fail);
        assert_eq!(judge_probe(Ok(Reading::failed(Outcome::Timeout))).status, Status::Fail);
        assert_eq!(judge_probe(Err("no socket".into())).status, Status::Fail);
    }

    #[test]
    fn the_planet_needs_rights_and_the_world_routes() {
        let routes = |v4, v6, planet| judge_routes(v4, v6, planet).status;
        assert_eq!([routes(true, true, false), routes(true, false, false)], [Status::Ok, Status::Warn]);
        assert_eq!([routes(false, true, false), routes(false, false, false)], [Status::Warn, Status::Fail]);
        assert_eq!(routes(false, false, true), Status::Ok);
        let trial = |wanted| judge_planet(Err("raise max_user_namespaces".into()), wanted);
        assert_eq!([trial(true).status, trial(false).status], [Status::Fail, Status::Warn]);
        assert_eq!(trial(true).next.as_deref(), Some("raise max_user_namespaces"));
        assert_eq!(judge_planet(Ok(()), true).status, Status::Ok);
    }
}
