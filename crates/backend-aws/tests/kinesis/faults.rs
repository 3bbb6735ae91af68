//! Faults between the log and a real server. Whatever strikes: nothing that was acknowledged is lost, and the order in which a
//! key's records come first is that of their appends; a record may come twice only where an answer was lost.

use std::time::Duration;

use bytes::Bytes;
use cloudping_backend_aws::KinesisLog;
use cloudping_ports::EventLog;
use cloudping_testkit::servers::Server;
use cloudping_testkit::{FaultyDoor, HttpFault};

use crate::support::{append_all, append_to_all, client, contents, expected, keys, plain_client, stream};

const PUT: &str = "PutRecords";

/// A stream, and a door before its server.
struct Place {
    door: FaultyDoor,
    /// A log behind the door.
    log: KinesisLog,
    /// The same stream beside the door.
    direct: KinesisLog,
}

impl Place {
    async fn new(server: &Server, shards: i32) -> Self {
        let beside = client(&server.address());
        let name = stream(&beside, shards).await;
        let door = FaultyDoor::before(server.address()).await;
        let log = KinesisLog::new(plain_client(&door.address()), &name).with_patience(Duration::from_secs(60));
        Self { door, log, direct: KinesisLog::new(beside, name) }
    }
}

fn refusal(status: u16, code: &str) -> HttpFault {
    HttpFault::Answered { status, body: format!(r#"{{"__type":"{code}","message":"by the door"}}"#) }
}

fn any_fault(rng: &mut fastrand::Rng) -> HttpFault {
    match rng.u8(0..6) {
        0 => HttpFault::AnswerLost,
        1 => refusal(500, "InternalFailure"),
        2 => refusal(503, "ServiceUnavailable"),
        3 => refusal(400, "ProvisionedThroughputExceededException"),
        _ => {
            let places = (0..40).filter(|_| rng.bool()).collect();
            let codes = ["ProvisionedThroughputExceededException", "InternalFailure"];
            HttpFault::RecordsRefused { places, code: codes[rng.usize(0..codes.len())] }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storms() {
    let Some(server) = Server::kinesis() else { return };
    appends_share_requests(&server).await;
    a_storm_of_faults_loses_nothing_and_keeps_the_order(&server).await;
    records_refused_one_by_one_come_once_and_in_order(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outages() {
    let Some(server) = Server::kinesis() else { return };
    an_answer_that_never_comes_is_not_waited_for(&server).await;
    an_outage_of_seconds_is_waited_out(&server).await;
    when_patience_ends_all_of_the_key_is_told_and_can_be_repeated(&server).await;
    a_lasting_refusal_is_told_after_one_request(&server).await;
}

/// Faults of every kind, one after the other, as long as they last.
async fn a_storm_of_faults_loses_nothing_and_keeps_the_order(server: &Server) {
    let place = Place::new(server, 3).await;
    let mut rng = fastrand::Rng::with_seed(0x5701_2A11);
    let faults: Vec<HttpFault> = (0..60).map(|_| any_fault(&mut rng)).collect();
    let lost = faults.iter().filter(|fault| **fault == HttpFault::AnswerLost).count();
    faults.into_iter().for_each(|fault| place.door.plan(PUT, fault));
    let keys = keys(12);
    append_to_all(&place.log, &keys, 25).await;
    assert!(place.door.seen(PUT) > 60, "all faults struck: {} requests", place.door.seen(PUT));
    let found = contents(&place.direct).await;
    assert_eq!(found.firsts, expected(&keys, 25));
    assert!(found.repeated <= lost * keys.len(), "{} repeated by {lost} lost answers", found.repeated);
}

/// Without lost answers every number is exact: nothing twice.
async fn records_refused_one_by_one_come_once_and_in_order(server: &Server) {
    let place = Place::new(server, 2).await;
    let mut rng = fastrand::Rng::with_seed(0x9A47_1A11);
    for _ in 0..40 {
        let places = (0..30).filter(|_| rng.u8(0..3) > 0).collect();
        place.door.plan(PUT, HttpFault::RecordsRefused { places, code: "ProvisionedThroughputExceededException" });
    }
    let keys = keys(20);
    append_to_all(&place.log, &keys, 10).await;
    let found = contents(&place.direct).await;
    assert_eq!(found.firsts, expected(&keys, 10));
    assert_eq!(found.repeated, 0);
    assert!(place.door.seen(PUT) > 40);
}

async fn an_answer_that_never_comes_is_not_waited_for(server: &Server) {
    let place = Place::new(server, 1).await;
    place.door.plan(PUT, HttpFault::AnswerNever);
    place.door.plan(PUT, HttpFault::AnswerNever);
    let answers = append_all(&place.log, "key", 0..5).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let found = contents(&place.direct).await;
    assert_eq!(found.firsts["key"], [0, 1, 2, 3, 4]);
    assert_eq!(found.repeated, 2, "the server had carried out what it did not answer");
}

async fn an_outage_of_seconds_is_waited_out(server: &Server) {
    let place = Place::new(server, 2).await;
    let keys = keys(8);
    place.door.close(true);
    let outage = async {
        // Nothing but time passes in an outage.
        tokio::time::sleep(Duration::from_secs(3)).await;
        place.door.close(false);
    };
    tokio::join!(append_to_all(&place.log, &keys, 10), outage);
    let found = contents(&place.direct).await;
    assert_eq!(found.firsts, expected(&keys, 10));
    assert_eq!(found.repeated, 0);
}

/// Who is told that an append failed appends again, in order, and all is well.
async fn when_patience_ends_all_of_the_key_is_told_and_can_be_repeated(server: &Server) {
    let place = Place::new(server, 1).await;
    let hasty = place.log.clone().with_patience(Duration::from_millis(200));
    place.door.close(true);
    let answers = append_all(&hasty, "key", 0..4).await;
    let texts: Vec<String> = answers.into_iter().map(|answer| answer.unwrap_err().to_string()).collect();
    assert!(texts[0].contains("given up after"), "{}", texts[0]);
    assert!(texts[1..].iter().all(|text| text.contains("an earlier record")), "{texts:?}");
    place.door.close(false);
    assert!(append_all(&hasty, "key", 0..4).await.iter().all(Result::is_ok));
    assert_eq!(contents(&place.direct).await.firsts["key"], [0, 1, 2, 3]);
}

async fn a_lasting_refusal_is_told_after_one_request(server: &Server) {
    let place = Place::new(server, 1).await;
    place.door.plan(PUT, refusal(400, "AccessDeniedException"));
    let error = place.log.append("key", Bytes::from_static(b"key 0")).await.unwrap_err().to_string();
    assert!(error.contains("AccessDeniedException") && error.contains("by the door"), "{error}");
    assert_eq!(place.door.seen(PUT), 1);
    place.log.append("key", Bytes::from_static(b"key 1")).await.unwrap();
    assert_eq!(contents(&place.direct).await.firsts["key"], [1]);
}

/// Many appends at once need few requests.
async fn appends_share_requests(server: &Server) {
    let place = Place::new(server, 1).await;
    append_to_all(&place.log, &keys(200), 2).await;
    let requests = place.door.seen(PUT);
    assert!(requests <= 20, "{requests} requests for 400 records of 200 keys");
}
