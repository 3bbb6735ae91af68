//! Kinds of probes over known distances.
//!
//! Not under libtest, which starts threads: rights must be acquired before the first one.

use std::time::Duration;

use cloudping_model::Outcome;
use cloudping_planet::{Options, Place, Planet, Scenario, World, acquire_rights};
use cloudping_producers::probers::{Icmp, Prober, Reading, Request, Stamp};
use cloudping_testkit::own_harness;

const SOURCE: &str = "dublin";
const TARGET: &str = "london";
const RTT_US: u32 = 40_000;
/// How far a packet may be off on a busy test machine.
const TOLERANCE_US: u32 = 5_000;

fn main() {
    if own_harness::is_listing("probers_measure_what_the_planet_delays") {
        return;
    }
    acquire_rights().expect("the right to make namespaces");
    let planet = start();
    for v6 in [false, true] {
        let Some(request) = request(&planet, v6) else {
            println!("SKIPPED: this kernel refuses IPv6 in a namespace");
            continue;
        };
        apply(&planet, &format!("rtt_ms = {}", RTT_US / 1_000));
        if permit_pings(&planet) {
            (0..5).for_each(|_| assert_asked(&probe(&planet, Icmp, &request)));
            println!("an echo takes what the link takes, IPv6 {v6} ... ok");
        } else {
            println!("an echo takes what the link takes, IPv6 {v6} ... SKIPPED: ping sockets are not to be had here");
        }
        apply(&planet, "down = true");
        let short = Request { timeout: Duration::from_millis(300), ..request };
        assert_eq!(probe(&planet, Icmp, &short).rtt_us, None);
        assert_eq!(probe(&planet, Stamp, &short), Reading::failed(Outcome::Timeout));
        println!("an outage is a timeout, IPv6 {v6} ... ok");
    }
}

fn start() -> Planet {
    let place = |id: &str, latitude, longitude| Place { id: id.into(), latitude, longitude };
    let world = World::from_places(&[place(SOURCE, 53.35, -6.26), place(TARGET, 51.51, -0.13)]);
    Planet::start(world, Options::default()).expect("a planet")
}

fn request(planet: &Planet, v6: bool) -> Option<Request> {
    let (source, address) = if v6 {
        (planet.vantage_address_v6(SOURCE), planet.target_address_v6(TARGET)?)
    } else {
        (planet.vantage_address(SOURCE), planet.target_address(TARGET)?)
    };
    Some(Request { address, host: TARGET.into(), source, timeout: Duration::from_secs(5) })
}

fn apply(planet: &Planet, link: &str) {
    let text = format!("[[link]]\nsource = \"{SOURCE}\"\ntarget = \"{TARGET}\"\n{link}\n");
    planet.apply(&Scenario::parse(&text).expect("a scenario")).expect("known regions");
}

/// One probe from the vantage side.
fn probe(planet: &Planet, prober: impl Prober + 'static, request: &Request) -> Reading {
    let (entrance, request) = (planet.entrance(), request.clone());
    let inside = std::thread::spawn(move || {
        entrance.enter().expect("the vantage side");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(prober.probe(&request))
    });
    inside.join().expect("no panic")
}

fn assert_asked(reading: &Reading) {
    assert_eq!(reading.outcome, Outcome::Answered);
    let rtt_us = reading.rtt_us.expect("a time");
    assert!(rtt_us.abs_diff(RTT_US) < TOLERANCE_US, "{reading:?}");
}

/// The group of this process, on the vantage side only.
fn permit_pings(planet: &Planet) -> bool {
    let entrance = planet.entrance();
    let inside = std::thread::spawn(move || {
        entrance.enter().expect("the vantage side");
        std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0").is_ok()
    });
    inside.join().expect("no panic")
}
