//! A region of the planet falls silent and heals, beneath a gateway that sends there.
//!
//! Each target is a counter behind the planet: a batch is counted once a connection to its region stands. Not under libtest, which starts
//! threads: rights must be acquired before the first one.

mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cloudping_planet::{Entrance, Options, Place, Planet, Scenario, World as PlanetWorld, acquire_rights};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_testkit::own_harness;
use cloudping_udp_gateway::Gateway;
use cloudping_udp_gateway::targets::{
    Connect, ConnectError, Connectors, Delivery, Sink, Target, TargetAddress, TargetError,
};
use socket2::{Domain, Socket, Type};
use support::{config, socket};

const HERE: &str = "eu-west-1";
const NEAR: &str = "eu-central-1";
const FAR: &str = "us-east-1";

/// What the regions' counters have counted: datagrams by batch, and when the newest came.
type Counted = Arc<Mutex<HashMap<String, HashMap<String, u64>>>>;

#[derive(Clone)]
struct Regions {
    entrance: Entrance,
    source: SocketAddr,
    addresses: HashMap<String, SocketAddr>,
    counted: Counted,
}

struct Counter {
    regions: Regions,
    region: String,
}

impl Connect for Regions {
    fn connect(&self, region: &str, _: &TargetAddress) -> Option<Result<Sink, ConnectError>> {
        Some(Ok(Sink::Remote(Arc::new(Counter { regions: self.clone(), region: region.to_owned() }))))
    }
}

#[async_trait]
impl Target for Counter {
    async fn deliver(&self, delivery: &Delivery) -> Result<Vec<u8>, TargetError> {
        let (regions, to, time) = (self.regions.clone(), self.regions.addresses[&self.region], delivery.time);
        let connected = tokio::task::spawn_blocking(move || connect(&regions, to, time)).await.expect("no panic");
        connected.map_err(|error| TargetError::NotTaken(error.to_string()))?;
        let batch: serde_json::Value = serde_json::from_slice(&delivery.body).expect("JSON");
        let packets = batch["Messages"].as_array().expect("messages").len() as u64;
        let mut counted = self.regions.counted.lock().expect("no panic");
        let before = counted.entry(self.region.clone()).or_default().insert(delivery.id.to_string(), packets);
        assert_eq!(before, None, "no batch is counted twice in one region");
        let replies = (0..packets).map(|index| serde_json::json!({ "Tag": format!("{index:x}"), "Data": self.region }));
        Ok(serde_json::json!({ "Replies": replies.collect::<Vec<_>>() }).to_string().into_bytes())
    }
}

/// A handshake over the planet, from the gateway's region.
fn connect(regions: &Regions, to: SocketAddr, time: Duration) -> std::io::Result<()> {
    let regions = regions.clone();
    // A thread that has entered stays there.
    let inside = std::thread::spawn(move || {
        regions.entrance.enter()?;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&regions.source.into())?;
        socket.connect_timeout(&to.into(), time)
    });
    inside.join().expect("no panic")
}

fn main() {
    if own_harness::is_listing("a_region_falls_silent_and_heals") {
        return;
    }
    acquire_rights().expect("the right to make namespaces");
    let places: Vec<Place> = [HERE, NEAR, FAR].map(place).into();
    let planet = Planet::start(PlanetWorld::from_places(&places), Options::default()).expect("a planet");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(fail_over(&planet));
    println!("traffic leaves a region that fell silent within a second and comes back when it heals ... ok");
}

fn place(id: &str) -> Place {
    let catalogue = Catalogue::built_in().expect("the catalogue");
    let region = catalogue.get(id).expect("a region");
    Place { id: id.into(), latitude: region.latitude, longitude: region.longitude }
}

fn down(planet: &Planet, down: bool) {
    let text = format!("[[link]]\nsource = \"{HERE}\"\ntarget = \"{NEAR}\"\ndown = {down}\n");
    planet.apply(&Scenario::parse(&text).expect("a scenario")).expect("known regions");
}

async fn fail_over(planet: &Planet) {
    let regions = Regions {
        entrance: planet.entrance(),
        source: SocketAddr::new(planet.vantage_address(HERE).expect("the gateway's region"), 0),
        addresses: [NEAR, FAR].map(|id| (id.to_owned(), planet.target_address(id).expect("a region"))).into(),
        counted: Counted::default(),
    };
    let destination = format!(
        "batching = {{ count = 10, timeout_seconds = 0.02 }}\nformatter = \"ascii\"\n[destination.targets]\n\
         \"{NEAR}\" = \"in-process:test\"\n\"{FAR}\" = \"in-process:test\"\n"
    );
    let config = config("", &destination);
    let connectors = Connectors::default().with(regions.clone());
    let catalogue = Catalogue::built_in().expect("the catalogue");
    let gateway = Gateway::start(config, catalogue, connectors, "run").expect("a gateway");
    let to = gateway.listeners()[0].address;
    let start = Instant::now();
    let streaming = std::thread::spawn(move || stream(to, start, Duration::from_secs(8)));
    tokio::time::sleep(Duration::from_secs(1)).await;
    down(planet, true);
    let killed = start.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    down(planet, false);
    let answers = tokio::task::spawn_blocking(move || streaming.join().expect("no panic")).await.expect("no panic");
    let destination = Arc::clone(&gateway.destinations()[0]);
    gateway.stop().await.expect("a gateway that received to its end");

    let (first, last) = (answers.first().expect("answers"), answers.last().expect("answers"));
    assert_eq!((&*first.1, &*last.1), (NEAR, NEAR), "the nearest serves before and after");
    let moved = answers.iter().find(|(_, who)| who == FAR).expect("the other one took over").0 - killed;
    let back = answers.iter().rfind(|(_, who)| who == FAR).expect("the other one took over").0 - killed;
    println!("moved after {moved:?}, back {back:?} after it fell silent for 2 s");
    assert!(moved < Duration::from_secs(1), "{moved:?}");

    let counted = regions.counted.lock().expect("no panic");
    let total: u64 = counted.values().flat_map(HashMap::values).sum();
    let tally = &destination.tally;
    assert!(counted[NEAR].keys().all(|id| !counted[FAR].contains_key(id)), "no batch is counted in two regions");
    assert_eq!(total, tally.delivered.get());
    assert_eq!(tally.offered.get(), total, "none is lost either: a failed handshake has counted nothing");
}

/// Sends a steady stream; says when each datagram was answered, and by whom.
fn stream(to: SocketAddr, start: Instant, time: Duration) -> Vec<(Duration, String)> {
    let (client, mut answers) = (socket(), Vec::new());
    client.set_read_timeout(Some(Duration::from_millis(5))).expect("a timeout");
    let mut buffer = [0; 64];
    while start.elapsed() < time {
        client.send_to(b"test", to).expect("loopback takes it");
        while let Ok(length) = client.recv(&mut buffer) {
            answers.push((start.elapsed(), String::from_utf8_lossy(&buffer[..length]).into_owned()));
        }
    }
    answers
}
