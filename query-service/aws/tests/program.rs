//! The real program, asked over HTTP, on a real DynamoDB server's table and a real S3 server's bucket.

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use cloudping_backend_aws::{DynamoStore, create_bucket_if_absent, create_table_if_absent, s3_client, s3_objects};
use cloudping_batch_rollup::{Archiver, Tables};
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use cloudping_stream_processor::Processor;
use cloudping_testkit::MemoryLog;
use cloudping_testkit::servers::{S3_KEY, S3_SECRET, Server};
use serde_json::{Value, json};

const TABLE: &str = "live";
const BUCKET: &str = "archive";
const URL: &str = "s3://archive/tables";

/// The program; killed when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn config(server: &Server) -> SdkConfig {
    let credentials = Credentials::new(S3_KEY, S3_SECRET, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{}", server.address()))
        .build()
}

/// A table and a bucket that can be written to.
async fn places(dynamodb: &SdkConfig, s3: &SdkConfig) -> (DynamoStore, Tables) {
    let (tables, objects) = (aws_sdk_dynamodb::Client::new(dynamodb), s3_client(s3));
    for _ in 0..120 {
        if create_table_if_absent(&tables, TABLE).await.is_ok()
            && create_bucket_if_absent(&objects, BUCKET).await.is_ok()
            && objects.put_object().bucket(BUCKET).key("first").send().await.is_ok()
        {
            let storage = s3_objects(s3, BUCKET).await.unwrap();
            return (DynamoStore::new(tables, TABLE), Tables::in_storage(URL, storage));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no table or no bucket was made in 60 s");
}

fn now() -> UtcMicros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UtcMicros(i64::try_from(since.as_micros()).unwrap())
}

/// A round a second for so long, of one target; round-trip times rise by 0.1 ms from 68 ms.
fn rounds(first: UtcMicros, count: u32) -> Vec<Round> {
    let round = |number: u32| Round {
        id: RoundId { vantage: VantageId::new("us-east-1").unwrap(), epoch: 1, number: number.into() },
        started_at: first + i64::from(number) * 1_000_000,
        gap: None,
        samples: vec![Sample {
            target: TargetId::new("eu-west-1").unwrap(),
            offset_us: 0,
            protocol: Protocol::TcpConnect,
            outcome: Outcome::Answered,
            rtt_us: Some(68_000 + 100 * number),
            connect_us: Some(69_000 + 100 * number),
            retransmits: 0,
            family: Family::V4,
            address: None,
        }],
    };
    (0..count).map(round).collect()
}

/// Has the rounds counted and archived, as the other components do.
async fn write(rounds: &[Round], store: &DynamoStore, tables: Tables) {
    let log = Arc::new(MemoryLog::default());
    for round in rounds {
        log.append(round.id.vantage.as_str(), event::encode(round).into()).await.unwrap();
    }
    let mut processor = Processor::new(Arc::new(store.clone()));
    for shard in log.shards().await.unwrap() {
        let records = log.read(&shard.id, None, 1_000).await.unwrap();
        processor.process_batch(&shard.id, &records, now()).await.unwrap();
    }
    Archiver::new(log, tables).run_once().await.unwrap();
}

fn start(dynamodb: &Server, s3: &Server, port: u16) -> Program {
    let child = Command::new(env!("CARGO_BIN_EXE_cloudping-query-service"))
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", S3_KEY)
        .env("AWS_SECRET_ACCESS_KEY", S3_SECRET)
        .env("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", dynamodb.address()))
        .env("AWS_ENDPOINT_URL_S3", format!("http://{}", s3.address()))
        .env("CLOUDPING_TABLE", TABLE)
        .env("CLOUDPING_BUCKET", BUCKET)
        .env("CLOUDPING_LISTEN", format!("127.0.0.1:{port}"))
        .spawn();
    Program(child.unwrap())
}

async fn get(port: u16, path: &str) -> Option<(u16, Value)> {
    let url = format!("http://127.0.0.1:{port}{path}");
    let asked = tokio::task::spawn_blocking(move || {
        let mut answer = ureq::get(url).config().http_status_as_error(false).build().call().ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_json().ok()?))
    });
    asked.await.unwrap()
}

async fn sql(port: u16, query: &str) -> Value {
    let (url, body) = (format!("http://127.0.0.1:{port}/api/v1/sql"), json!({ "query": query }));
    let asked = tokio::task::spawn_blocking(move || {
        let request = ureq::post(url).config().http_status_as_error(false).build();
        request.header("content-type", "application/json").send(body.to_string()).unwrap().body_mut().read_json()
    });
    asked.await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_from_the_table_and_the_bucket_and_stops_in_order() {
    let (Some(dynamodb), Some(s3)) = (Server::dynamodb(), Server::s3()) else { return };
    let (store, tables) = places(&config(&dynamodb), &config(&s3)).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut program = start(&dynamodb, &s3, port);
    while get(port, "/healthz").await.is_none_or(|(status, _)| status != 200) {
        assert!(program.0.try_wait().unwrap().is_none(), "it has ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(get(port, "/api/v1/matrix").await.unwrap().1["cells"], json!([]));
    assert_eq!(sql(port, "select count(*) from samples").await["rows"], json!([[0]]), "there is no table yet");

    let rounds = rounds(now() - 60 * 1_000_000, 31);
    write(&rounds, &store, tables).await;
    let cell = loop {
        let (_, matrix) = get(port, "/api/v1/matrix?percentile=p50&window=5m").await.unwrap();
        if let Some(cell) = matrix["cells"].get(0) {
            break cell.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&cell["source"], &cell["target"]), (&json!("us-east-1"), &json!("eu-west-1")));
    assert_eq!((&cell["rtt_ms"], &cell["count"], &cell["lost"]), (&json!(69.5), &json!(31), &json!(0)));
    let query =
        "select source, target, count(*), sum(rtt_us), min(epoch), max(round) from samples group by source, target";
    let expected = json!([["us-east-1", "eu-west-1", 31, 2_154_500, 1, 30]]);
    assert_eq!(sql(port, query).await["rows"], expected);

    // SAFETY: a signal to a child of this process, which has not been waited for.
    unsafe { libc::kill(i32::try_from(program.0.id()).unwrap(), libc::SIGTERM) };
    let ended = tokio::task::spawn_blocking(move || program.0.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
}
