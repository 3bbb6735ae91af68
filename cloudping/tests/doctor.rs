//! `cloudping doctor` on this machine: what is well passes, what is missing is named with what to do, and the exit code says which.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;
use std::time::SystemTime;

use serde_json::Value;
use support::cloudping;

/// A server whose clock shows this; its address.
fn clock(date: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _request = stream.read(&mut [0; 4096]).unwrap();
            let date = if date.is_empty() { httpdate::fmt_http_date(SystemTime::now()) } else { date.to_owned() };
            write!(stream, "HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .unwrap();
        }
    });
    address
}

fn doctor(arguments: &[&str]) -> Output {
    cloudping().arg("doctor").args(arguments).output().unwrap()
}

fn checks(output: &Output) -> Value {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["checks"].clone()
}

/// The check of this name.
fn check<'a>(checks: &'a Value, name: &str) -> &'a Value {
    let found = checks.as_array().unwrap().iter().find(|check| check["check"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {checks}"))
}

#[test]
fn a_machine_that_is_well_passes() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock(""));
    let data = dir.path().join("data");
    let output = doctor(&["--planet", "--data", data.to_str().unwrap(), "--clock", &clock]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let checks = checks(&output);
    for name in ["data directory", "event log", "live store", "probes", "planet", "time"] {
        assert_eq!(check(&checks, name)["status"], "ok", "{checks}");
    }
    assert!(check(&checks, "probes")["found"].as_str().unwrap().contains("the kernel times handshakes"), "{checks}");
    assert!(!data.exists(), "it makes nothing");
}

#[test]
fn what_is_wrong_is_named_and_the_exit_code_says_so() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock("Sun, 06 Nov 1994 08:49:37 GMT"));
    std::fs::write(dir.path().join("network"), "planet").unwrap();
    std::fs::write(dir.path().join("log.redb"), "no database").unwrap();
    let output = doctor(&["--data", dir.path().to_str().unwrap(), "--clock", &clock]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let checks = checks(&output);
    for (name, found, next) in [
        ("data directory", "holds measurements of the planet", "--data"),
        ("event log", "log.redb", "move it away"),
        ("time", "ahead of", "set the clock"),
    ] {
        let check = check(&checks, name);
        assert_eq!(check["status"], "fail", "{check}");
        assert!(check["found"].as_str().unwrap().contains(found), "{check}");
        assert!(check["next"].as_str().unwrap().contains(next), "{check}");
    }
    assert!(String::from_utf8_lossy(&output.stderr).contains("checks failed"), "{output:?}");
}

#[test]
fn a_line_a_check() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output =
        doctor(&["--planet", "--data", file.path().to_str().unwrap(), "--clock", "http://127.0.0.1:9", "-o", "table"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let line =
        |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{text}")).to_owned();
    assert!(line("FAIL  data directory ").contains("choose another directory with --data"), "{text}");
    assert!(line("warn  time ").contains("not compared with http://127.0.0.1:9"), "{text}");
    assert!(text.lines().all(|line| ["ok  ", "warn", "FAIL"].contains(&&line[..4])), "{text}");
}

#[cfg(not(feature = "aws"))]
#[test]
fn a_binary_without_aws_says_how_to_get_one_with_it() {
    for command in ["up", "doctor"] {
        let arguments = [command, "--aws", "--stream", "s", "--table", "t", "--bucket", "b"];
        let output = cloudping().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("--features aws"), "{text}");
    }
}
