//! `cloudping doctor --aws`, and what `up --aws` refuses, against Kinesis, DynamoDB and S3 servers.

#![cfg(feature = "aws")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use cloudping_testkit::servers::{S3_KEY, S3_SECRET, Server as Cloud};
use serde_json::Value;
use support::{Server, cloudping};

const PLACES: [&str; 7] = ["--aws", "--stream", "events", "--table", "live", "--bucket", "archive"];
/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

/// The endpoints of the three services.
struct Clouds([Cloud; 3]);

impl Clouds {
    /// `None` where the servers are not installed.
    fn start() -> Option<Self> {
        Some(Self([Cloud::kinesis()?, Cloud::dynamodb()?, Cloud::s3()?]))
    }

    fn program(&self) -> Command {
        let mut command = anywhere();
        for (service, server) in ["KINESIS", "DYNAMODB", "S3"].into_iter().zip(&self.0) {
            command.env(format!("AWS_ENDPOINT_URL_{service}"), format!("http://{}", server.address()));
        }
        command
    }

    fn doctor(&self, arguments: &[&str]) -> Output {
        self.program().arg("doctor").args(PLACES).args(arguments).output().unwrap()
    }

    /// Waits until all of them answer, and says what is wrong then.
    fn first_findings(&self) -> Output {
        for _ in 0..40 {
            let output = self.doctor(&[]);
            if !String::from_utf8_lossy(&output.stdout).contains("does not answer") {
                return output;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!("a server does not answer after 20 s: {:?}", self.doctor(&[]));
    }
}

/// With credentials, a region, and no service anywhere.
fn anywhere() -> Command {
    let mut command = cloudping();
    command.env("AWS_REGION", "eu-west-1").env("AWS_ACCESS_KEY_ID", S3_KEY).env("AWS_SECRET_ACCESS_KEY", S3_SECRET);
    command.env("AWS_MAX_ATTEMPTS", "1").env("AWS_ENDPOINT_URL", NOWHERE);
    command
}

/// The names of the checks that ended so.
fn ended(output: &Output, status: &str) -> BTreeSet<String> {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["status"] == status);
    checks.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn up(clouds: &Clouds, data: &Path, arguments: &[&str]) -> Command {
    let mut command = clouds.program();
    command.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(PLACES).args(arguments);
    command
}

/// Runs to the end; checks exit code 2 and that standard error holds every part.
fn refused(mut command: Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in {text:?}"));
}

#[test]
fn what_is_missing_is_named_then_made_then_well_and_kept_apart() {
    let Some(clouds) = Clouds::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let nothing = clouds.first_findings();
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    assert_eq!(ended(&nothing, "fail"), names(&["stream", "table", "bucket"]), "{nothing:?}");
    let world = ["--vantage", "office", "--no-catalogue", "--target", "here=127.0.0.1:9"];
    refused(up(&clouds, &dir.path().join("world"), &world), &["stream events", "--create", "cloudping doctor --aws"]);

    let planet = ["--planet", "--regions", "us-east-1,us-east-2", "--create"];
    let server = Server::run(up(&clouds, &dir.path().join("planet"), &planet));
    let well = clouds.doctor(&["--write", "--planet", "--data", dir.path().join("planet").to_str().unwrap()]);
    assert_eq!(well.status.code(), Some(0), "{well:?}");
    let written = ["stream", "stream writes", "table", "table writes", "bucket", "bucket writes", "time"];
    assert!(ended(&well, "ok").is_superset(&names(&written)), "{well:?}");
    assert!(!ended(&well, "warn").contains("table expiry"), "{well:?}");
    server.stop();

    let mixed = ["table live holds measurements of the planet", "--table"];
    refused(up(&clouds, &dir.path().join("world"), &world), &mixed);
    let mut elsewhere = clouds.program();
    elsewhere.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(dir.path().join("world")).args(world);
    elsewhere.args(["--aws", "--stream", "events", "--table", "another", "--bucket", "archive", "--create"]);
    refused(elsewhere, &["s3://archive/tables holds measurements of the planet", "--prefix"]);
}

#[test]
fn services_that_do_not_answer_are_named_with_what_to_look_at() {
    let output = anywhere().arg("doctor").args(PLACES).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let failed = ended(&output, "fail");
    assert!(failed.is_superset(&names(&["stream", "table", "bucket"])), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("kinesis does not answer") && text.contains("AWS_ENDPOINT_URL_DYNAMODB"), "{text}");
}

#[test]
fn without_credentials_nothing_else_is_asked() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let mut command = cloudping();
    for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"] {
        command.env_remove(variable);
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_CONFIG_FILE", empty.path()).env("AWS_SHARED_CREDENTIALS_FILE", empty.path());
    let output = command.arg("doctor").args(PLACES).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(ended(&output, "fail").is_superset(&names(&["credentials", "region"])), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("AWS_PROFILE") && !text.contains("kinesis:"), "{text}");
}

#[test]
fn a_machine_in_a_shared_stream_needs_a_name() {
    let mut command = anywhere();
    command.arg("up").args(PLACES);
    refused(command, &["--vantage"]);
}
