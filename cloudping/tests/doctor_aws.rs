//! `cloudping doctor --aws`, and what `up --aws` refuses, against Kinesis, DynamoDB and S3 servers.

#![cfg(feature = "aws")]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
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

/// An AWS that knows who asks and lets them do nothing, in the words that the real services use.
struct Denying(SocketAddr);

const CALLER: &str = "arn:aws:sts::123456789012:assumed-role/reader/me";

impl Denying {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                std::thread::spawn(move || answer(stream.unwrap()));
            }
        });
        Self(address)
    }

    fn doctor(&self, arguments: &[&str]) -> Output {
        let mut command = anywhere();
        command.env("AWS_ENDPOINT_URL", format!("http://{}", self.0));
        command.arg("doctor").args(PLACES).args(arguments).output().unwrap()
    }
}

/// Answers one request and closes.
fn answer(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        let line = line.to_ascii_lowercase();
        length = line.strip_prefix("content-length: ").map_or(length, |digits| digits.trim().parse().unwrap());
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, kind, text) = refusal(&head, &String::from_utf8_lossy(&body));
    let text = if head.starts_with("head ") { String::new() } else { text };
    let length = text.len();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(&[head.as_bytes(), text.as_bytes()].concat()).unwrap();
}

/// Status, content type and body.
fn refusal(head: &str, body: &str) -> (u16, &'static str, String) {
    let said = |action: &str, resource: &str| {
        format!(
            "User: {CALLER} is not authorized to perform: {action} on resource: {resource} because no identity-based policy \
             allows the {action} action"
        )
    };
    if body.contains("GetCallerIdentity") {
        let result = format!("<GetCallerIdentityResult><Arn>{CALLER}</Arn></GetCallerIdentityResult>");
        return (200, "text/xml", format!("<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>"));
    }
    let target = head.lines().find_map(|line| line.strip_prefix("x-amz-target: "));
    let Some((service, call)) = target.and_then(|target| target.trim().split_once('.')) else {
        // S3 in its shortest words, which name nothing.
        return (
            403,
            "application/xml",
            "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>".to_owned(),
        );
    };
    // Kinesis answers in CBOR unless the request was in JSON; the SDK's is.
    let (service, place) = match service {
        "kinesis_20131202" => ("kinesis", "stream/events"),
        _ => ("dynamodb", "table/live"),
    };
    let part = ["ConditionCheck", "Delete", "Put"].into_iter().find(|part| body.contains(&format!("\"{part}\":")));
    let action = match (call, part) {
        ("transactwriteitems", Some("ConditionCheck")) => "ConditionCheckItem".to_owned(),
        ("transactwriteitems", Some(part)) => format!("{part}Item"),
        _ => ACTIONS.into_iter().find(|action| action.to_ascii_lowercase() == call).unwrap().to_owned(),
    };
    let message = said(&format!("{service}:{action}"), &format!("arn:aws:{service}:eu-west-1:123456789012:{place}"));
    let error = serde_json::json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "message": message });
    (400, "application/x-amz-json-1.1", error.to_string())
}

/// The calls of doctor to services that name their calls in a header.
const ACTIONS: [&str; 10] = [
    "DescribeStreamSummary",
    "ListShards",
    "GetShardIterator",
    "PutRecords",
    "DescribeTable",
    "DescribeTimeToLive",
    "DescribeContinuousBackups",
    "GetItem",
    "Query",
    "TransactWriteItems",
];

#[test]
fn every_permission_that_is_missing_is_explained_and_makes_one_policy() {
    let output = Denying::start().doctor(&["--write"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let missing: Vec<&Value> =
        report["checks"].as_array().unwrap().iter().filter_map(|check| check.get("permission")).collect();
    for permission in &missing {
        assert!(permission["purpose"].as_str().unwrap().len() > 10, "{permission}");
        assert_eq!(permission["statement"]["Resource"], permission["resource"]);
    }
    let policy = report["policy"]["Statement"].as_array().unwrap();
    let allowed = |resource: &str| {
        let statement = policy.iter().find(|statement| statement["Resource"] == resource);
        let actions = statement.unwrap_or_else(|| panic!("no {resource} in {policy:?}"))["Action"].as_array().unwrap();
        actions.iter().map(|action| action.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let stream =
        ["kinesis:DescribeStreamSummary", "kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:PutRecords"];
    assert_eq!(allowed("arn:aws:kinesis:eu-west-1:123456789012:stream/events"), names(&stream));
    let table = ["ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query"];
    let described = ["DescribeContinuousBackups", "DescribeTable", "DescribeTimeToLive"];
    let table = table.into_iter().chain(described).map(|action| format!("dynamodb:{action}"));
    assert_eq!(allowed("arn:aws:dynamodb:eu-west-1:123456789012:table/live"), table.collect());
    assert_eq!(allowed("arn:aws:s3:::archive"), names(&["s3:GetBucketPublicAccessBlock", "s3:ListBucket"]));
    let objects = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"];
    assert_eq!(allowed("arn:aws:s3:::archive/tables/*"), names(&objects));
    assert_eq!(policy.len(), 4);
}

#[test]
fn the_table_of_findings_ends_with_the_policy() {
    let output = Denying::start().doctor(&["-o", "table"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line =
        text.lines().find(|line| line.contains("-> allow kinesis:ListShards on ")).unwrap_or_else(|| panic!("{text}"));
    assert!(
        line.starts_with("FAIL  stream reads") && line.contains("the stream processor and the archive read"),
        "{line}"
    );
    assert!(text.contains("kinesis:GetRecords was not tried"), "{text}");
    let (_, policy) = text.split_once("as an IAM policy for who asks:").unwrap();
    let policy: Value = serde_json::from_str(policy).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
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
