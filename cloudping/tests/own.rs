//! A user's own targets, from a file and from arguments, through the whole pipeline: answered, refused, without a name.

mod support;

use std::net::TcpListener;
use std::time::Duration;

use support::{Server, cloudping};

#[test]
fn own_targets_are_measured_each_in_its_way() {
    let directory = tempfile::tempdir().unwrap();
    let answering = TcpListener::bind("127.0.0.1:0").unwrap();
    let shop = answering.local_addr().unwrap();
    // Whoever never accepts has a full queue some time, and then drops what comes.
    std::thread::spawn(move || answering.incoming().for_each(drop));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = directory.path().join("own.toml");
    let text = format!(
        "[[target]]\nid = \"shop\"\nendpoint = \"{}\"\nburst = 2\n\n[[target]]\nid = \"gone\"\nendpoint = \"nowhere.invalid:443\"\n\n[[vantage]]\nid = \"line-1\"\n\n[[vantage]]\nid = \"line-2\"\nsource = \"127.0.0.2\"\n",
        shop
    );
    std::fs::write(&file, text).unwrap();
    let closed = format!("closed={closed}");
    let own = ["--no-catalogue", "--targets", file.to_str().unwrap(), "--target", &closed];
    let timing = ["--interval", "250ms", "--archive-every", "1s"];
    let server = Server::up(&directory.path().join("data"), &[&own[..], &timing[..]].concat());
    std::thread::sleep(Duration::from_secs(5));
    let kinds = server.sql(
        "select source, target, outcome, count(*) > 3, max(rtt_us) > 0 from samples group by 1, 2, 3 order by 1, 2",
    );
    let expected = serde_json::json!([
        ["line-1", "closed", "refused", true, null],
        ["line-1", "gone", "dns_failure", true, null],
        ["line-1", "shop", "answered", true, true],
        ["line-2", "closed", "refused", true, null],
        ["line-2", "gone", "dns_failure", true, null],
        ["line-2", "shop", "answered", true, true],
    ]);
    assert_eq!(kinds["rows"], expected, "{kinds}");
    let hour = &server.get("/api/v1/coverage")["hours"][0];
    assert!(hour["not_sent"].as_u64() > Some(3), "a name without an address is neither sent nor lost: {hour}");
    assert_eq!((&hour["dropped_rounds"], &hour["gaps"]), (&0.into(), &serde_json::json!({})), "{hour}");
    server.stop();
}

#[test]
fn a_bad_line_is_named_before_anything_starts() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("own.toml");
    std::fs::write(&file, "[[target]]\nid = \"shop\"\nendpoint = \"shop.example:https\"\n").unwrap();
    let data = directory.path().join("data");
    let output = cloudping().arg("up").arg("--data").arg(&data).arg("--targets").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("own.toml, line 3: endpoint is \"shop.example:https\", expected HOST:PORT"), "{error}");
    assert!(!data.exists());
}
