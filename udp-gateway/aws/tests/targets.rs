//! A stream on a real Kinesis server; a function behind what answers as Lambda's Invoke API does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kinesis::types::ShardIteratorType;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloudping_testkit::servers::Server;
use cloudping_udp_gateway::targets::{Connect, Delivery, Sink, Target, TargetAddress, TargetError};
use cloudping_udp_gateway_aws::AwsTargets;
use tokio::net::TcpListener;

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:counter";
const BODY: &[u8] = br#"{"Messages":[]}"#;

fn settings(address: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test")))
        .endpoint_url(format!("http://{address}"))
        .build()
}

fn target(settings: &SdkConfig, arn: &str) -> Arc<dyn Target> {
    let address = TargetAddress::parse(arn).unwrap();
    match AwsTargets::new(settings).connect("eu-west-1", &address) {
        Some(Ok(Sink::Remote(target))) => target,
        other => panic!("{other:?}"),
    }
}

fn delivery() -> Delivery {
    Delivery { id: "run-d-7".into(), body: BODY.into(), time: Duration::from_secs(5) }
}

/// What Lambda answers, and what it was asked.
#[derive(Default)]
struct Lambda {
    answer: Mutex<(u16, Option<&'static str>, &'static str)>,
    asked: Mutex<Vec<(Uri, HeaderMap, Bytes)>>,
}

async fn invoke(State(lambda): State<Arc<Lambda>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    lambda.asked.lock().unwrap().push((uri, headers, body));
    let (status, error, body) = *lambda.answer.lock().unwrap();
    let mut answer = (StatusCode::from_u16(status).unwrap(), body).into_response();
    let name = if status < 400 { "x-amz-function-error" } else { "x-amzn-errortype" };
    if let Some(error) = error {
        answer.headers_mut().insert(name, error.parse().unwrap());
    }
    answer
}

#[tokio::test]
async fn a_function_is_invoked_with_the_batch_and_answers_with_replies() {
    let lambda = Arc::new(Lambda::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(invoke).with_state(Arc::clone(&lambda));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let function = target(&settings(&address.to_string()), FUNCTION);

    let replies = r#"{"Replies":[]}"#;
    *lambda.answer.lock().unwrap() = (200, None, replies);
    assert_eq!(function.deliver(&delivery()).await.unwrap(), replies.as_bytes());
    let (uri, headers, body) = lambda.asked.lock().unwrap().remove(0);
    assert!(uri.path().starts_with("/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1"), "{uri}");
    assert_eq!((&body[..], &headers["x-amz-invocation-type"]), (BODY, &"RequestResponse".parse().unwrap()));
    let context = STANDARD.decode(headers["x-amz-client-context"].as_bytes()).unwrap();
    assert_eq!(context, br#"{"custom":{"idempotency-key":"run-d-7"}}"#);
    let signed = headers["authorization"].to_str().unwrap();
    assert!(signed.contains("/eu-west-1/lambda/"), "in the region of its ARN: {signed}");

    for (answer, unknown) in [
        ((200, Some("Unhandled"), r#"{"errorMessage":"it broke"}"#), true),
        ((429, Some("TooManyRequestsException"), "{}"), false),
        ((404, Some("ResourceNotFoundException"), "{}"), false),
        ((500, Some("ServiceException"), "{}"), true),
    ] {
        *lambda.answer.lock().unwrap() = answer;
        let error = function.deliver(&delivery()).await.unwrap_err();
        assert_eq!(matches!(error, TargetError::Unknown(_)), unknown, "{answer:?}: {error}");
    }
    assert_eq!(lambda.asked.lock().unwrap().len(), 4, "nothing is tried again behind the gateway's back");
}

#[tokio::test]
async fn a_batch_is_one_record_of_a_stream() {
    let Some(server) = Server::kinesis() else { return };
    let settings = settings(&server.address());
    let client = aws_sdk_kinesis::Client::new(&settings);
    let mut tries = 0;
    while client.create_stream().stream_name("packets").shard_count(1).send().await.is_err() {
        tries += 1;
        assert!(tries < 120, "no stream was made in 60 s");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let arn = loop {
        let stream = client.describe_stream_summary().stream_name("packets").send().await.unwrap();
        let stream = stream.stream_description_summary.unwrap();
        if stream.stream_status.as_str() == "ACTIVE" {
            break stream.stream_arn;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let stream = target(&settings, &arn);
    assert_eq!(stream.deliver(&delivery()).await.unwrap(), b"", "no replies");
    let shard = client.list_shards().stream_name("packets").send().await.unwrap().shards.unwrap().remove(0);
    let iterator = client.get_shard_iterator().stream_name("packets").shard_id(shard.shard_id);
    let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let records = client.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap().records;
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].data.as_ref(), records[0].partition_key.as_deref()), (BODY, Some("run-d-7")));

    let missing = target(&settings, &arn.replace("packets", "nothing"));
    assert!(matches!(missing.deliver(&delivery()).await, Err(TargetError::NotTaken(_))));
}
