//! The commands that measure from here, against real listeners on this machine.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::cloudping;

/// A port that answers. The kernel completes handshakes up to the backlog; nobody needs to accept.
fn answering() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// A port that refuses: bound, so that nobody else gets it, and not listening.
fn closed() -> (socket2::Socket, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap().to_string();
    (socket, address)
}

fn run(arguments: &[&str]) -> Output {
    cloudping().args(arguments).output().unwrap()
}

/// Three quick probes to each.
fn probe(targets: &[&str], options: &[&str]) -> Output {
    run(&[&["probe", "--count", "3", "--interval", "20ms"], options, targets].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn json_in_a_pipe_is_one_document_of_statistics() {
    let ((_open, near), (_closed, refusing)) = (answering(), closed());
    let output = probe(&[&near, &refusing], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (up, down) = (&json[0], &json[1]);
    assert_eq!((up["target"].as_str(), up["address"].as_str()), (Some(near.as_str()), Some(near.as_str())));
    assert_eq!((&up["sent"], &up["lost"], &up["loss"]), (&3.into(), &0.into(), &0.0.into()));
    let times: Vec<f64> =
        ["min_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms"].iter().map(|name| up[*name].as_f64().unwrap()).collect();
    assert!(times.is_sorted() && times[0] > 0.0 && times[0] < 50.0, "{times:?}");
    assert!(up["own_error_p50_ms"].is_number() && up["kind"] == "tcp");
    assert_eq!((&down["lost"], &down["loss"], &down["p50_ms"]), (&3.into(), &1.0.into(), &Value::Null));
    assert_eq!(down["outcomes"]["refused"], 3);
}

#[test]
fn csv_and_ndjson_are_a_line_a_probe() {
    let ((_open, near), (_closed, refusing)) = (answering(), closed());
    let csv = text(&probe(&[&near, &refusing], &["-o", "csv"]).stdout);
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 1 + 6, "{csv}");
    assert_eq!(
        lines[0],
        ["time", "target", "kind", "address", "number", "outcome", "rtt_ms", "connect_ms", "retransmits"]
    );
    assert!(lines[1..].iter().all(|line| line.len() == lines[0].len() && line[0].ends_with('Z')), "{csv}");
    assert!(lines[1..].iter().all(|line| (line[1] == near) == (line[5] == "answered")), "{csv}");
    let ndjson = text(&probe(&[&near, &refusing], &["-o", "ndjson"]).stdout);
    let records: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers = |target: &str| {
        let of = records.iter().filter(|record| record["target"] == target);
        let mut numbers: Vec<u64> = of.map(|record| record["number"].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!((numbers(&near), numbers(&refusing)), (vec![1, 2, 3], vec![1, 2, 3]), "{ndjson}");
    let answered = records.iter().filter(|record| record["outcome"] == "answered");
    assert_eq!(answered.filter(|record| record["rtt_ms"].is_number()).count(), 3, "{ndjson}");
}

#[test]
fn exit_codes() {
    let ((_open, near), (_closed, refusing)) = (answering(), closed());
    let ends = |targets: &[&str], options: &[&str], code: i32, message: &str| {
        let output = probe(targets, options);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{options:?} {errors}");
        assert!(errors.contains(message), "{message:?} is not in {errors:?}");
    };
    ends(&[&near], &["--fail-above", "1s", "--fail-loss", "0%"], 0, "");
    ends(&[&near], &["--fail-above", "1ns"], 3, "is above 1ns");
    ends(&[&near, &refusing], &["--fail-above", "1s"], 3, &format!("{refusing}: no round-trip time"));
    ends(&[&near, &refusing], &["--fail-above", "1ns", "--fail-loss", "1%"], 4, "loss 100.00% is above 1%");
    ends(&[&near, "nowhere.invalid"], &["--fail-above", "1ns"], 1, "nowhere.invalid: the name has no address");
    ends(&[&near], &["-6"], 2, "IPv6");
    ends(&[&near], &["-4", "-6"], 2, "cannot be used with");
    ends(&[&near], &["--fail-loss", "1"], 2, "such as 1%");
    ends(&[&near], &["--kind", "smoke"], 2, "possible values: tcp, tls, https, icmp, udp");
    ends(&[&refusing], &["--kind", "tls", "--fail-loss", "0%"], 4, "loss 100.00%");
    ends(&["http://x"], &[], 2, "expected HOST:PORT");
    ends(&[], &[], 2, "HOST[:PORT]");
}

#[test]
fn what_could_be_measured_is_shown_beside_what_could_not() {
    let (_open, near) = answering();
    let output = probe(&["nowhere.invalid", &near], &[]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json[0]["last"], &json[0]["sent"]), (&"dns_failure".into(), &0.into()));
    assert_eq!((&json[1]["last"], &json[1]["sent"]), (&"answered".into(), &3.into()));
}

#[test]
fn ctrl_c_ends_with_the_summary() {
    let (listener, near) = answering();
    let child = cloudping().args(["probe", "-n", "0", "--interval", "20ms", &near]).stdout(Stdio::piped()).spawn();
    let child = child.unwrap();
    // After the fifth probe it surely listens for the signal.
    (0..5).for_each(|_| drop(listener.accept().unwrap()));
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json[0]["sent"].as_u64().unwrap() >= 4, "{json}");
}

#[test]
fn udp_probes_are_answered_until_the_reflector_is_stopped() {
    for (listen, stop) in [("127.0.0.1:0", "INT"), ("[::1]:0", "TERM")] {
        let mut reflector = cloudping().args(["reflect", "--listen", listen]).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(reflector.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = ready.strip_prefix("reflecting on ").unwrap_or_else(|| panic!("{ready:?}")).trim_end();
        let output = run(&["probe", address, "--kind", "udp", "-n", "3", "--interval", "50ms", "-o", "json"]);
        signal(&reflector, stop);
        let ended = reflector.wait().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&json[0]["sent"], &json[0]["lost"], &json[0]["kind"]), (&3.into(), &0.into(), &"udp".into()));
        let p50 = json[0]["p50_ms"].as_f64().unwrap();
        assert!(p50 > 0.0 && p50 < 50.0, "{p50} ms within one machine");
        assert_eq!(ended.code(), Some(0), "after SIG{stop}: {ended}");
        let gone = run(&["probe", address, "--kind", "udp", "-n", "1", "-o", "json"]);
        let json: Value = serde_json::from_slice(&gone.stdout).unwrap();
        assert_eq!(json[0]["outcomes"]["refused"], 1, "{json}");
    }
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    let (_open, near) = answering();
    let mut child = cloudping()
        .args(["probe", "-n", "0", "--interval", "20ms", "-o", "ndjson", &near])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("\"number\":1"), "{first}");
    let deadline = Instant::now() + Duration::from_secs(10);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("still probing for nobody");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs the shell command with a pseudo-terminal of that size as its standard output; `None` where there is no `script`.
fn in_a_terminal(command: &str, columns: u16) -> Option<String> {
    let sized = format!("stty cols {columns} rows 30; {command}");
    let spawned = Command::new("script")
        .args(["-qec", &sized, "/dev/null"])
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        eprintln!("SKIPPED: no `script` (util-linux) here, so the live table was not tested");
        return None;
    };
    let mut shown = String::new();
    child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    assert!(child.wait().unwrap().success(), "{shown}");
    Some(shown)
}

#[test]
fn a_terminal_shows_a_live_table_that_fits_and_histograms_at_the_end() {
    let ((_open, near), (_closed, refusing)) = (answering(), closed());
    let binary = env!("CARGO_BIN_EXE_cloudping");
    for columns in [120, 60] {
        let command = format!("{binary} probe {near} {refusing} -n 6 --interval 100ms");
        let Some(shown) = in_a_terminal(&command, columns) else {
            return;
        };
        let states: Vec<&str> = shown.split("\x1b[?2026h").collect();
        assert!(states.len() > 4, "drawn {} times: {shown:?}", states.len());
        let (live, end) = (states[states.len() - 2], states[states.len() - 1]);
        assert!(live.contains(&near) && live.contains("××") && live.contains("Ctrl-C"), "{live:?}");
        assert!(end.contains('█') && end.contains("100.00%") && !end.contains("Ctrl-C"), "{end:?}");
        let longest = live.lines().chain(end.lines().skip(1)).map(|line| visible(line).chars().count()).max();
        assert!(longest <= Some(usize::from(columns)), "{longest:?} {shown}");
    }
}

/// A line without its escape sequences.
fn visible(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    let after =
        |part: &str| part.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).chars().skip(1).collect::<String>();
    parts.fold(first, |line, part| line + &after(part)).replace('\r', "")
}

#[test]
fn targets_lists_the_same_in_every_format() {
    let output = run(&["targets", "--provider", "aws", "--continent", "EU", "-o", "json"]);
    let json: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json.len() > 5 && json.iter().all(|row| row["continent"] == "EU" && row["provider"] == "aws"));
    let csv = text(&run(&["targets", "--provider", "aws", "--continent", "EU", "-o", "csv"]).stdout);
    let table = text(&run(&["targets", "--provider", "aws", "--continent", "EU", "-o", "table"]).stdout);
    assert_eq!(csv.lines().count(), 1 + json.len());
    for row in &json {
        let id = row["id"].as_str().unwrap();
        assert!(csv.contains(&format!("\n{id},aws,")) && table.contains(id), "{id}");
    }
    let unknown = run(&["targets", "--provider", "acme"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("--provider acme: the catalogue has a"), "{}", text(&unknown.stderr));
}

/// A catalogue of one's own: id and endpoint of each region.
fn catalogue(regions: &[(&str, &str)]) -> tempfile::NamedTempFile {
    let row = |(id, endpoint): &(&str, &str)| {
        format!(
            "[[region]]\nid = \"{id}\"\nprovider = \"own\"\npartition = \"own\"\nname = \"{id}\"\ncity = \"{id}\"\n\
             country = \"DE\"\ncontinent = \"EU\"\nlatitude = 50.0\nlongitude = 8.0\nopt_in = false\n\
             endpoint = \"{endpoint}\"\nsource = \"test\"\nchecked = \"2026-01-01\"\n"
        )
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), regions.iter().map(row).collect::<String>()).unwrap();
    file
}

fn nearest(catalogue: &tempfile::NamedTempFile, options: &[&str]) -> Output {
    let file = catalogue.path().to_str().unwrap();
    run(&[&["nearest", "--catalogue", file, "-n", "3"], options].concat())
}

#[test]
fn nearest_ranks_what_it_reached_and_names_the_rest() {
    let ((_open, near), (_closed, refusing)) = (answering(), closed());
    let regions = [("a-nowhere", "nowhere.invalid:443"), ("b-refusing", &refusing), ("c-near", &near)];
    let file = catalogue(&regions);
    let output = nearest(&file, &["-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let json: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let order: Vec<_> = json.iter().map(|row| (row["rank"].as_u64(), row["id"].as_str().unwrap())).collect();
    assert_eq!(order, [(Some(1), "c-near"), (None, "a-nowhere"), (None, "b-refusing")]);
    assert_eq!((&json[0]["sent"], &json[0]["loss"]), (&3.into(), &0.0.into()));
    assert_eq!((&json[1]["last"], &json[2]["last"]), (&"dns_failure".into(), &"refused".into()));
    let table = text(&nearest(&file, &["-o", "table"]).stdout);
    assert!(table.contains("c-near") && table.contains("dns_failure") && table.contains("100.00%"), "{table}");
    let top: Vec<Value> = serde_json::from_slice(&nearest(&file, &["-o", "json", "--top", "1"]).stdout).unwrap();
    assert_eq!(top.len(), 1);
    let own_host = nearest(&file, &["-o", "json", "--endpoint", &format!("a-nowhere={near}"), "a-nowhere"]);
    let json: Vec<Value> = serde_json::from_slice(&own_host.stdout).unwrap();
    assert_eq!((&json[0]["endpoint"], &json[0]["rank"]), (&near.as_str().into(), &1.into()));
}

#[test]
fn nearest_says_what_to_check_when_nothing_is_reached() {
    let (_closed, refusing) = closed();
    let file = catalogue(&[("a", "nowhere.invalid:443"), ("b", &refusing)]);
    let output = nearest(&file, &["-o", "table"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    for part in ["none of 2 regions", "1 names have no address", "getent hosts nowhere.invalid", "1 refuse"] {
        assert!(errors.contains(part), "{part:?} is not in {errors:?}");
    }
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn every_command_shows_examples() {
    for command in ["up", "doctor", "probe", "reflect", "nearest", "targets", "matrix", "sql"] {
        let output = run(&[command, "--help"]);
        let help = text(&output.stdout);
        assert!(help.contains("Examples:\n") && help.contains(&format!("  cloudping {command}")), "{help}");
    }
    let help = text(&run(&["probe", "--help"]).stdout);
    for code in 0..=4 {
        assert!(help.contains(&format!("\n  {code}  ")), "{code} is not in {help}");
    }
}
