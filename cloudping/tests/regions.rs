//! `cloudping regions` and `cloudping producers` against a local AWS server with the 31 regions of its own account.

#![cfg(feature = "aws")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cloudping_testkit::servers::Server;
use cloudping_testkit::{FaultyDoor, HttpFault};
use serde_json::Value;
use tempfile::TempDir;

const SETTINGS: &str = r#"{"name": "cloudping", "account": "000000000000", "homeRegion": "us-east-1", "architecture": "x86_64",
    "producers": {"intervalSeconds": 60, "timeoutMs": 2000}, "regionManager": {"enable": [], "leaveOut": []}}"#;
/// A zip archive with nothing in it.
const EMPTY_ZIP: [u8; 22] = *b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

struct Rig {
    folder: TempDir,
    door: FaultyDoor,
    _server: Server,
}

/// Exit code, standard output, standard error.
type Told = (i32, String, String);

impl Rig {
    async fn start() -> Option<Self> {
        let server = Server::functions()?;
        let door = FaultyDoor::before(server.address()).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("settings.json"), SETTINGS).unwrap();
        std::fs::write(folder.path().join("producer.zip"), EMPTY_ZIP).unwrap();
        let rig = Self { folder, door, _server: server };
        for _ in 0..60 {
            if rig.run(&["regions", "list"]).0 == 0 {
                return Some(rig);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!("no answer: {:?}", rig.run(&["regions", "list"]));
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, args: &[&str]) -> Told {
        self.run_as("000000000000", args)
    }

    fn run_as(&self, account: &str, args: &[&str]) -> Told {
        let output = Command::new(env!("CARGO_BIN_EXE_cloudping"))
            .args(args)
            .args(["--settings", "settings.json"])
            .current_dir(self.path())
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.door.address()))
            .env("AWS_ACCESS_KEY_ID", account)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn json(&self, args: &[&str]) -> Vec<Value> {
        let (code, out, error) = self.run(args);
        assert_eq!(code, 0, "{error}");
        serde_json::from_str(&out).unwrap()
    }
}

fn outcomes(regions: &[Value], word: &str) -> usize {
    regions.iter().filter(|region| region["outcome"] == word).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn producers_are_deployed_shown_and_removed() {
    let Some(rig) = Rig::start().await else { return };
    let listed = rig.json(&["regions", "list"]);
    assert_eq!((listed.len(), outcomes(&listed, "none")), (31, 31), "as many as the server's account has");
    assert!(listed.iter().all(|region| region["catalogued"] == true && region["code_sha256"].is_null()));

    let deploy = ["producers", "deploy", "eu-west-1", "us-east-1", "--code", "producer.zip"];
    let (code, table, error) = rig.run(&[&deploy[..], &["-o", "table"]].concat());
    assert_eq!(code, 0, "{error}");
    assert!(table.contains("create function") && table.contains("ENABLED_BY_DEFAULT"), "{table}");
    let status = rig.json(&["producers", "status", "--code", "producer.zip"]);
    assert_eq!((outcomes(&status, "unchanged"), outcomes(&status, "planned")), (2, 29));

    // A region refuses: it is named, and the other one is done.
    let denied = r#"{"__type": "AccessDeniedException", "message": "no"}"#.to_owned();
    rig.door.plan("/eu-west-1/lambda/aws4_request", HttpFault::Answered { status: 403, body: denied });
    let (code, out, error) = rig.run(&deploy);
    assert_eq!((code, outcomes(&serde_json::from_str::<Vec<Value>>(&out).unwrap(), "unchanged")), (1, 1));
    assert!(error.contains("1 of 2 regions failed (eu-west-1); the notes say why"), "{error}");

    let all = rig.json(&["producers", "remove", "--all", "--dry-run"]);
    assert_eq!(outcomes(&all, "planned"), 2);
    assert_eq!(outcomes(&rig.json(&["producers", "remove", "eu-west-1"]), "removed"), 1);
    assert_eq!(outcomes(&rig.json(&["regions", "list"]), "unchanged"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_before_anything_is_done() {
    let Some(rig) = Rig::start().await else { return };
    let refused = |told: Told, words: &str| assert!(told.0 == 2 && told.2.contains(words), "{told:?}");
    refused(
        rig.run(&["regions", "enable", "me-south-1"]),
        "me-south-1 is not allowed: expected it in regionManager.enable",
    );
    refused(rig.run_as("111111111111", &["regions", "list"]), "are of account 111111111111, expected 000000000000");
    refused(rig.run(&["producers", "deploy"]), "target/packages/producer-x86_64.zip: No such file");
    refused(rig.run(&["producers", "deploy", "--code", "settings.json"]), "no zip archive");
    refused(rig.run(&["producers", "remove"]), "<REGION>");
    let (code, _, error) = rig.run(&["producers", "remove", "eu-west-9"]);
    assert!(code == 1 && error.contains("no region \"eu-west-9\""), "{error}");
}
