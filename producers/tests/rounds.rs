//! A producer on real loopback connections: every round whole, contiguous and appended, whatever fails.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloudping_model::{Outcome, Round, TargetId, UtcMicros, VantageId};
use cloudping_ports::EventLog;
use cloudping_producers::producer::{self, Surroundings, Vantage};
use cloudping_producers::targets::{Endpoint, Target};
use cloudping_schemas::event;
use cloudping_testkit::{FaultPlan, Faulty, MemoryLog, Operation, When};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

fn clock() -> UtcMicros {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UtcMicros(i64::try_from(now.as_micros()).unwrap())
}

fn target(id: &str, endpoint: &str) -> Target {
    Target::new(TargetId::new(id).unwrap(), Endpoint::parse(endpoint).unwrap())
}

async fn answering() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    address
}

async fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

async fn logged(log: &dyn EventLog) -> Vec<Round> {
    let mut rounds = Vec::new();
    for shard in log.shards().await.unwrap() {
        for record in log.read(&shard, None, 10_000).await.unwrap() {
            rounds.push(event::decode(&record.data).unwrap());
        }
    }
    rounds
}

/// Measures for a second at ten rounds a second.
async fn measure(targets: Vec<Target>, log: Arc<dyn EventLog>, sockets: usize) {
    let (stop, shutdown) = watch::channel(false);
    let vantage = Vantage {
        id: VantageId::new("here").unwrap(),
        source: None,
        targets,
        interval: Duration::from_millis(100),
        timeout: Duration::from_millis(300),
    };
    let sockets = Arc::new(Semaphore::new(sockets));
    let surroundings = Surroundings { log, clock, sockets, shutdown };
    let running = tokio::spawn(producer::run(vantage, surroundings));
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn each_target_has_its_outcome_in_every_round_and_a_failing_log_loses_nothing() {
    let targets = vec![
        target("answers", &answering().await),
        target("closed", &closed().await),
        target("nameless", "nowhere.invalid:443"),
    ];
    let inner = Arc::new(MemoryLog::new(NonZeroUsize::MIN));
    let plan =
        FaultPlan::none().fail(Operation::Append, 2, When::BeforeActing).fail(Operation::Append, 4, When::AfterActing);
    measure(targets, Arc::new(Faulty::new(inner.clone(), plan)), 100).await;

    let mut rounds = logged(inner.as_ref()).await;
    assert_eq!(rounds[2], rounds[3], "the append whose answer was lost came again");
    rounds.dedup();
    assert!((9..=11).contains(&rounds.len()), "{} rounds in a second", rounds.len());
    for (round, number) in rounds.iter().zip(0..) {
        assert_eq!((round.id.number, round.id.epoch), (number, rounds[0].id.epoch));
        let outcome = |id: &str| {
            let sample = round.samples.iter().find(|sample| sample.target.as_str() == id);
            let sample = sample.unwrap_or_else(|| panic!("{id} is missing in round {number}"));
            (sample.outcome, sample.rtt_us.is_some())
        };
        assert_eq!(outcome("answers"), (Outcome::Answered, true));
        assert_eq!(outcome("closed"), (Outcome::Refused, false));
        assert_eq!(outcome("nameless"), (Outcome::DnsFailure, false));
    }
}

#[tokio::test]
async fn a_probe_without_a_socket_is_not_sent_and_not_lost() {
    let log = Arc::new(MemoryLog::new(NonZeroUsize::MIN));
    measure(vec![target("answers", &answering().await)], log.clone(), 0).await;
    let rounds = logged(log.as_ref()).await;
    let outcomes = rounds.iter().flat_map(|round| &round.samples).map(|sample| sample.outcome);
    assert!(rounds.len() >= 9 && outcomes.into_iter().all(|outcome| outcome == Outcome::NotSent));
}

#[tokio::test]
async fn a_timeout_longer_than_the_interval_delays_no_round() {
    // Never accepted and with a backlog that is full: connections hang.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fill = Vec::new();
    for _ in 0..4 {
        fill.push(tokio::spawn(tokio::net::TcpStream::connect(address)));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let log = Arc::new(MemoryLog::new(NonZeroUsize::MIN));
    measure(vec![target("hangs", &address.to_string())], log.clone(), 100).await;
    let rounds = logged(log.as_ref()).await;
    assert!((9..=11).contains(&rounds.len()), "{} rounds in a second", rounds.len());
    let outcomes = rounds.iter().flat_map(|round| &round.samples).map(|sample| sample.outcome);
    assert!(outcomes.into_iter().all(|outcome| outcome == Outcome::Timeout));
    drop(fill);
}
