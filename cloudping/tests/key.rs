//! Keys of those who ask: made and revoked on the command line, asked of by `up`.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Server, cloudping};

/// Standard output of a run that must succeed.
fn run(data: &Path, arguments: &[&str]) -> String {
    let output = cloudping().arg("key").args(arguments).arg("--data").arg(data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a run that must fail for a wrong setting.
fn fails(data: &Path, arguments: &[&str]) -> String {
    let output = cloudping().arg("key").args(arguments).arg("--data").arg(data).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

fn up(data: &Path) -> Server {
    let measured = ["--no-catalogue", "--target", "shop=127.0.0.1:9"];
    Server::up(data, &[&measured[..], &["--sql-needs-key"]].concat())
}

fn status(server: &Server, path: &str, key: Option<&str>) -> u16 {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let request = agent.get(format!("{}{path}", server.url));
    let request = key.iter().fold(request, |request, key| request.header("x-api-key", *key));
    request.call().unwrap().status().as_u16()
}

#[test]
fn a_key_is_made_used_counted_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let made = run(data, &["create", "--name", "lab", "--scope", "sql", "--quota", "3", "--expires", "90d"]);
    let key = made.trim_end();
    assert!(key.starts_with("cp_") && key.len() == 75, "standard output is the key and nothing else");
    let listed = run(data, &["list", "-o", "json"]);
    assert!(!listed.contains(&key[3..20]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let (of_key, id) = (&listed[0], listed[0]["id"].as_str().unwrap().to_owned());
    assert_eq!((&of_key["name"], &of_key["status"], &of_key["quota"]), (&"lab".into(), &"good".into(), &3.into()));

    let server = up(data);
    assert!(fails(data, &["list"]).contains("another cloudping uses"));
    let sql = "/api/v1/sql?q=select%201";
    assert_eq!(status(&server, sql, None), 401);
    assert_eq!(status(&server, "/api/v1/regions", None), 200);
    for expected in [200, 200, 200, 429] {
        assert_eq!(status(&server, sql, Some(key)), expected);
    }
    let asked = cloudping().args(["sql", "select 1", "--url", &server.url]).env("CLOUDPING_KEY", key).output().unwrap();
    let said = String::from_utf8(asked.stderr).unwrap();
    assert!(said.contains("the key has made its 3 requests"), "{said}");
    server.stop();

    let shown: Value = serde_json::from_str(&run(data, &["show", &id, "-o", "json"])).unwrap();
    assert_eq!((&shown["requests_today"], &shown["days"][0]["requests"]), (&3.into(), &3.into()), "{shown}");
    assert!(shown["last_used"].as_str().unwrap().ends_with(":00:00.000000Z"), "{shown}");
    run(data, &["revoke", key]);
    let server = up(data);
    assert_eq!(status(&server, sql, Some(key)), 401);
    server.stop();
    let shown: Value = serde_json::from_str(&run(data, &["show", &id, "-o", "json"])).unwrap();
    assert_eq!(shown["status"], "revoked");
}

#[test]
fn what_is_wrong_is_named_and_no_key_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    assert!(
        fails(data, &["create", "--name", "a", "--scope", "write"]).contains("expected read, sql, history or download")
    );
    assert!(fails(data, &["create", "--name", ""]).contains("the name has 0 bytes"));
    assert!(fails(data, &["create", "--name", "a", "--rate", "much"]).contains("such as 600/1m"));
    assert!(fails(data, &["revoke", "0011223344556677"]).contains("there is no API key 0011223344556677"));
    let began = Instant::now();
    assert_eq!(run(data, &["list", "-o", "json"]).trim(), "[]");
    assert!(began.elapsed() < Duration::from_secs(10));
}
