//! The real program under a real Lambda Runtime API: from a real Kinesis stream into tables on a real S3 server.

#[path = "../../tests/all/common/mod.rs"]
mod common;
mod rig;

use std::process::{Child, Command};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use cloudping_backend_aws::KinesisLog;
use cloudping_model::Round;
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use cloudping_testkit::event_source::{Outcome, invoke};
use cloudping_testkit::servers::{S3_KEY, S3_SECRET, Server};
use cloudping_testkit::{FaultyDoor, HttpFault};
use common::{SECOND, TEN, expected_rows, ints, rounds, sql, stored_rows};
use rig::{BUCKET, bucket, config, tables};
use serde_json::{Value, json};

const STREAM: &str = "events";
const PREFIX: &str = "some/place";
/// A request that commits to the table of samples.
const COMMIT: &str = "PUT /archive/some/place/samples/_delta_log/";

/// The function among its servers. They end when this is dropped.
struct Rig {
    function: Child,
    runtime: Server,
    kinesis: Server,
    _s3: Server,
    door: FaultyDoor,
    log: KinesisLog,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.function.kill();
        let _ = self.function.wait();
    }
}

impl Rig {
    /// `None` where the servers are not installed.
    async fn start() -> Option<Self> {
        let (runtime, kinesis, s3) = (Server::lambda_runtime()?, Server::kinesis()?, bucket().await?);
        let log = stream(&kinesis).await;
        let door = FaultyDoor::before(s3.address()).await;
        let function = function(&runtime, &kinesis, &door);
        Some(Self { function, runtime, kinesis, _s3: s3, door, log })
    }

    /// Kills the function's process and starts another.
    fn restart(&mut self) {
        self.function.kill().unwrap();
        self.function.wait().unwrap();
        self.function = function(&self.runtime, &self.kinesis, &self.door);
    }

    async fn append(&self, rounds: &[Round]) {
        for round in rounds {
            self.log.append(round.id.vantage.as_str(), event::encode(round).into()).await.unwrap();
        }
    }

    async fn invoke(&self) -> Outcome {
        invoke(&self.runtime.address(), json!({ "source": "aws.scheduler" })).await
    }

    async fn report(&self) -> Value {
        match self.invoke().await {
            Outcome::Answered(report) => report,
            Outcome::Failed(error) => panic!("{error}"),
        }
    }
}

fn function(runtime: &Server, kinesis: &Server, s3: &FaultyDoor) -> Child {
    Command::new(env!("CARGO_BIN_EXE_cloudping-batch-rollup-lambda"))
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", S3_KEY)
        .env("AWS_SECRET_ACCESS_KEY", S3_SECRET)
        .env("AWS_ENDPOINT_URL_KINESIS", format!("http://{}", kinesis.address()))
        .env("AWS_ENDPOINT_URL_S3", format!("http://{}", s3.address()))
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt", runtime.address()))
        .env("AWS_LAMBDA_FUNCTION_NAME", "batch-rollup")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .env("CLOUDPING_STREAM", STREAM)
        .env("CLOUDPING_BUCKET", BUCKET)
        .env("CLOUDPING_PREFIX", PREFIX)
        .spawn()
        .unwrap()
}

async fn stream(kinesis: &Server) -> KinesisLog {
    let client = Client::new(&config(&kinesis.address()));
    for _ in 0..120 {
        let made = client.create_stream().stream_name(STREAM).shard_count(2).send().await;
        let log = KinesisLog::new(client.clone(), STREAM);
        if made.is_ok() || log.shards().await.is_ok_and(|shards| !shards.is_empty()) {
            while log.shards().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            return log;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no stream was made in 60 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_archive_each_round_once_whatever_happens() {
    let Some(mut rig) = Rig::start().await else { return };
    let mut all = rounds(1, TEN, 25, 60);
    rig.append(&all).await;
    let report = rig.report().await;
    let expected = json!({"records": 100, "rounds": 100, "rows": 300, "changes": 0, "duplicates": 0, "unreadable": 0, "commits": 1});
    assert_eq!(report["archived"], expected);
    assert_eq!((&report["rolled_up"]["hours"], &report["unfinished"]), (&json!(1), &json!([])));
    assert!(report["compacted"].is_object() && report["vacuumed"].is_object(), "due at the first invocation: {report}");
    let nothing =
        json!({"records": 0, "rounds": 0, "rows": 0, "changes": 0, "duplicates": 0, "unreadable": 0, "commits": 0});
    let report = rig.report().await;
    assert_eq!(report["archived"], nothing);
    assert!(report["compacted"].is_null() && report["vacuumed"].is_null(), "not due again: {report}");
    let tables = tables(&rig.door.address(), PREFIX).await;
    assert_eq!(stored_rows(&tables).await, expected_rows(&all));

    // S3 refuses the commit, then the function is no more: the next one does it. A commit whose answer is lost is found done.
    let more = rounds(2, TEN + 3_600 * SECOND, 10, 60);
    rig.append(&more).await;
    all.extend(more);
    let refused = "<Error><Code>AccessDenied</Code></Error>".to_owned();
    rig.door.plan(COMMIT, HttpFault::Answered { status: 403, body: refused });
    let Outcome::Failed(error) = rig.invoke().await else { panic!("it was refused") };
    assert!(error.contains("table samples at s3://archive/some/place/samples: commit"), "{error}");
    rig.restart();
    rig.door.plan(COMMIT, HttpFault::AnswerLost);
    rig.report().await;
    assert_eq!(rig.report().await["archived"], nothing);
    assert_eq!(stored_rows(&tables).await, expected_rows(&all));
    let off = "SELECT (SELECT sum(received) FROM rollup_1h) - (SELECT count(rtt_us) FROM samples) AS off";
    assert_eq!(ints(&sql(&tables, off).await, "off"), [Some(0)]);
}
