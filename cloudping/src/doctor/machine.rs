//! What `up` needs of this machine: from facts to findings.

use cloudping_agent::checks::finding::Finding;
use cloudping_agent::checks::folder::FolderFacts;
use cloudping_backend_local::OpenError;

/// A data directory that is nearly full stops the log, bytes.
const LEAST_FREE: u64 = 200 << 20;
/// Some days of the planet's archive, bytes.
const ENOUGH_FREE: u64 = 5 << 30;

/// The data directory.
#[derive(Debug)]
pub struct DataFacts {
    /// The directory itself.
    pub folder: FolderFacts,
    /// Whose measurements it holds, if any.
    pub claimed: Option<String>,
}

/// What to think of the data directory; `network` is whose measurements it shall hold.
pub fn judge_data(facts: &DataFacts, network: &str) -> Vec<Finding> {
    const CHECK: &str = "data directory";
    let path = facts.folder.path.display();
    let other = "choose another directory with --data";
    let place = match (&facts.folder.writable, &facts.claimed) {
        (Err(error), _) => Finding::fail(CHECK, format!("{path}: {error}"), format!("change its owner, or {other}")),
        (Ok(()), Some(claimed)) if claimed != network => {
            Finding::fail(CHECK, format!("{path} holds measurements of the {claimed}, and not of the {network}"), other)
        }
        (Ok(()), Some(claimed)) => {
            Finding::ok(CHECK, format!("{path} is writable and holds measurements of the {claimed}"))
        }
        (Ok(()), None) if facts.folder.exists => Finding::ok(CHECK, format!("{path} is writable")),
        (Ok(()), None) => Finding::ok(CHECK, format!("{path} is not there yet and can be made")),
    };
    vec![place, judge_free(&facts.folder)]
}

fn judge_free(facts: &FolderFacts) -> Finding {
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
    use cloudping_agent::checks::finding::Status;

    use super::*;

    fn folder() -> FolderFacts {
        FolderFacts { path: "/data".into(), exists: true, writable: Ok(()), free: Ok(50 << 30) }
    }

    fn judged(folder: FolderFacts, claimed: Option<&str>) -> Vec<Finding> {
        judge_data(&DataFacts { folder, claimed: claimed.map(str::to_owned) }, "world")
    }

    fn statuses(folder: FolderFacts, claimed: Option<&str>) -> Vec<Status> {
        judged(folder, claimed).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn a_directory_must_be_ours_writable_and_roomy() {
        assert_eq!(statuses(folder(), None), [Status::Ok; 2]);
        let absent = judged(FolderFacts { exists: false, ..folder() }, None);
        assert_eq!(absent[0].found, "/data is not there yet and can be made");
        assert_eq!(statuses(folder(), Some("world")), [Status::Ok; 2]);
        let planets = judged(folder(), Some("planet"));
        assert_eq!(planets[0].status, Status::Fail);
        assert_eq!(planets[0].found, "/data holds measurements of the planet, and not of the world");
        let closed = judged(FolderFacts { writable: Err("Permission denied".into()), ..folder() }, None);
        assert_eq!((closed[0].status, &*closed[0].found), (Status::Fail, "/data: Permission denied"));
        assert_eq!(statuses(FolderFacts { free: Ok(1 << 30), ..folder() }, None), [Status::Ok, Status::Warn]);
        assert_eq!(statuses(FolderFacts { free: Ok(1 << 20), ..folder() }, None), [Status::Ok, Status::Fail]);
        assert_eq!(statuses(FolderFacts { free: Err("?".into()), ..folder() }, None), [Status::Ok, Status::Warn]);
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
