//! Every datagram is accounted for, whatever happens to the targets.

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cloudping_udp_gateway::targets::TargetAddress;
use cloudping_udp_gateway::{Gateway, sys};
use support::{World, bound, config, start};

const SENDERS: u16 = 1_000;
const REGIONS: [&str; 4] = ["eu-west-1", "eu-central-1", "us-east-1", "*"];

/// 1,000 addresses of this machine.
fn senders() -> Vec<UdpSocket> {
    let address = |n: u16| SocketAddr::from(([127, 9, (n / 250) as u8, (n % 250) as u8 + 1], 0));
    (0..SENDERS).map(|n| bound(address(n))).collect()
}

/// Sends so many datagrams from all senders in turns, no faster than the gateway takes them, since what the kernel drops tests nothing.
fn send(gateway: &Gateway, packets: u64, sent: &AtomicU64) {
    let (senders, listener) = (senders(), &gateway.listeners()[0]);
    let burst = [(listener.address, &b"0123456789012345678901234567890123456789012345678901234567890123"[..]); 8];
    'all: loop {
        for sender in &senders {
            let count = sys::send(sender, false, burst.iter().copied()).sent;
            if sent.fetch_add(count, SeqCst) + count >= packets {
                break 'all;
            }
            while sent.load(SeqCst) > listener.tally.received.get() + sys::kernel_drops(&listener.socket) + 5_000 {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
}

/// Adds, removes, kills and heals targets at random until it is told to stop; says how often.
fn disturb(gateway: &Gateway, world: &World, stop: &AtomicBool) -> u64 {
    let (destination, connectors) = (&gateway.destinations()[0], world.connectors());
    let mut random = 1_u64;
    let mut changes = 0;
    while !stop.load(SeqCst) {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let region = REGIONS[(random >> 33) as usize % REGIONS.len()];
        match random >> 60 {
            0..5 => {
                let address = TargetAddress::InProcess("test".to_owned());
                let sink = connectors.connect(region, &address).unwrap();
                destination.set(region, address, sink);
            }
            5..8 => {
                destination.remove(region);
            }
            8..11 => world.counter(region).kill(true),
            _ => world.counter(region).kill(false),
        }
        changes += 1;
        std::thread::sleep(Duration::from_micros(500));
    }
    changes
}

async fn account_for(packets: u64) {
    let world = World::default();
    let gateway = start(&config("", "breaker = { failures = 3, pause_seconds = 0.01 }\n"), &world);
    let (sent, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let before = Instant::now();
    let changes = std::thread::scope(|scope| {
        let disturbing = scope.spawn(|| disturb(&gateway, &world, &stop));
        send(&gateway, packets, &sent);
        stop.store(true, SeqCst);
        disturbing.join().unwrap()
    });
    let listener = &gateway.listeners()[0];
    let all = sent.load(SeqCst);
    let arrived = || listener.tally.received.get() + sys::kernel_drops(&listener.socket) == all;
    support::until("all have arrived", arrived).await;
    let dropped_by_kernel = sys::kernel_drops(&listener.socket);
    let (received, accepted) = (listener.tally.received.get(), listener.tally.accepted.get());
    let destination = Arc::clone(&gateway.destinations()[0]);
    gateway.stop().await.unwrap();

    let tally = &destination.tally;
    let (delivered, failed, no_target) = (tally.delivered.get(), tally.failed.get(), tally.no_target.get());
    println!(
        "{received} received in {:?} ({dropped_by_kernel} dropped by the kernel), {changes} changes: {delivered} delivered, \
         {failed} failed, {no_target} without target, {} batches retried",
        before.elapsed(),
        tally.retried.get(),
    );
    assert_eq!(received + dropped_by_kernel, all);
    assert_eq!((received, tally.waiting()), (accepted, 0));
    assert_eq!(tally.offered.get(), delivered + failed + no_target);
    assert_eq!(received, tally.offered.get());
    // What the targets counted themselves.
    assert_eq!(world.total(), delivered);
    let by_sender: u64 =
        world.counters.lock().unwrap().values().map(|it| it.by_sender.lock().unwrap().values().sum::<u64>()).sum();
    assert_eq!(by_sender, delivered);
    assert!(delivered > 0 && failed > 0 && no_target > 0 && tally.retried.get() > 0, "every case was met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn counts_add_up_while_targets_come_go_and_die() {
    account_for(400_000).await;
}

/// As above, for as many as are asked for: about a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "takes a minute or more"]
async fn counts_of_ten_million_add_up() {
    account_for(10_000_000).await;
}
