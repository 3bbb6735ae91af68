//! `cloudping agent --check`: whether rounds would be measured well here, and taken there.

use std::path::Path;
use std::time::Duration;

use cloudping_ingest_client::DoorError;

use super::door;
use super::plan::{KeyFacts, Plan};
use crate::checks::finding::{Finding, Report};
use crate::checks::folder::{self, FolderFacts};
use crate::checks::{clock, kernel, prober};

/// How long the door may take to tell its time.
const CLOCK_LIMIT: Duration = Duration::from_secs(5);

/// Looks at everything. Sends no round, and leaves nothing behind.
pub fn report(plan: &Plan) -> Report {
    let Plan { join, door, key, spool: (spool, bytes), vantage } = plan;
    let KeyFacts { vantage: id, fingerprint } = key;
    let mut findings = vec![
        Finding::ok("key", format!("of {id}, fingerprint {fingerprint}")),
        judge_door(join, door.knock(), key),
        clock::judge_offset("time", "the door", clock::ask(join, CLOCK_LIMIT, crate::clock::now)),
        clock::judge_discipline(kernel::discipline()),
    ];
    findings.extend(judge_spool(&folder::facts(spool.clone()), *bytes));
    findings.push(prober::judge_files(kernel::most_open_files().map_err(|error| error.to_string())));
    findings.push(prober::judge(prober::try_here()));
    findings.push(Finding::ok("targets", format!("{}, each {:?}", vantage.targets.len(), vantage.interval)));
    Report::new(findings)
}

fn judge_door(join: &str, answer: Result<(), DoorError>, key: &KeyFacts) -> Finding {
    const CHECK: &str = "door";
    match answer {
        Ok(()) => Finding::ok(CHECK, format!("{join} knows the key and takes rounds")),
        Err(error) => Finding::fail(CHECK, error.to_string(), door::next(&error, key)),
    }
}

fn judge_spool(facts: &FolderFacts, bytes: u64) -> [Finding; 2] {
    const CHECK: &str = "spool";
    let path = facts.path.display();
    let place = match &facts.writable {
        Ok(()) => Finding::ok(CHECK, format!("{path} can be written")),
        Err(error) => Finding::fail(
            CHECK,
            format!("{path}: {error}"),
            "check as the user whom the service runs as, or choose another directory with --spool",
        ),
    };
    [place, judge_room(&facts.path, facts.free.as_ref(), bytes)]
}

/// The file of a spool is larger than the rounds in it, by about a half.
fn judge_room(path: &Path, free: Result<&u64, &String>, bytes: u64) -> Finding {
    const CHECK: &str = "disk";
    let (path, mib) = (path.display(), |bytes: u64| bytes >> 20);
    let next = "make room, or let less wait with --spool-mib";
    match free {
        Err(error) => Finding::warn(CHECK, format!("free space of {path} unknown: {error}"), next),
        Ok(&free) if free < bytes + bytes / 2 => {
            let found = format!("{} MiB free at {path}, and up to {} MiB of rounds may wait", mib(free), mib(bytes));
            Finding::warn(CHECK, found, next)
        }
        Ok(&free) => Finding::ok(CHECK, format!("{} MiB free at {path}", mib(free))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Status;

    #[test]
    fn a_disk_that_the_spool_could_fill_is_a_warning() {
        let judged = |free: Result<u64, String>| judge_room(Path::new("/s"), free.as_ref(), 256 << 20);
        assert_eq!(judged(Ok(384 << 20)).status, Status::Ok);
        let tight = judged(Ok(300 << 20));
        assert_eq!(
            (tight.status, &*tight.found),
            (Status::Warn, "300 MiB free at /s, and up to 256 MiB of rounds may wait")
        );
        assert_eq!(judged(Err("no such file".to_owned())).status, Status::Warn);
    }

    #[test]
    fn a_spool_that_cannot_be_written_fails() {
        let facts = FolderFacts {
            path: "/s".into(),
            exists: true,
            writable: Err("Permission denied".to_owned()),
            free: Ok(1 << 40),
        };
        let [place, room] = judge_spool(&facts, 1);
        assert_eq!((place.status, room.status), (Status::Fail, Status::Ok));
        assert!(place.next.unwrap().contains("--spool"));
    }
}
