//! The agent's own program, as a process: that it has what a host needs that measures, and nothing else.

use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::Value;

fn program(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudping-agent"));
    for variable in
        ["CLOUDPING_INGEST_URL", "CLOUDPING_INGEST_KEY_FILE", "CLOUDPING_INGEST_CA_FILE", "CREDENTIALS_DIRECTORY"]
    {
        command.env_remove(variable);
    }
    command.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn it_calls_itself_cloudping() {
    assert_eq!(text(&program(&["--version"]).stdout), format!("cloudping {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn it_probes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = program(&["probe", &address, "--count", "3", "--interval", "10ms", "-o", "json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summaries: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summaries[0]["outcomes"]["answered"], 3, "{summaries}");
    assert!(summaries[0]["p50_ms"].as_f64().unwrap() > 0.0, "{summaries}");
}

#[test]
fn a_key_that_it_makes_is_checked_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let (key, spool) = (folder.path().join("ingest.key"), folder.path().join("spool"));
    let (key, spool) = (key.to_str().unwrap(), spool.to_str().unwrap());
    let made = program(&["ingest-key", "new", "--vantage", "office", "--out", key]);
    assert!(text(&made.stdout).starts_with("cloudping ingest-key add --vantage office --fingerprint "), "{made:?}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let door = format!("http://{nobody}");
    let checked = program(&["agent", "--join", &door, "--key-file", key, "--spool", spool, "--check", "-o", "json"]);
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked.stderr));
    let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let status = |check: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|found| found["check"] == check).map(|found| found["status"].clone()).unwrap()
    };
    assert_eq!((status("key"), status("door"), status("probes")), ("ok".into(), "fail".into(), "ok".into()));
}

#[test]
fn it_neither_keeps_nor_serves() {
    for command in ["up", "rollup", "doctor"] {
        let refused = program(&[command]);
        assert_eq!(refused.status.code(), Some(2), "{command}");
        assert!(text(&refused.stderr).contains("unrecognized subcommand"), "{command}");
    }
    assert!(text(&program(&["--help"]).stdout).contains("The whole one also keeps, answers and shows"));
}
