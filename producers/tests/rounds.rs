//! A producer on real loopback connections: every round whole, contiguous and appended, whatever fails.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloudping_model::{Gap, GapReason, Outcome, Round, TargetId, VantageId};
use cloudping_ports::{EventLog, Shard};
use cloudping_producers::gaps;
use cloudping_producers::probers::Tcp;
use cloudping_producers::producer::{self, Surroundings, Vantage};
use cloudping_producers::schedule::Rate;
use cloudping_producers::targets::{Endpoint, Target, TargetPlan};
use cloudping_schemas::event;
use cloudping_testkit::{FaultPlan, Faulty, MemoryLog, Operation, When};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

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
    for Shard { id: shard, .. } in log.shards().await.unwrap() {
        for record in log.read(&shard, None, 10_000).await.unwrap() {
            rounds.push(event::decode(&record.data).unwrap());
        }
    }
    rounds
}

/// Measures for a second at ten rounds a second.
async fn measure(targets: Vec<Target>, log: Arc<dyn EventLog>, sockets: usize) {
    measure_with(targets, log, sockets, gaps::now).await;
}

async fn measure_with(targets: Vec<Target>, log: Arc<dyn EventLog>, sockets: usize, clocks: fn() -> gaps::Clocks) {
    let (stop, shutdown) = watch::channel(false);
    let vantage = Vantage {
        id: VantageId::new("here").unwrap(),
        source: None,
        targets,
        interval: Duration::from_millis(100),
        spread: None,
        timeout: Duration::from_millis(300),
    };
    let sockets = Arc::new(Semaphore::new(sockets));
    let surroundings = Surroundings { log, clocks, probers: Arc::new([Arc::new(Tcp)]), sockets, shutdown };
    let running = tokio::spawn(producer::run(vantage, surroundings, None));
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

/// Readings of the clocks in a round of 20 targets: at its start two, and of each probe when it is due, before and after.
const READINGS: u64 = 2 + 20 * 3;

/// The clocks of a machine that slept for an hour in the middle of its sixth round.
fn sleepy_clocks() -> gaps::Clocks {
    static READ: AtomicU64 = AtomicU64::new(0);
    let now = gaps::now();
    let asleep = READ.fetch_add(1, Ordering::Relaxed) > READINGS * 5 + READINGS / 2;
    let slept = if asleep { 3_600_000_000 } else { 0 };
    // One reading for both, as they are read one after the other.
    gaps::Clocks { wall: now.wall + slept, monotonic_us: now.monotonic_us, boottime_us: now.monotonic_us + slept }
}

#[tokio::test]
async fn a_sleep_of_the_machine_is_a_gap_and_no_latency() {
    let log = Arc::new(MemoryLog::new(NonZeroUsize::MIN));
    let mut targets = Vec::new();
    for nth in 0..20 {
        targets.push(target(&format!("t{nth}"), &answering().await));
    }
    measure_with(targets, log.clone(), 100, sleepy_clocks).await;
    let rounds = logged(log.as_ref()).await;
    let gaps: Vec<Gap> = rounds.iter().filter_map(|round| round.gap).collect();
    let [gap] = gaps[..] else { panic!("{gaps:?}") };
    assert_eq!(gap, Gap { reason: GapReason::Suspended, rounds: 36_000, micros: 3_600_000_000 });
    let after = rounds.iter().position(|round| round.gap.is_some()).unwrap();
    assert!(rounds[after].started_at.0 - rounds[after - 1].started_at.0 > 3_600_000_000);
    let made: Vec<usize> = rounds.iter().map(|round| round.samples.len()).collect();
    assert!(made[after - 1] < 20, "the round in which it fell asleep is cut short: {made:?}, the gap before {after}");
    assert!(rounds.iter().flat_map(|round| &round.samples).all(|sample| sample.rtt_us.unwrap_or(0) < 1_000_000));
    let numbers: Vec<u64> = rounds.iter().map(|round| round.id.number).collect();
    assert_eq!(numbers, (0..rounds.len() as u64).collect::<Vec<_>>(), "numbers stay contiguous");
}

#[tokio::test]
async fn each_target_is_probed_at_its_own_rate_in_bursts() {
    let plan = |rate, burst: u32| TargetPlan { rate, burst: burst.try_into().unwrap(), ..TargetPlan::default() };
    let targets = vec![
        target("slow", &answering().await).planned(plan(Rate::Every(3.try_into().unwrap()), 1)),
        target("fast", &answering().await).planned(plan(Rate::Interval(Duration::from_millis(50)), 1)),
        target("bursts", &answering().await).planned(plan(Rate::EveryRound, 3)),
    ];
    let log = Arc::new(MemoryLog::new(NonZeroUsize::MIN));
    measure(targets, log.clone(), 100).await;
    let rounds = &logged(log.as_ref()).await[..9];
    let count = |round: &Round, id: &str| round.samples.iter().filter(|sample| sample.target.as_str() == id).count();
    assert!(rounds.iter().all(|round| (count(round, "fast"), count(round, "bursts")) == (2, 3)));
    let slow: Vec<usize> = rounds.iter().map(|round| count(round, "slow")).collect();
    assert_eq!(slow.chunks(3).map(|three| three.iter().sum::<usize>()).collect::<Vec<_>>(), [1, 1, 1], "{slow:?}");
    for round in rounds {
        let left = round.samples.iter().filter(|sample| sample.target.as_str() == "bursts").map(|it| it.offset_us);
        let left: Vec<u32> = left.collect();
        assert!(left.windows(2).all(|pair| pair[1] - pair[0] >= 5_000), "{left:?}");
    }
}

/// In a network namespace that has no interface up, as a machine has none between two networks.
#[test]
fn without_a_network_every_probe_is_an_outcome_and_rounds_go_on() {
    let cut_off = std::thread::spawn(|| {
        // SAFETY: takes no pointers, and changes the network of this thread only.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            eprintln!("NOT TESTED WITHOUT A NETWORK: {}", std::io::Error::last_os_error());
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let log = Arc::new(MemoryLog::new(NonZeroUsize::MIN));
            let targets = vec![target("v4", "192.0.2.1:443"), target("v6", "[2001:db8::1]:443")];
            measure(targets, log.clone(), 100).await;
            let rounds = logged(log.as_ref()).await;
            assert!((9..=11).contains(&rounds.len()), "{} rounds in a second", rounds.len());
            for sample in rounds.iter().flat_map(|round| &round.samples) {
                assert_eq!((sample.outcome, sample.rtt_us), (Outcome::NotSent, None), "{}", sample.target);
            }
        });
    });
    cut_off.join().unwrap();
}
