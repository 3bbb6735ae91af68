//! A gateway on loopback, and handlers that can be killed.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cloudping_schemas::catalogue::Catalogue;
use cloudping_udp_gateway::packets::Packets;
use cloudping_udp_gateway::replies::Replies;
use cloudping_udp_gateway::targets::http::Http;
use cloudping_udp_gateway::targets::{Connectors, Handler, InProcess, TargetError};
use cloudping_udp_gateway::{Config, Gateway};

/// Counts what it takes, by sender, and takes nothing while it is dead.
#[derive(Debug, Default)]
pub struct Counter {
    pub dead: AtomicBool,
    pub packets: AtomicU64,
    pub by_sender: Mutex<HashMap<IpAddr, u64>>,
    pub region: String,
}

impl Counter {
    pub fn packets(&self) -> u64 {
        self.packets.load(SeqCst)
    }

    pub fn kill(&self, dead: bool) {
        self.dead.store(dead, SeqCst);
    }
}

impl Handler for Counter {
    fn handle(&self, packets: &Packets, replies: &mut Replies) -> Result<(), TargetError> {
        if self.dead.load(SeqCst) {
            return Err(TargetError::NotTaken("it is dead".to_owned()));
        }
        self.packets.fetch_add(packets.len() as u64, SeqCst);
        let mut by_sender = self.by_sender.lock().unwrap();
        for (index, packet) in packets.iter().enumerate() {
            *by_sender.entry(packet.remote.ip()).or_default() += 1;
            replies.push(index, self.region.as_bytes());
        }
        Ok(())
    }
}

/// One counter for each region that asks for it by `in-process:test`.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub counters: Arc<Mutex<HashMap<String, Arc<Counter>>>>,
}

impl World {
    pub fn counter(&self, region: &str) -> Arc<Counter> {
        let mut counters = self.counters.lock().unwrap();
        let new = || Arc::new(Counter { region: region.to_owned(), ..Counter::default() });
        Arc::clone(counters.entry(region.to_owned()).or_insert_with(new))
    }

    pub fn total(&self) -> u64 {
        self.counters.lock().unwrap().values().map(|counter| counter.packets()).sum()
    }

    pub fn connectors(&self) -> Connectors {
        let world = self.clone();
        let in_process = InProcess::new().with("test", move |region| world.counter(region));
        Connectors::default().with(in_process).with(Http::default())
    }
}

/// A listener on a free port of 127.0.0.1 whose datagrams go to the destination `d`.
pub fn config(head: &str, destination: &str) -> Config {
    let text = format!(
        "region = \"eu-west-1\"\n{head}\n[[listener]]\nport = 0\nbind = \"127.0.0.1\"\ndomain = \"ingress-1\"\n\
         destinations = [\"d\"]\n[[destination]]\nname = \"d\"\n{destination}"
    );
    Config::parse(&text, &Catalogue::built_in().unwrap()).unwrap()
}

pub fn start(config: &Config, world: &World) -> Gateway {
    Gateway::start(config.clone(), Catalogue::built_in().unwrap(), world.connectors(), "run").unwrap()
}

pub fn socket() -> UdpSocket {
    bound("127.0.0.1:0".parse().unwrap())
}

pub fn bound(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

/// The next datagram, as text.
pub fn receive(socket: &UdpSocket) -> String {
    let mut buffer = [0; 65_536];
    let length = socket.recv(&mut buffer).expect("a reply within 10 s");
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// Waits until it is so.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
