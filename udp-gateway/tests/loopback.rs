//! The gateway on real sockets, with handlers in this process.

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cloudping_schemas::catalogue::Catalogue;
use cloudping_udp_gateway::Gateway;
use cloudping_udp_gateway::targets::TargetAddress;
use support::{World, bound, config, receive, socket, start, until};

const TEST: &str = "target = \"in-process:test\"\n";

fn in_process(name: &str) -> TargetAddress {
    TargetAddress::InProcess(name.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_packet_counter_answers_each_sender_with_its_count() {
    let config = config("", "batching = { count = 5, timeout_seconds = 10 }\ntarget = \"in-process:packet-counter\"\n");
    let gateway = start(&config, &World::default());
    let to = gateway.listeners()[0].address;
    let (one, other) = (bound("127.0.0.2:0".parse().unwrap()), bound("127.0.0.3:0".parse().unwrap()));
    for socket in [&one, &other, &one, &other, &other] {
        socket.send_to(b"test", to).unwrap();
    }
    assert_eq!(receive(&one), "2 eu-west-1\n");
    assert_eq!(receive(&other), "3 eu-west-1\n");
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_batch_goes_out_when_its_time_is_over() {
    let world = World::default();
    let gateway = start(&config("", &format!("batching = {{ timeout_seconds = 0.1 }}\n{TEST}")), &world);
    let (client, before) = (socket(), Instant::now());
    client.send_to(b"test", gateway.listeners()[0].address).unwrap();
    assert_eq!(receive(&client), "eu-west-1");
    let taken = before.elapsed();
    assert!((Duration::from_millis(95)..Duration::from_secs(5)).contains(&taken), "{taken:?}");
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_waits_when_it_stops_is_delivered() {
    let world = World::default();
    let gateway = start(&config("", &format!("batching = {{ timeout_seconds = 30 }}\n{TEST}")), &world);
    let client = socket();
    client.send_to(b"test", gateway.listeners()[0].address).unwrap();
    until("it is received", || gateway.listeners()[0].tally.received.get() == 1).await;
    gateway.stop().await.unwrap();
    assert_eq!(world.total(), 1);
    assert_eq!(receive(&client), "eu-west-1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn both_families_reach_one_socket() {
    let world = World::default();
    let mut config = config("", &format!("batching = {{ count = 1 }}\n{TEST}"));
    config.listeners[0].address = "[::]:0".parse().unwrap();
    let gateway = start(&config, &world);
    let port = gateway.listeners()[0].address.port();
    for here in ["127.0.0.1", "[::1]"] {
        let client = bound(format!("{here}:0").parse().unwrap());
        client.send_to(b"test", format!("{here}:{port}")).unwrap();
        assert_eq!(receive(&client), "eu-west-1", "{here}");
    }
    let senders: Vec<String> =
        world.counter("eu-west-1").by_sender.lock().unwrap().keys().map(ToString::to_string).collect();
    assert!(senders.contains(&"127.0.0.1".to_owned()) && senders.contains(&"::1".to_owned()), "{senders:?}");
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn strangers_and_those_who_send_too_much_are_dropped_and_counted() {
    let world = World::default();
    let mut config =
        config("senders = { packets_per_second = 1, burst = 10 }", &format!("batching = {{ count = 1 }}\n{TEST}"));
    config.listeners[0].allowed = vec!["127.0.0.2/32".parse().unwrap()];
    let gateway = start(&config, &world);
    let listener = &gateway.listeners()[0];
    let (known, stranger) = (bound("127.0.0.2:0".parse().unwrap()), bound("127.0.0.3:0".parse().unwrap()));
    for _ in 0..30 {
        known.send_to(b"test", listener.address).unwrap();
        stranger.send_to(b"test", listener.address).unwrap();
    }
    until("all are received", || listener.tally.received.get() == 60).await;
    let tally = &listener.tally;
    assert_eq!(tally.not_allowed.get(), 30);
    let accepted = tally.accepted.get();
    // A second may have passed on a slow machine.
    assert!((10..20).contains(&accepted), "{accepted}");
    assert_eq!(tally.rate_limited.get() + accepted, 30);
    assert_eq!(world.total(), accepted);
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_destination_without_targets_drops_and_takes_one_at_any_time() {
    let world = World::default();
    let gateway = start(&config("", "batching = { count = 1 }\n"), &world);
    let (to, destination) = (gateway.listeners()[0].address, &gateway.destinations()[0]);
    let client = socket();
    client.send_to(b"lost", to).unwrap();
    until("it is dropped", || destination.tally.no_target.get() == 1).await;
    let address = in_process("test");
    let sink = world.connectors().connect("us-east-1", &address).unwrap();
    destination.set("us-east-1", address, sink);
    client.send_to(b"test", to).unwrap();
    assert_eq!(receive(&client), "us-east-1");
    assert!(destination.remove("us-east-1"));
    client.send_to(b"lost", to).unwrap();
    until("it is dropped", || destination.tally.no_target.get() == 2).await;
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_batch_that_fails_goes_to_the_next_target_once() {
    let world = World::default();
    let targets = "batching = { count = 1 }\nbreaker = { failures = 1, pause_seconds = 0.2 }\n[destination.targets]\n\
                   \"eu-west-1\" = \"in-process:test\"\n\"*\" = \"in-process:test\"\n\
                   \"eu-west-2\" = \"in-process:test\"\n\"us-east-1\" = \"in-process:test\"\n";
    let config = config("", targets);
    let gateway = start(&config, &world);
    let (to, destination) = (gateway.listeners()[0].address, &gateway.destinations()[0]);
    // `*` stands in the ingress region here, so both die together.
    world.counter("eu-west-1").kill(true);
    let client = socket();
    client.send_to(b"a", to).unwrap();
    until("it failed twice", || destination.tally.failed.get() == 1).await;
    assert_eq!((destination.tally.retried.get(), world.total()), (1, 0));
    for region in ["eu-west-2", "us-east-1"] {
        let target = destination.targets(Instant::now()).into_iter().find(|it| &*it.region == region).unwrap();
        assert_eq!(target.tally.failures.get(), 0);
    }
    let nearest = destination.choose(Instant::now(), None).unwrap().region.to_string();
    client.send_to(b"b", to).unwrap();
    assert_eq!(receive(&client), nearest, "both are left alone for now");
    world.counter("eu-west-1").kill(false);
    tokio::time::sleep(Duration::from_millis(250)).await;
    client.send_to(b"c", to).unwrap();
    assert_eq!(receive(&client), "eu-west-1", "it is well again");
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_port_that_is_taken_is_named() {
    let taken = socket();
    let mut config = config("", TEST);
    config.listeners[0].address = taken.local_addr().unwrap();
    let address: SocketAddr = config.listeners[0].address;
    let (catalogue, connectors) = (Catalogue::built_in().unwrap(), World::default().connectors());
    let error = Gateway::start(config, catalogue, connectors, "run").unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("cannot listen on UDP {address}: Address already in use")),
        "{error}"
    );
}
