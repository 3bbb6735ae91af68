//! `gateway test` against a packet counter on a real socket.

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::process::Output;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use support::cloudping;

/// Counts `of` packets in batches of ten; after each full batch it waits `delay` and replies, as one region after the other.
fn counter(of: usize, delay: Duration) -> (SocketAddr, JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let counting = std::thread::spawn(move || {
        let mut buffer = [0; 100];
        for number in 1..=of {
            let (_, sender) = socket.recv_from(&mut buffer).unwrap();
            if number % 10 == 0 {
                std::thread::sleep(delay);
                let region = ["us-west-2", "eu-west-1"][number / 10 % 2];
                socket.send_to(format!("10 {region}\n").as_bytes(), sender).unwrap();
            }
        }
    });
    (address, counting)
}

fn run(address: SocketAddr, options: &[&str]) -> Output {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    cloudping().args(["gateway", "test", &host, &port]).args(options).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn packets_are_accounted_for_by_region() {
    let (address, counting) = counter(100, Duration::from_millis(5));
    let output = run(address, &["-t", "1.5"]);
    counting.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["target"], address.to_string());
    let number = |name: &str| json[name].as_u64().unwrap();
    assert_eq!(["attempted", "queued", "received", "lost", "surplus"].map(number), [100, 100, 100, 0, 0]);
    for (at, region) in ["eu-west-1", "us-west-2"].into_iter().enumerate() {
        let told = &json["regions"][at];
        assert_eq!((&told["region"], &told["responses"], &told["packets"]), (&region.into(), &5.into(), &50.into()));
        let ms = ["min_ms", "average_ms", "max_ms"].map(|name| told[name].as_f64().unwrap());
        assert!(ms[0] >= 5.0 && ms.is_sorted() && ms[2] < 1_500.0, "{ms:?}");
    }
}

#[test]
fn what_no_reply_stands_for_is_lost() {
    let (address, counting) = counter(15, Duration::ZERO);
    let output = run(address, &["-n", "15", "-t", "0.3", "-o", "table"]);
    counting.join().unwrap();
    let shown = text(&output.stdout);
    let lines: Vec<&str> = shown.lines().collect();
    let numbers = lines[..4].iter().map(|line| line.rsplit_once(' ').unwrap().1);
    assert_eq!(numbers.collect::<Vec<_>>(), ["15", "15", "10", "5"], "{shown}");
    assert!(lines.last().unwrap().starts_with(" eu-west-1"), "{shown}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn where_nobody_counts_it_says_so() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let output = run(silent.local_addr().unwrap(), &["-n", "3", "-t", "0.1", "-o", "table"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("Packets lost in transit:      3"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("no reply from"), "{}", text(&output.stderr));

    let address = silent.local_addr().unwrap();
    drop(silent);
    let output = run(address, &["-n", "3", "-t", "0.1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nobody listens on"), "{}", text(&output.stderr));
}

#[test]
fn a_bad_value_is_an_error_with_exit_code_1() {
    let error = |arguments: &[&str]| {
        let output = cloudping().args(["gateway", "test"]).args(arguments).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
        text(&output.stderr)
    };
    let number = "Error: -n is \"101\", expected a number from 1 to 100\n";
    assert_eq!(error(&["127.0.0.1", "2061", "-n", "101"]), number);
    assert!(error(&["127.0.0.1", "2061", "-n", "-1"]).starts_with("Error: -n is \"-1\""));
    assert!(error(&["127.0.0.1", "2061", "-t", "0"]).starts_with("Error: -t is \"0\""));
    assert!(error(&["127.0.0.1", "70000"]).starts_with("Error: PORT is \"70000\""));
    assert!(error(&["nowhere.invalid", "2061"]).starts_with("Error: HOST \"nowhere.invalid\": "));
}
