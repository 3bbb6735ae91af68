//! Alerts on the planet: an outage fires once, is told, and is resolved; a good route stays quiet; a bad file is refused.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Server, cloudping};

const CALM: &str = "";
const OUTAGE: &str = r#"
[[link]]
source = "eu-west-1"
target = "us-east-1"
symmetric = false
down = true
"#;
/// A share of 5 minutes' probes that an outage of half a minute passes early in a run, and that good minutes after it lower again.
const RULES: &str = r#"
[[rule]]
name = "outage"
statistic = "loss"
above = 0.3
clear = 0.2
clear_for = "1s"
notify = ["http://ADDRESS/hook"]

[[rule]]
name = "far"
source = "eu-west-1"
statistic = "p50"
above = 10000
notify = ["http://ADDRESS/hook"]
"#;

/// A server that takes every notice, and passes it on.
fn receiver() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, notices) = channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = BufReader::new(client.unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                client.read_line(&mut line).unwrap();
                let line = line.trim_end().to_ascii_lowercase();
                match line.strip_prefix("content-length: ") {
                    Some(value) => length = value.parse().unwrap(),
                    None if line.is_empty() => break,
                    None => {}
                }
            }
            let mut body = vec![0; length];
            client.read_exact(&mut body).unwrap();
            client.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
            if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    (address, notices)
}

fn event(notice: &Value) -> [Value; 5] {
    assert_eq!(notice["alerts"].as_array().unwrap().len(), 1, "{notice}");
    let alert = &notice["alerts"][0];
    [
        notice["rule"].clone(),
        alert["event"].clone(),
        alert["source"].clone(),
        alert["target"].clone(),
        notice["simulated"].clone(),
    ]
}

#[test]
fn an_outage_is_told_once_and_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (scenario, rules) = (dir.path().join("scenario.toml"), dir.path().join("alerts.toml"));
    let (address, notices) = receiver();
    std::fs::write(&scenario, CALM).unwrap();
    std::fs::write(&rules, RULES.replace("ADDRESS", &address)).unwrap();
    let arguments = ["--regions", "eu-west-1,us-east-1,ap-south-1", "--interval", "250ms"];
    let files = ["--scenario", scenario.to_str().unwrap(), "--alerts", rules.to_str().unwrap()];
    let server = Server::start(&dir.path().join("data"), &[&arguments[..], &files[..]].concat());
    std::thread::sleep(Duration::from_secs(5));
    std::fs::write(&scenario, OUTAGE).unwrap();
    let fired = notices.recv_timeout(Duration::from_secs(60)).unwrap();
    let of = |event: &str| [json!("outage"), json!(event), json!("eu-west-1"), json!("us-east-1"), json!(true)];
    assert_eq!(event(&fired), of("firing"));
    assert!(fired["alerts"][0]["value"].as_f64().unwrap() > 0.3, "{fired}");
    let firing = server.get("/api/v1/alerts?state=firing");
    assert_eq!(firing["alerts"].as_array().unwrap().len(), 1, "{firing}");

    std::fs::write(&scenario, CALM).unwrap();
    let resolved = notices.recv_timeout(Duration::from_secs(150)).unwrap();
    assert_eq!(event(&resolved), of("resolved"));
    assert_eq!(resolved["alerts"][0]["episode"], fired["alerts"][0]["episode"]);
    let alerts = server.get("/api/v1/alerts");
    let states: Vec<&str> =
        alerts["alerts"].as_array().unwrap().iter().map(|alert| alert["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["ok"; 8], "six pairs of one rule, two of the other: {alerts}");
    let check = cloudping().args(["alerts", "check", "--now", "--url", &server.url]).arg(&rules).output().unwrap();
    let checked: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!((&checked["rules"][1]["name"], &checked["now"]), (&json!("far"), &json!([])), "{check:?}");
    server.stop();
    assert!(notices.try_recv().is_err(), "nothing was told twice");
}

#[test]
fn a_bad_file_is_refused_by_rule_and_field() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("alerts.toml");
    std::fs::write(&rules, "[[rule]]\nname = \"slow\"\nstatistic = \"p50\"\nabove = 100\nclear = 101\n").unwrap();
    let fault = "rule \"slow\": clear is 101, expected at most above, 100\n";
    let check = cloudping().args(["alerts", "check"]).arg(&rules).output().unwrap();
    let said = String::from_utf8(check.stderr).unwrap();
    assert_eq!((check.status.code(), said), (Some(2), format!("cloudping: {}: {fault}", rules.display())));
    let arguments = ["up", "--no-catalogue", "--target", "a=127.0.0.1:9", "--listen", "127.0.0.1:0", "--alerts"];
    let up = cloudping().args(arguments).arg(&rules).arg("--data").arg(dir.path().join("data")).output().unwrap();
    let said = String::from_utf8(up.stderr).unwrap();
    assert!(up.status.code() == Some(2) && said.ends_with(fault), "{said}");
}
