//! What is wrong with the settings or the surroundings ends in one line that says what to do, and exit code 2.

mod support;

use std::process::Command;

use support::cloudping;

/// Runs to the end; checks exit code 2 and that one line on standard error holds every part.
fn refused(mut command: Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

fn up(arguments: &[&str]) -> Command {
    let mut command = cloudping();
    command.arg("up").args(arguments);
    command
}

#[test]
fn a_wrong_setting() {
    refused(up(&["--interval", "1ms"]), &["--interval", "1ms", "expected 100ms to 540s"]);
    refused(up(&["--regions", "us-east-1,mars-1"]), &["--regions", "mars-1", "us-west-2"]);
    refused(up(&["--vantage", "My Laptop"]), &["--vantage", "My Laptop"]);
    refused(up(&["--planet", "--scenario", "/nowhere.toml"]), &["--scenario", "/nowhere.toml"]);
    refused(up(&["--planet", "--gateway", "--regions", "eu-west-1"]), &["--gateway", "one region", "two or more"]);
    refused(up(&["--gateway-control", "a=http://a,a=http://b"]), &["--gateway-control", "called \"a\""]);
}

#[test]
fn gateways_that_cannot_be() {
    for (arguments, parts) in [
        (&["--gateway"][..], ["--planet", "were not provided"]),
        (&["--gateway-control", "edge=gateway:8090"], ["--gateway-control", "expected [NAME=]http://HOST:PORT"]),
    ] {
        let output = up(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn a_scenario_that_names_no_region_or_no_field() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("scenario.toml");
    let run = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let data = dir.path().join("data");
        up(&[
            "--planet",
            "--listen",
            "127.0.0.1:0",
            "--data",
            data.to_str().unwrap(),
            "--scenario",
            file.to_str().unwrap(),
        ])
    };
    refused(run("[defaults]\nlos = 1\n"), &["los", "line 2"]);
    refused(run("[[link]]\nsource = \"mars-1\"\ntarget = \"*\"\n"), &["mars-1"]);
}

#[test]
fn a_data_directory_that_is_none() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    refused(up(&["--data", path, "--listen", "127.0.0.1:0"]), &[path, "not a directory", "--data"]);
    refused(up(&["--data", "/proc/cloudping", "--listen", "127.0.0.1:0"]), &["/proc/cloudping", "--data"]);
}

#[test]
fn a_port_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = dir.path().to_str().unwrap();
    refused(up(&["--data", data, "--listen", &address]), &[&address, "in use", "--listen"]);
}

#[test]
fn an_address_that_cannot_be_reflected_on() {
    let reflect = |address: &str| {
        let mut command = cloudping();
        command.args(["reflect", "--listen", address]);
        command
    };
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(reflect(&address), &[&address, "in use", "another port with --listen"]);
    refused(reflect("192.0.2.1:0"), &["192.0.2.1:0", "an address of this machine with --listen"]);
}

#[test]
fn no_right_to_reflect_on_the_standard_port() {
    // In a network of its own, where the port is free and ports below 1024 are reserved whatever this machine allows.
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "setpriv", "--bounding-set", "-net_bind_service"]);
    command.args([env!("CARGO_BIN_EXE_cloudping"), "reflect"]);
    refused(command, &["0.0.0.0:862", "CAP_NET_BIND_SERVICE", "--listen"]);
}

#[test]
fn a_data_directory_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let server = support::Server::start(dir.path(), &["--regions", "us-east-1,us-east-2"]);
    let data = dir.path().to_str().unwrap();
    refused(up(&["--data", data, "--listen", "127.0.0.1:0"]), &["another cloudping uses", data, "--data"]);
    server.stop();
}

#[test]
fn a_data_directory_of_the_simulated_network_for_real_measurements() {
    let dir = tempfile::tempdir().unwrap();
    support::Server::start(dir.path(), &["--regions", "us-east-1,us-east-2"]).stop();
    let data = dir.path().to_str().unwrap();
    refused(up(&["--data", data, "--listen", "127.0.0.1:0"]), &[data, "of the planet", "--data"]);
}

#[test]
fn no_right_to_make_the_planets_network() {
    let dir = tempfile::tempdir().unwrap();
    // A user namespace of its own in which no network namespace may be made.
    let script = format!(
        "echo 0 > /proc/sys/user/max_net_namespaces && exec {} up --planet --listen 127.0.0.1:0 --data {}",
        env!("CARGO_BIN_EXE_cloudping"),
        dir.path().display()
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", &script]);
    refused(command, &["cannot make a network namespace", "max_net_namespaces"]);
}

#[test]
fn nothing_to_ask() {
    let output = cloudping().args(["matrix", "--url", "http://127.0.0.1:9"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("no cloudping answers") && text.contains("cloudping up"), "{text}");
}
