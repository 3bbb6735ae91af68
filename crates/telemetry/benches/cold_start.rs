//! How long a function takes from the start of its process to its first answer, under a real Lambda Runtime API, beside the least
//! that can be a function.
//!
//! Lambda's own cold start has more in it, which is the same for both: making the sandbox and fetching the package. The programs
//! are those of `cargo xtask package`; `cargo xtask bench cold-start` makes them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_schemas::event;
use cloudping_testkit::bench_report::{Bar, BenchReport};
use cloudping_testkit::servers::Server;
use serde_json::{Value, json};

/// Starts of each kind.
const STARTS: usize = 15;
const ROUNDS: u64 = 10;
const TARGETS: u32 = 38;
const START_US: i64 = 1_767_225_600_000_000;
/// What the SDK, the handler and the logs may add to the least function's start.
const MOST_ADDED_MS: f64 = 100.0;
/// Of an archive: Lambda fetches it at a cold start.
const MOST_MIB: f64 = 10.0;
const SHARD: &str = "shardId-000000000000";
const TABLE: &str = "live";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let packages = std::env::var_os("CLOUDPING_PACKAGES").map(PathBuf::from);
    let packages =
        packages.ok_or("CLOUDPING_PACKAGES is missing, expected the folder that `cargo xtask package` fills")?;
    let program = |binary: &str| packages.join("x86_64-lambda").join(binary).join("bootstrap");
    let (hello, processor) = (program("hello"), program("cloudping-stream-processor-lambda"));
    let dynamodb = Server::dynamodb().ok_or("no DynamoDB server")?;
    make_table(&dynamodb)?;

    let mut report = BenchReport::new("cold-start");
    let (mut least, mut empty, mut counted) = (Vec::new(), Vec::new(), Vec::new());
    let nothing = json!({ "batchItemFailures": [] });
    // In turns, so that a busy moment of the machine meets all of them.
    for start in 0..STARTS {
        least.push(first_answer(&hello, &dynamodb, &json!({}), &json!({}))?);
        empty.push(first_answer(&processor, &dynamodb, &json!({ "Records": [] }), &nothing)?);
        counted.push(first_answer(&processor, &dynamodb, &batch(u64::try_from(start)? + 1)?, &nothing)?);
    }
    let (least, empty, counted) = (median(least), median(empty), median(counted));
    report.plain("hello world: first answer", least, "ms");
    report.plain("stream-processor: first answer, no records", empty, "ms");
    report.judged("stream-processor: added to hello world's", empty - least, "ms", Bar::AtMost(MOST_ADDED_MS));
    report.plain("stream-processor: first answer, 10 rounds into DynamoDB", counted, "ms");
    for (name, binary) in
        [("producer", "cloudping-producer-lambda"), ("stream-processor", "cloudping-stream-processor-lambda")]
    {
        report.plain(format!("{name}: program"), mebibytes(&program(binary))?, "MiB");
        let archive = packages.join(format!("{name}-x86_64.zip"));
        report.judged(format!("{name}: archive"), mebibytes(&archive)?, "MiB", Bar::AtMost(MOST_MIB));
    }
    report.plain("hello world: program", mebibytes(&hello)?, "MiB");
    report.note(format!("medians of {STARTS} starts, each under a Runtime API of its own"));
    let holds = report.holds();
    report.publish(env!("CARGO_MANIFEST_DIR"))?;
    if holds { Ok(()) } else { Err("a bar does not hold".into()) }
}

/// A process that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Milliseconds from the start of the program to the answer to `event`, which must be `expected`.
fn first_answer(program: &Path, dynamodb: &Server, event: &Value, expected: &Value) -> Result<f64> {
    let runtime = Server::lambda_runtime().ok_or("no Lambda Runtime API")?;
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.env("AWS_REGION", "eu-west-1").env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command.env("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", dynamodb.address()));
    command.env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt", runtime.address()));
    command.env("AWS_LAMBDA_FUNCTION_NAME", "function").env("AWS_LAMBDA_FUNCTION_VERSION", "1");
    command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
    command.env("CLOUDPING_STREAM", "events").env("CLOUDPING_TABLE", TABLE);
    let url = format!("http://{}/2015-03-31/functions/_/invocations", runtime.address());
    let begun = Instant::now();
    let running = Running(command.spawn()?);
    let answer: Value = ureq::post(url).send(event.to_string())?.body_mut().read_json()?;
    let took = begun.elapsed().as_secs_f64() * 1e3;
    drop(running);
    if answer == *expected { Ok(took) } else { Err(format!("answer is {answer}, expected {expected}").into()) }
}

/// The live store's table, asked for as any client would.
fn make_table(dynamodb: &Server) -> Result<()> {
    let table = json!({
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{ "AttributeName": "p", "KeyType": "HASH" }, { "AttributeName": "s", "KeyType": "RANGE" }],
        "AttributeDefinitions":
            [{ "AttributeName": "p", "AttributeType": "S" }, { "AttributeName": "s", "AttributeType": "S" }],
    });
    let credential =
        "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
    until("the table", || {
        ureq::post(format!("http://{}/", dynamodb.address()))
            .header("authorization", credential)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "DynamoDB_20120810.CreateTable")
            .send(table.to_string())
            .is_ok()
    })
}

/// An invocation with rounds that were not counted before: each start has an epoch of its own.
fn batch(epoch: u64) -> Result<Value> {
    let vantage = VantageId::new("eu-west-1")?;
    let targets: Vec<TargetId> =
        (0..TARGETS).map(|n| TargetId::new(&format!("target-{n}"))).collect::<std::result::Result<_, _>>()?;
    let record = |number: u64| {
        let started_at = UtcMicros(START_US) + i64::try_from(number).unwrap_or_default() * 1_000_000;
        let sample = |target: &TargetId| Sample {
            target: target.clone(),
            offset_us: 1_000,
            protocol: Protocol::TcpConnect,
            family: Family::V4,
            outcome: Outcome::Answered,
            rtt_us: Some(70_000),
            connect_us: Some(70_200),
            retransmits: 0,
            address: None,
        };
        let id = RoundId { vantage: vantage.clone(), epoch, number };
        let round = Round { id, started_at, gap: None, samples: targets.iter().map(sample).collect() };
        let sequence = epoch * ROUNDS + number;
        json!({
            "eventID": format!("{SHARD}:{sequence}"),
            "kinesis": { "sequenceNumber": sequence.to_string(), "data": STANDARD.encode(event::encode(&round)) },
        })
    };
    Ok(json!({ "Records": (0..ROUNDS).map(record).collect::<Vec<_>>() }))
}

fn until(what: &str, done: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > Duration::from_secs(60) {
            return Err(format!("{what} did not come up in a minute").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn mebibytes(path: &Path) -> Result<f64> {
    let length = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    Ok(length as f64 / f64::from(1 << 20))
}
