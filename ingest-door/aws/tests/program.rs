//! The real function under a real Lambda Runtime API, with the events of a function URL, a real Kinesis server and a real DynamoDB
//! server.

use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloudping_backend_aws::{DynamoStore, KinesisLog, create_table_if_absent};
use cloudping_ingest_client::{Key, Request};
use cloudping_ingest_door::registry;
use cloudping_model::{Round, RoundId, UtcMicros, VantageId};
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use cloudping_schemas::ingest::PATH;

use cloudping_testkit::event_source::{self, Outcome};
use cloudping_testkit::servers::Server;
use cloudping_testkit::{FaultyDoor, HttpFault};
use serde_json::{Value, json};

const STREAM: &str = "events";
const TABLE: &str = "live";
const VANTAGE: &str = "us-gov-west-1";

/// The function among its servers. They end when this is dropped.
struct Rig {
    function: Child,
    runtime: Server,
    _servers: [Server; 2],
    kinesis_door: FaultyDoor,
    log: KinesisLog,
    store: DynamoStore,
    key: Key,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.function.kill();
        let _ = self.function.wait();
    }
}

impl Rig {
    async fn start() -> Option<Self> {
        let (runtime, kinesis, dynamodb) = (Server::lambda_runtime()?, Server::kinesis()?, Server::dynamodb()?);
        let kinesis_door = FaultyDoor::before(kinesis.address()).await;
        let (log, store) = tokio::join!(stream(&kinesis), table(&dynamodb));
        let vantage = VantageId::new(VANTAGE).unwrap();
        let key = Key::generate(vantage.clone()).unwrap();
        registry::add(&store, &vantage, key.fingerprint(), "", now()).await.unwrap();
        let function = Command::new(env!("CARGO_BIN_EXE_cloudping-ingest-door-lambda"))
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_ENDPOINT_URL_KINESIS", format!("http://{}", kinesis_door.address()))
            .env("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", dynamodb.address()))
            .env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt", runtime.address()))
            .env("AWS_LAMBDA_FUNCTION_NAME", "ingest-door")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("CLOUDPING_STREAM", STREAM)
            .env("CLOUDPING_TABLE", TABLE)
            .spawn()
            .unwrap();
        Some(Self { function, runtime, _servers: [kinesis, dynamodb], kinesis_door, log, store, key })
    }

    /// The status and the body of the answer to a function URL's event.
    async fn send(&self, request: &Request) -> (u64, Value) {
        match event_source::invoke(&self.runtime.address(), function_url_event(request)).await {
            Outcome::Answered(answer) => {
                let body = answer["body"].as_str().unwrap();
                (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(body).unwrap())
            }
            Outcome::Failed(error) => panic!("{error}"),
        }
    }

    async fn logged(&self) -> Vec<Vec<u8>> {
        let mut events = Vec::new();
        for shard in self.log.shards().await.unwrap() {
            events.extend(
                self.log.read(&shard.id, None, 100).await.unwrap().into_iter().map(|record| record.data.into()),
            );
        }
        events
    }
}

/// What a function URL hands to its function, after the
/// [Lambda guide](https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads).
fn function_url_event(request: &Request) -> Value {
    let mut headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    headers.insert("content-length".to_owned(), request.body.len().to_string().into());
    headers.insert("host".to_owned(), "abcdefg.lambda-url.eu-west-1.on.aws".into());
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": PATH,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abcdefg",
            "domainName": "abcdefg.lambda-url.eu-west-1.on.aws",
            "domainPrefix": "abcdefg",
            "http": {
                "method": "POST",
                "path": PATH,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "ureq",
            },
            "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1_767_225_600_000_u64,
        },
        "body": STANDARD.encode(&request.body),
        "isBase64Encoded": true,
    })
}

fn now() -> UtcMicros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UtcMicros(since.as_micros().try_into().unwrap())
}

fn events(vantage: &str, count: u64) -> Vec<Vec<u8>> {
    let round = |number| {
        let id = RoundId { vantage: VantageId::new(vantage).unwrap(), epoch: 1, number };
        event::encode(&Round { id, started_at: now(), gap: None, samples: Vec::new() })
    };
    (0..count).map(round).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_function_accepts_is_in_the_stream_and_what_it_refuses_is_not() {
    let Some(rig) = Rig::start().await else { return };
    let good = events(VANTAGE, 3);
    let sign = |events: &[Vec<u8>]| Request::sign(&rig.key, events.iter().map(Vec::as_slice), now());
    let first = sign(&good);
    assert_eq!(rig.send(&first).await, (200, json!({ "accepted": 3 })));
    assert_eq!(rig.logged().await, good);

    let (status, problem) = rig.send(&first).await;
    assert_eq!((status, &problem["code"]), (409, &"replayed".into()));
    let mut tampered = sign(&good);
    *tampered.body.last_mut().unwrap() ^= 1;
    assert_eq!(rig.send(&tampered).await.0, 401);
    let (status, problem) = rig.send(&sign(&[good[0].clone(), events("laptop", 1).remove(0)])).await;
    assert_eq!((status, &problem["round"], &problem["field"]), (403, &1.into(), &"vantage_id".into()));
    let day_off = Request::sign(&rig.key, good.iter().map(Vec::as_slice), now() - 86_400_000_000);
    let (status, problem) = rig.send(&day_off).await;
    assert_eq!((status, &problem["code"]), (401, &"clock".into()));
    assert_eq!(rig.logged().await, good);

    // The stream takes nothing: said, and sent again when it does.
    let body = json!({ "__type": "AccessDeniedException", "message": "no" }).to_string();
    rig.kinesis_door.plan("PutRecords", HttpFault::Answered { status: 400, body });
    let (status, problem) = rig.send(&sign(&good)).await;
    assert_eq!((status, &problem["code"], &problem["accepted"]), (503, &"log".into(), &0.into()));
    assert_eq!(rig.send(&sign(&good)).await.0, 200);
    assert_eq!(rig.logged().await, [good.clone(), good.clone()].concat());

    registry::revoke(&rig.store, rig.key.vantage(), rig.key.fingerprint(), now()).await.unwrap();
    assert_eq!(rig.send(&sign(&good)).await.0, 401);
    assert_eq!(rig.logged().await.len(), 6);
}

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "test")
}

async fn stream(kinesis: &Server) -> KinesisLog {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(credentials())
        .endpoint_url(format!("http://{}", kinesis.address()));
    let client = aws_sdk_kinesis::Client::from_conf(config.build());
    for _ in 0..120 {
        // It may be made already, by a request whose answer did not come.
        let _ = client.create_stream().stream_name(STREAM).shard_count(1).send().await;
        let described = client.describe_stream_summary().stream_name(STREAM).send().await;
        let summary = described.ok().and_then(|described| described.stream_description_summary);
        if summary.is_some_and(|summary| summary.stream_status.as_str() == "ACTIVE") {
            return KinesisLog::new(client, STREAM);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("no stream was made in 30 s");
}

async fn table(dynamodb: &Server) -> DynamoStore {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(credentials())
        .endpoint_url(format!("http://{}", dynamodb.address()));
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    for _ in 0..120 {
        if create_table_if_absent(&client, TABLE).await.is_ok() {
            return DynamoStore::new(client, TABLE);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("no table was made in 30 s");
}
