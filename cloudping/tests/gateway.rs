//! `cloudping gateway run` and `status` as a process.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::cloudping;

const TOKEN: &str = "0123456789abcdef";

/// A running gateway; it is killed when dropped.
struct Running {
    child: Child,
    listening: String,
    control: String,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(folder: &Path, text: &str) -> PathBuf {
    std::fs::write(folder.join("token"), TOKEN).unwrap();
    let file = folder.join("gateway.toml");
    std::fs::write(&file, text.replace("FOLDER", folder.to_str().unwrap())).unwrap();
    file
}

const GOOD: &str = r#"
region = "eu-west-1"
control = "127.0.0.1:0"
token_file = "FOLDER/token"
[[listener]]
port = 0
bind = "127.0.0.1"
domain = "ingress-1"
destinations = ["counter"]
[[destination]]
name = "counter"
batching = { count = 3 }
target = "in-process:packet-counter"
"#;

fn start(file: &Path) -> Running {
    let mut child = cloudping().args(["gateway", "run", "--config"]).arg(file).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = |before: &str| {
        let line = lines.next().unwrap().unwrap();
        let rest = line.strip_prefix(before).unwrap_or_else(|| panic!("{line:?}, expected {before:?}"));
        rest.split(' ').next().unwrap().to_owned()
    };
    let (listening, control) = (next("receiving at UDP "), next("control API at "));
    Running { child, listening, control, lines }
}

fn status(control: &str, token: &str, format: &str) -> (bool, String, String) {
    let mut command = cloudping();
    command.args(["gateway", "status", "--url", control, "-o", format]).env("CLOUDPING_GATEWAY_TOKEN", token);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn it_counts_says_so_and_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = start(&write(folder.path(), GOOD));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for _ in 0..3 {
        client.send_to(b"test", &running.listening).unwrap();
    }
    let mut buffer = [0; 64];
    let length = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"3 eu-west-1\n");

    let (good, json, _) = status(&running.control, TOKEN, "json");
    assert!(good);
    let state: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(state["destinations"][0]["delivered"], 3);
    assert_eq!(state["destinations"][0]["serving"], "*");
    let (_, table, _) = status(&running.control, TOKEN, "table");
    assert!(table.contains("counter: served by *; offered 3, delivered 3, waiting 0"), "{table}");
    let (good, _, error) = status(&running.control, "wrong", "json");
    assert!(!good && error.contains("the token is missing or wrong"), "{error}");

    let id = running.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(running.child.wait().unwrap().success());
    assert_eq!(running.lines.next().unwrap().unwrap(), "stopped; 3 datagrams received");
}

#[test]
fn a_file_that_is_wrong_is_refused_with_every_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), &GOOD.replace("eu-west-1", "moon-1").replace("count = 3", "count = 0"));
    let mut child =
        cloudping().args(["gateway", "run", "--check", "--config"]).arg(&file).stderr(Stdio::piped()).spawn().unwrap();
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(error.contains("region is \"moon-1\"") && error.contains("batching.count is 0"), "{error}");
    let good =
        cloudping().args(["gateway", "run", "--check", "--config"]).arg(write(folder.path(), GOOD)).output().unwrap();
    assert!(good.status.success());
}

#[test]
fn nobody_there_is_said_with_what_to_do() {
    let (good, _, error) = status("http://127.0.0.1:1", TOKEN, "json");
    assert!(!good && error.contains("start one with `cloudping gateway run --config gateway.toml`"), "{error}");
}
