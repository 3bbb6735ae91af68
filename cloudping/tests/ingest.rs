//! A vantage point elsewhere: its key is made, registered and revoked on the command line, and its rounds reach the live view
//! through `up --ingest`.

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use cloudping_environment::now;
use cloudping_ingest_client::{DoorLog, Key};
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, TargetId, VantageId};
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use serde_json::Value;
use support::{Server, cloudping};

/// Standard output of a run that must succeed.
fn run(arguments: &[&str]) -> String {
    let output = cloudping().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a run that must fail for a wrong setting.
fn fails(arguments: &[&str]) -> String {
    let output = cloudping().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

fn round(number: u64) -> Vec<u8> {
    let sample = Sample {
        target: TargetId::new("shop").unwrap(),
        offset_us: 5,
        protocol: Protocol::TcpConnect,
        outcome: Outcome::Answered,
        rtt_us: Some(70_000),
        connect_us: Some(70_100),
        retransmits: 0,
        family: Family::V4,
        address: None,
    };
    let id = RoundId { vantage: VantageId::new("laptop").unwrap(), epoch: 1, number };
    event::encode(&Round { id, started_at: now(), gap: None, samples: vec![sample] })
}

/// Starts without anything to measure but a port that refuses, and with a door.
fn up(data: &Path) -> (Server, DoorLog) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let arguments = ["--no-catalogue", "--target", "shop=127.0.0.1:9", "--interval", "1s", "--ingest", &free];
    let server = Server::up(data, &arguments);
    let key = Key::read(&data.join("key")).unwrap();
    (server, DoorLog::new(&format!("http://{free}"), key, now).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_from_elsewhere_are_shown_until_their_key_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let (data, key) = (folder.path(), folder.path().join("key"));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (data_path, key_path) = (path(data), path(&key));
    let said = run(&["ingest-key", "new", "--vantage", "laptop", "--out", &key_path]);
    let register: Vec<&str> = said.split_whitespace().skip(1).collect();
    let fingerprint = Key::read(&key).unwrap().fingerprint().to_string();
    assert_eq!(register, ["ingest-key", "add", "--vantage", "laptop", "--fingerprint", &fingerprint]);
    assert!(fails(&["ingest-key", "new", "--vantage", "laptop", "--out", &key_path]).contains("File exists"));

    let in_data = ["--data", &data_path];
    run(&[&register[..], &in_data, &["--note", "on the road"]].concat());
    assert!(fails(&[&register[..], &in_data].concat()).contains("registered for laptop already"));
    let listed: Value = serde_json::from_str(&run(&[&["ingest-key", "list"][..], &in_data].concat())).unwrap();
    assert_eq!((&listed[0]["fingerprint"], &listed[0]["note"]), (&fingerprint.clone().into(), &"on the road".into()));
    assert_eq!(listed[0]["revoked_at"], Value::Null);

    let (server, log) = up(data);
    for number in 0..3 {
        log.append("laptop", round(number).into()).await.unwrap();
    }
    let cell = || server.get("/api/v1/matrix?window=5m&source=laptop")["cells"][0].clone();
    let shown = async {
        while cell()["count"] != 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), shown).await.is_ok(), "{}", server.get("/api/v1/matrix"));
    server.stop();

    run(&[&["ingest-key", "revoke"][..], &register[2..], &in_data].concat());
    let (server, log) = up(data);
    let refused = log.append("laptop", round(3).into()).await.unwrap_err().to_string();
    assert!(refused.contains("401 unauthorized"), "{refused}");
    server.stop();
}

#[test]
fn a_key_that_is_piped_is_all_of_standard_output() {
    let key = Key::from_text(&run(&["ingest-key", "new", "--vantage", "laptop"])).unwrap();
    assert_eq!(key.vantage().as_str(), "laptop");
    assert!(fails(&["ingest-key", "new", "--vantage", "Lap Top"]).contains("--vantage: vantage id \"Lap Top\""));
}
