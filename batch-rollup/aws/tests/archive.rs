//! The archive on a real S3 server: what it promises anywhere, and what S3 alone can do to it.

#[path = "../../tests/all/common/mod.rs"]
mod common;
mod rig;

use std::time::Duration;

use cloudping_batch_rollup::{ArchiveReport, Archiver, Rollup, RollupReport};
use cloudping_batch_rollup_lambda::handler::{Handler, Upkeep};
use cloudping_model::UtcMicros;
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::tables::Origin;
use cloudping_testkit::{FaultyDoor, HttpFault};
use common::contract::{self, log_of};
use common::{HOUR, SECOND, TEN, append, expected_rows, ints, rounds, sql, stored_rows};
use rig::{bucket, tables};

/// A request that commits to the table of samples.
const COMMIT: &str = "PUT /archive/faults/samples/_delta_log/";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_archive_keeps_its_promises_on_s3() {
    let Some(server) = bucket().await else { return };
    let fresh = async |prefix: &str| tables(&server.address(), prefix).await;
    contract::every_sample_becomes_a_row_and_a_second_run_adds_none(fresh("a/plain").await).await;
    contract::archivers_that_race_take_turns(fresh("race").await).await;
    contract::an_archiver_dropped_anywhere_is_replaced_by_the_next(fresh("dropped").await).await;
    contract::hours_follow_the_samples_also_when_rollups_race(fresh("hours").await).await;
    contract::a_table_is_created_once_by_many(fresh("created").await).await;
}

fn refusal(status: u16, code: &str) -> HttpFault {
    HttpFault::Answered { status, body: format!("<Error><Code>{code}</Code></Error>") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_s3_fails_loses_and_doubles_nothing() {
    let Some(server) = bucket().await else { return };
    let door = FaultyDoor::before(server.address()).await;
    let through = tables(&door.address(), "faults").await;
    let mut all = rounds(1, TEN, 8, 10);
    let log = log_of(&all).await;
    let archiver = Archiver::new(log.clone(), through.clone());
    archiver.run_once().await.unwrap();
    let more = |number: u64| rounds(number, TEN + number.cast_signed() * 100 * SECOND, 2, 10);
    let mut next = async |number| {
        let more = more(number);
        append(&log, &more).await;
        all.extend(more);
        expected_rows(&all)
    };

    // The commit took effect and its answer was lost. Repeated, it meets itself: the archiver takes that for another's success, reads anew, and
    // finds everything done.
    let expected = next(2).await;
    let commits = door.seen(COMMIT);
    door.plan(COMMIT, HttpFault::AnswerLost);
    assert_eq!(archiver.run_once().await.unwrap(), ArchiveReport::default());
    assert_eq!(door.seen(COMMIT), commits + 2);
    assert_eq!(archiver.run_once().await.unwrap(), ArchiveReport::default());
    assert_eq!(stored_rows(&through).await, expected);

    // A storm, and S3's word that another conditional write is under way: both are waited out within the run.
    let expected = next(3).await;
    for fault in [refusal(503, "SlowDown"), refusal(500, "InternalError"), refusal(409, "ConditionalRequestConflict")] {
        door.plan(COMMIT, fault);
    }
    let report = archiver.run_once().await.unwrap();
    assert_eq!((report.rounds, report.duplicates), (8, 0));
    assert_eq!(stored_rows(&through).await, expected);

    // Refused for good: the run fails, and once S3 takes it again nothing is missing.
    let expected = next(4).await;
    door.plan(COMMIT, refusal(403, "AccessDenied"));
    let error = archiver.run_once().await.unwrap_err().to_string();
    assert!(error.contains("AccessDenied"), "{error}");
    archiver.run_once().await.unwrap();
    assert_eq!(stored_rows(&through).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_whose_commit_s3_fails_are_made_good() {
    let Some(server) = bucket().await else { return };
    let door = FaultyDoor::before(server.address()).await;
    let through = tables(&door.address(), "hours").await;
    let log = log_of(&rounds(1, TEN, 10, 60)).await;
    Archiver::new(log.clone(), through.clone()).run_once().await.unwrap();
    let rollup = Rollup::new(through.clone());
    rollup.run_once(UtcMicros(TEN + 2 * HOUR)).await.unwrap();
    append(&log, &rounds(2, TEN + HOUR, 10, 60)).await;
    Archiver::new(log, through.clone()).run_once().await.unwrap();
    door.plan("PUT /archive/hours/rollup_1h/_delta_log/", HttpFault::AnswerLost);
    assert_eq!(
        rollup.run_once(UtcMicros(TEN + 2 * HOUR)).await.unwrap(),
        RollupReport::default(),
        "done, as the second attempt finds"
    );
    let hours =
        sql(&through, "SELECT count(*) AS n, count(DISTINCT (source, target, family, hour)) AS d FROM rollup_1h");
    let hours = hours.await;
    assert_eq!(ints(&hours, "n"), ints(&hours, "d"));
    let sent = "SELECT (SELECT sum(sent) FROM rollup_1h) - (SELECT count(*) FROM samples WHERE outcome NOT IN ('not_sent', 'dns_failure')) AS off";
    assert_eq!(ints(&sql(&through, sent).await, "off"), [Some(0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_invocation_had_no_time_for_another_one_does() {
    let Some(server) = bucket().await else { return };
    let tables = tables(&server.address(), "invoked").await;
    let all = rounds(1, TEN, 10, 60);
    let log = log_of(&all).await;
    let upkeep =
        Upkeep { enabled: true, keep: Duration::from_secs(7 * 86_400), catalogue: Catalogue::built_in().unwrap() };
    let handler = Handler::new(log.clone(), Origin::Simulated, &tables, upkeep.clone());
    let now = UtcMicros(TEN + 2 * HOUR);
    let report = handler.invoke(now, Duration::ZERO).await.unwrap();
    assert_eq!(report.unfinished, ["archive", "rollup", "compaction", "table of regions", "vacuum"]);
    assert_eq!((report.archived, report.compacted), (None, None));

    let report = handler.invoke(now + HOUR / 4, Duration::from_secs(60)).await.unwrap();
    assert_eq!((report.archived.unwrap().rounds, report.rolled_up.unwrap().hours), (40, 1));
    assert!(report.compacted.is_some() && report.vacuumed.is_some() && report.unfinished.is_empty(), "{report:?}");
    assert_eq!(stored_rows(&tables).await, expected_rows(&all));
    let origins = sql(&tables, "SELECT count(*) AS n FROM samples WHERE origin = 'simulated'").await;
    assert_eq!(ints(&origins, "n"), [Some(120)]);

    let left_alone = Handler::new(log, Origin::Simulated, &tables, Upkeep { enabled: false, ..upkeep });
    let report = left_alone.invoke(now + HOUR, Duration::from_secs(60)).await.unwrap();
    assert_eq!((report.compacted, report.vacuumed, report.unfinished), (None, None, Vec::new()));
}
