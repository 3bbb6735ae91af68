//! The planet over Kinesis, DynamoDB and S3 servers: `cloudping up --aws`, and beside it the Lambda functions on the same stream, with a
//! table and an archive of their own. Both show what the planet did, and hold each event once, although the tables are away for a minute.

#![cfg(feature = "aws")]

mod support;

use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use cloudping_backend_aws::{
    DynamoStore, KinesisLog, create_bucket_if_absent, create_table_if_absent, s3_client, s3_objects,
};
use cloudping_batch_rollup::Tables;
use cloudping_ports::{Change, Expect, Key, LiveStore, Write};
use cloudping_schemas::stored::{NetworkMark, PLANET, keys};
use cloudping_testkit::FaultyDoor;
use cloudping_testkit::event_source::{EventSource, EventSourceSettings, Outcome, invoke};
use cloudping_testkit::servers::{S3_KEY, S3_SECRET, Server as Cloud};
use serde_json::{Value, json};
use support::planet::{
    AFTER, BEFORE, LOSSY, REROUTED, cell, cells, loss_is_binomial, medians_are_true, near,
    outage_is_loss_and_no_latency, rows_are_marked_as_simulated, true_ms, world,
};
use support::{REGIONS, Server, agreement, cloudping};
use tokio::runtime::Runtime;

const STREAM: &str = "events";
const BUCKET: &str = "archive";
/// Table and folder of `cloudping up`.
const UP: &str = "one-process";
/// Table and folder of the functions.
const FUNCTIONS: &str = "functions";
/// The table that a replay makes.
const MADE_ANEW: &str = "made-anew";
/// How long is measured before the weather changes.
const MEASURING: Duration = Duration::from_secs(30);
/// How long the tables are away.
const AWAY: Duration = Duration::from_secs(60);
/// `cloudping up` takes its time with the last commits when the tables were away.
const SETTLING: Duration = Duration::from_secs(20);

/// The servers. The tables are behind a door that can be shut.
struct Clouds {
    kinesis: Cloud,
    dynamodb: Cloud,
    s3: Cloud,
    tables: FaultyDoor,
}

impl Clouds {
    /// `None` where the servers are not installed.
    async fn start() -> Option<Self> {
        let (kinesis, dynamodb, s3) = (Cloud::kinesis()?, Cloud::dynamodb()?, Cloud::s3()?);
        let tables = FaultyDoor::before(dynamodb.address()).await;
        let clouds = Self { kinesis, dynamodb, s3, tables };
        clouds.wait_for_the_slowest().await;
        Some(clouds)
    }

    /// S3 takes objects some seconds after it listens, and the others are there by then.
    async fn wait_for_the_slowest(&self) {
        let client = s3_client(&self.sdk(&self.s3));
        for _ in 0..240 {
            if create_bucket_if_absent(&client, BUCKET).await.is_ok()
                && client.put_object().bucket(BUCKET).key("first").send().await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("S3 takes nothing after a minute");
    }

    /// The standard settings of AWS, for a program.
    fn settings(&self, mut command: Command) -> Command {
        command.env("AWS_REGION", "eu-west-1");
        command.env("AWS_ACCESS_KEY_ID", S3_KEY).env("AWS_SECRET_ACCESS_KEY", S3_SECRET);
        command.env("AWS_ENDPOINT_URL_KINESIS", format!("http://{}", self.kinesis.address()));
        command.env("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", self.tables.address()));
        command.env("AWS_ENDPOINT_URL_S3", format!("http://{}", self.s3.address()));
        command.env("CLOUDPING_STREAM", STREAM).env("CLOUDPING_BUCKET", BUCKET);
        command
    }

    fn sdk(&self, server: &Cloud) -> SdkConfig {
        let credentials = Credentials::new(S3_KEY, S3_SECRET, None, None, "test");
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).region(Region::new("eu-west-1"));
        let config = config.credentials_provider(SharedCredentialsProvider::new(credentials));
        config.endpoint_url(format!("http://{}", server.address())).build()
    }

    fn log(&self) -> KinesisLog {
        KinesisLog::new(aws_sdk_kinesis::Client::new(&self.sdk(&self.kinesis)), STREAM)
    }

    async fn archive(&self, prefix: &str) -> Tables {
        let storage = s3_objects(&self.sdk(&self.s3), BUCKET).await.unwrap();
        Tables::in_storage(&format!("s3://{BUCKET}/{prefix}"), storage)
    }

    fn store(&self, table: &str) -> DynamoStore {
        DynamoStore::new(aws_sdk_dynamodb::Client::new(&self.sdk(&self.dynamodb)), table)
    }
}

/// A Lambda function under a Runtime API of its own; both end when this is dropped.
struct Function {
    runtime: Cloud,
    process: Child,
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Function {
    fn start(clouds: &Clouds, name: &str) -> Self {
        let runtime = Cloud::lambda_runtime().expect("what the other servers were installed with");
        let mut command = clouds.settings(program(name));
        command.env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt", runtime.address()));
        command.env("AWS_LAMBDA_FUNCTION_NAME", name).env("AWS_LAMBDA_FUNCTION_VERSION", "1");
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128").env("RUST_LOG", "warn");
        command.env("CLOUDPING_TABLE", FUNCTIONS).env("CLOUDPING_PREFIX", FUNCTIONS);
        Self { runtime, process: command.spawn().unwrap() }
    }
}

/// A program of another package; tests of the whole workspace build it.
fn program(name: &str) -> Command {
    let path = std::path::Path::new(env!("CARGO_BIN_EXE_cloudping")).with_file_name(name);
    assert!(path.is_file(), "{}: build it with `cargo build --package {name}`", path.display());
    Command::new(path)
}

/// Gives the functions their events until told to stop, then all that is left.
async fn drive(log: KinesisLog, processor: String, archiver: String, stop: Arc<AtomicBool>) -> EventSource {
    let settings = EventSourceSettings { stream: STREAM.to_owned(), batch_size: 500, bisect: true, retries: 10_000 };
    let mut source = EventSource::new(&processor, settings);
    let mut polls = 0_u32;
    loop {
        let last = stop.load(Ordering::SeqCst);
        let done = source.poll(&log).await.unwrap();
        if polls.is_multiple_of(20) || (last && done == 0) {
            let archived = invoke(&archiver, json!({})).await;
            assert!(matches!(archived, Outcome::Answered(_)), "{archived:?}");
        }
        if last && done == 0 {
            return source;
        }
        polls += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[test]
fn both_views_over_aws_are_the_truth() {
    let runtime = Runtime::new().unwrap();
    let Some(clouds) = runtime.block_on(Clouds::start()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("scenario.toml");
    std::fs::write(&scenario, BEFORE).unwrap();
    let up = start_up(&clouds, dir.path());
    runtime.block_on(make_places_of_functions(&clouds));
    let processor = Function::start(&clouds, "cloudping-stream-processor-lambda");
    let archiver = Function::start(&clouds, "cloudping-batch-rollup-lambda");
    let service = start_service(&clouds);
    let stop = Arc::new(AtomicBool::new(false));
    let (of_processor, of_archiver) = (processor.runtime.address(), archiver.runtime.address());
    let driving = runtime.spawn(drive(clouds.log(), of_processor, of_archiver, Arc::clone(&stop)));

    std::thread::sleep(MEASURING);
    let before = [cells(&up, "p50"), cells(&service, "p50")];
    before.iter().for_each(|cells| medians_are_true(cells, &world(BEFORE), &[]));

    std::fs::write(&scenario, AFTER).unwrap();
    clouds.tables.close(true);
    std::thread::sleep(AWAY);
    clouds.tables.close(false);
    std::thread::sleep(SETTLING);
    for (api, before) in [(&up, &before[0]), (&service, &before[1])] {
        let after = cells(api, "p50");
        medians_are_true(&after, &world(BEFORE), &[REROUTED]);
        near(cell(&cells(api, "p5"), REROUTED), true_ms(&world(BEFORE), REROUTED), "the old route");
        // Well within what came by the new route: higher up are the hiccups of this machine.
        near(cell(&cells(api, "p75"), REROUTED), true_ms(&world(AFTER), REROUTED), "the new route");
        loss_is_binomial(cell(&after, LOSSY), 0.3);
        outage_is_loss_and_no_latency(api, before);
        rows_are_marked_as_simulated(api);
    }
    up.stop();
    stop.store(true, Ordering::SeqCst);
    runtime.block_on(async {
        let source = driving.await.unwrap();
        assert_eq!(source.discarded(), []);
        for place in [UP, FUNCTIONS] {
            let rounds = agreement::check(&clouds.log(), &clouds.store(place), &clouds.archive(place).await).await;
            upkeep_by_hand_finds_every_row(&clouds, place, rounds.values().map(|round| round.samples.len()).sum());
        }
        a_replay_makes_the_same_in_another_table(&clouds).await;
    });
    service.stop();
}

/// On the bucket as on a folder.
fn upkeep_by_hand_finds_every_row(clouds: &Clouds, place: &str, samples: usize) {
    let tables = format!("s3://{BUCKET}/{place}");
    for command in ["run", "compact", "vacuum", "check", "stats"] {
        let output = clouds.settings(cloudping()).args(["rollup", command, "--tables", &tables]).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        if command == "stats" {
            assert_eq!(
                (&report["tables"][0]["table"], &report["tables"][0]["rows"]),
                (&"samples".into(), &samples.into())
            );
        }
    }
}

/// From the samples of `cloudping up`, and from the stream what it had not archived.
async fn a_replay_makes_the_same_in_another_table(clouds: &Clouds) {
    let tables = format!("s3://{BUCKET}/{UP}");
    let replay = |arguments: &[&str]| {
        let mut command = clouds.settings(cloudping());
        command.args(["rollup", "replay", "--stream", STREAM, "--table", UP, "--tables", &tables, "-o", "json"]);
        command.args(arguments).output().unwrap()
    };
    let refused = |arguments: &[&str], says: &str| {
        let output = replay(arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && message.contains(says), "{arguments:?}: {message}");
    };
    refused(&["--into", UP, "--planet"], "expected another table than --table");
    refused(&["--into", MADE_ANEW], "holds measurements of the planet, and the world's must not be mixed");
    refused(&["--into", FUNCTIONS, "--planet"], "expected a table that is empty");
    let done = replay(&["--into", MADE_ANEW, "--planet", "--create"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let rounds = agreement::check(&clouds.log(), &clouds.store(MADE_ANEW), &clouds.archive(UP).await).await;
    assert_eq!(report["rounds"], rounds.len());
    assert_eq!(marks(clouds, MADE_ANEW).await, marks(clouds, UP).await);
    refused(&["--into", MADE_ANEW, "--planet"], "expected a table that is empty");
}

async fn marks(clouds: &Clouds, table: &str) -> Vec<u8> {
    let stored = clouds.store(table).get(&Key::new(keys::NETWORK, keys::NETWORK)).await.unwrap();
    stored.unwrap().value.to_vec()
}

/// The functions' table and folder, marked as `cloudping up --planet` marks its own.
async fn make_places_of_functions(clouds: &Clouds) {
    let client = aws_sdk_dynamodb::Client::new(&clouds.sdk(&clouds.dynamodb));
    create_table_if_absent(&client, FUNCTIONS).await.unwrap();
    let mark = NetworkMark { network: PLANET.to_owned(), stream: STREAM.to_owned() };
    let mark = serde_json::to_vec(&mark).unwrap();
    let key = format!("{FUNCTIONS}/{}", keys::NETWORK);
    let put = s3_client(&clouds.sdk(&clouds.s3)).put_object().bucket(BUCKET).key(key).body(mark.clone().into());
    put.send().await.unwrap();
    let change = Change::Put(mark.into());
    let write = Write { key: Key::new(keys::NETWORK, keys::NETWORK), expect: Expect::Absent, change };
    clouds.store(FUNCTIONS).commit(vec![write]).await.unwrap();
}

fn start_service(clouds: &Clouds) -> Server {
    let mut command = clouds.settings(program("cloudping-query-service"));
    command.env("CLOUDPING_TABLE", FUNCTIONS).env("CLOUDPING_PREFIX", FUNCTIONS);
    command.env("CLOUDPING_LISTEN", "127.0.0.1:0").env("CLOUDPING_INTERVAL_MS", "1000");
    Server::run_until(command, |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some(format!("http://{}", line["address"].as_str()?))
    })
}

fn start_up(clouds: &Clouds, folder: &std::path::Path) -> Server {
    let mut command = clouds.settings(cloudping());
    command.args(["up", "--planet", "--regions", REGIONS, "--interval", "1s", "--archive-every", "10s"]);
    command.args(["--listen", "127.0.0.1:0", "--data"]).arg(folder.join("data"));
    command.arg("--scenario").arg(folder.join("scenario.toml"));
    command.args(["--aws", "--create", "--stream", STREAM, "--table", UP, "--bucket", BUCKET, "--prefix", UP]);
    Server::run(command)
}
