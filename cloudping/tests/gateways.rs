//! UDP gateways of `up --planet --gateway`, and one elsewhere, as the API tells of them.

mod support;

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Api, Server, cloudping};

const SITES: [&str; 3] = ["eu-west-1", "us-east-1", "ap-southeast-1"];
const TOKEN: &str = "0123456789abcdef";
/// The whole region falls silent, in both directions. The weather is read again within a quarter of a second.
const OUTAGE: &str = "[[link]]\nsource = \"*\"\ntarget = \"eu-west-1\"\ndown = true\n";
/// Fail-over takes less than a second after the outage; a machine that is busy with other tests gets some more.
const MOVED_WITHIN: Duration = Duration::from_millis(2_500);
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// A gateway, as it is seen.
fn seen(api: &Api, name: &str) -> Value {
    let all = api.get("/api/v1/gateways");
    let gateways = all["gateways"].as_array().unwrap();
    gateways.iter().find(|gateway| gateway["name"] == name).unwrap_or_else(|| panic!("no {name} in {all}")).clone()
}

fn counter(api: &Api, name: &str) -> Value {
    seen(api, name)["state"]["destinations"][0].clone()
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Sends a datagram every 20 ms until the region that answers is (or is not) the wanted one; says how long that took.
fn answered_by(port: u16, wanted: impl Fn(&str) -> bool) -> Duration {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let (start, mut buffer) = (Instant::now(), [0; 64]);
    loop {
        socket.send(b"test").unwrap();
        if let Ok(length) = socket.recv(&mut buffer) {
            let reply = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let (_, region) = reply.trim_end().split_once(' ').expect("a count and a region");
            if wanted(region) {
                return start.elapsed();
            }
        }
        assert!(start.elapsed() < Duration::from_secs(20), "nobody else answers");
    }
}

fn port(api: &Api, name: &str) -> u16 {
    let address = seen(api, name)["state"]["listeners"][0]["address"].as_str().unwrap().to_owned();
    address.strip_prefix("127.0.0.1:").expect("a port of loopback").parse().unwrap()
}

/// Every datagram is accounted for, and the simulated senders get their replies.
fn all_count(api: &Api) {
    for site in SITES {
        until("the senders' datagrams are counted by their own region", || {
            let counter = counter(api, site);
            counter["serving"] == site && counter["targets"][0]["packets"].as_u64().unwrap() > 20
        });
        let state = seen(api, site)["state"].clone();
        let planet = &state["listeners"][1];
        assert_eq!((&state["region"], &planet["domain"]), (&site.into(), &"simulated-senders".into()));
        assert!(planet["replies"].as_u64().unwrap() > 0, "{planet}");
        let counter = &state["destinations"][0];
        assert_eq!(counter["targets"].as_array().unwrap().len(), SITES.len());
    }
    until("they route by the live matrix", || {
        SITES.iter().all(|site| {
            let matrix = seen(api, site)["state"]["matrix"].clone();
            matrix["simulated"] == true && matrix["regions"].as_u64() >= Some(2)
        })
    });
    // The way over the Atlantic and back is 5,600 km each way.
    until("they know how far the others are", || {
        let targets = counter(api, "eu-west-1")["targets"].clone();
        let far = targets.as_array().unwrap().iter().find(|target| target["region"] == "us-east-1").cloned().unwrap();
        far["rtt_ms"].as_f64().is_some_and(|ms| (60.0..120.0).contains(&ms))
    });
}

#[test]
fn who_watches_sees_a_region_fail_and_another_take_over() {
    let folder = tempfile::tempdir().unwrap();
    let weather = folder.path().join("weather.toml");
    std::fs::write(&weather, "").unwrap();
    let data = folder.path().join("data");
    let regions = SITES.join(",");
    let arguments = ["--gateway", "--regions", &regions, "--scenario", weather.to_str().unwrap()];
    let server = Server::start(&data, &arguments);
    all_count(&server);
    let port = port(&server, "eu-west-1");
    let test =
        cloudping().args(["gateway", "test", "127.0.0.1", &port.to_string(), "-n", "20", "-t", "2"]).output().unwrap();
    assert!(test.status.success(), "{}", String::from_utf8_lossy(&test.stderr));
    let report: Value = serde_json::from_slice(&test.stdout).unwrap();
    assert_eq!(report["regions"][0]["region"], "eu-west-1", "{report}");

    std::fs::write(&weather, OUTAGE).unwrap();
    let moved = answered_by(port, |region| region != "eu-west-1");
    until("the API says so", || counter(&server, "eu-west-1")["serving"] != "eu-west-1");
    let counter_now = counter(&server, "eu-west-1");
    assert_eq!(counter_now["serving"], "us-east-1", "the nearest of the others");
    for other in &SITES[1..] {
        assert_eq!(counter(&server, other)["serving"], *other);
    }
    std::fs::write(&weather, "").unwrap();
    let back = answered_by(port, |region| region == "eu-west-1");
    until("the API says so", || counter(&server, "eu-west-1")["serving"] == "eu-west-1");
    println!("moved {moved:?} after the weather was changed, and back {back:?} after it was again");
    assert!(moved < MOVED_WITHIN && back < BACK_WITHIN, "{moved:?}, {back:?}");

    let counter = counter(&server, "eu-west-1");
    let count = |field: &Value| field.as_u64().unwrap();
    let dropped: u64 = counter["dropped"].as_object().unwrap().values().map(count).sum();
    assert_eq!(count(&counter["offered"]), count(&counter["waiting"]) + count(&counter["delivered"]) + dropped);
    assert!(count(&counter["retried"]) > 0, "{counter}");
    server.stop();
}

/// A gateway of its own process; it is killed when dropped.
struct Elsewhere(Child, String);

impl Elsewhere {
    fn start(folder: &std::path::Path) -> Self {
        std::fs::write(folder.join("token"), TOKEN).unwrap();
        let config = format!(
            "region = \"eu-west-1\"\ncontrol = \"127.0.0.1:0\"\ntoken_file = \"{}/token\"\n[[listener]]\nport = 0\nbind = \"127.0.0.1\"\n\
             domain = \"ingress-1\"\ndestinations = [\"counter\"]\n[[destination]]\nname = \"counter\"\ntarget = \"in-process:packet-counter\"\n",
            folder.display()
        );
        let file = folder.join("gateway.toml");
        std::fs::write(&file, config).unwrap();
        let mut command = cloudping();
        let mut child = command.args(["gateway", "run", "--config"]).arg(&file).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let control = lines.find_map(|line| line.unwrap().strip_prefix("control API at ").map(str::to_owned)).unwrap();
        Self(child, control)
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_gateway_elsewhere_is_shown_and_missed() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Elsewhere::start(folder.path());
    let mut command = cloudping();
    command.args(["up", "--planet", "--regions", "eu-west-1,us-east-1", "--listen", "127.0.0.1:0", "--data"]);
    command.arg(folder.path().join("data")).args(["--gateway-control", &format!("edge-1={}", gateway.1)]);
    let server = Server::run({
        command.env("CLOUDPING_GATEWAY_TOKEN", TOKEN);
        command
    });
    let there = seen(&server, "edge-1");
    assert_eq!((&there["error"], &there["state"]["region"]), (&Value::Null, &"eu-west-1".into()));
    drop(gateway);
    until("it is missed", || !seen(&server, "edge-1")["error"].is_null());
    assert_eq!(seen(&server, "edge-1")["state"]["region"], "eu-west-1", "what it said last");
    server.stop();
}
