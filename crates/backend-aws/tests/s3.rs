//! The bucket and its objects on a real S3 server.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_s3::types::ExpirationStatus;
use cloudping_backend_aws::{create_bucket_if_absent, presigned_get, s3_client, s3_objects};
use cloudping_testkit::servers::{S3_KEY, S3_SECRET, Server};
use cloudping_testkit::{FaultyDoor, HttpFault};
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutMode, PutPayload};

fn config(address: &str, secret: &str) -> SdkConfig {
    let credentials = Credentials::new(S3_KEY, secret, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{address}"))
        .build()
}

/// A bucket that can be written to.
async fn bucket(config: &SdkConfig, name: &str) {
    let client = s3_client(config);
    for _ in 0..120 {
        if create_bucket_if_absent(&client, name).await.is_ok()
            && client.put_object().bucket(name).key("first").send().await.is_ok()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no bucket was made in 60 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_and_its_objects() {
    let Some(server) = Server::s3() else { return };
    let config = config(&server.address(), S3_SECRET);
    bucket(&config, "archive").await;
    the_bucket_may_be_made_again(&config).await;
    of_fifty_writers_one_wins(&config).await;
    a_link_opens_one_object_for_a_while(&config, &server.address()).await;
    faults_are_met_or_told(&config, &server.address()).await;
}

async fn the_bucket_may_be_made_again(config: &SdkConfig) {
    let client = s3_client(config);
    create_bucket_if_absent(&client, "archive").await.unwrap();
    let rules = client.get_bucket_lifecycle_configuration().bucket("archive").send().await.unwrap();
    let [rule] = rules.rules() else { panic!("{rules:?}") };
    assert_eq!(rule.status(), &ExpirationStatus::Enabled);
    assert_eq!(rule.abort_incomplete_multipart_upload().unwrap().days_after_initiation(), Some(2));
}

async fn of_fifty_writers_one_wins(config: &SdkConfig) {
    let store = s3_objects(config, "archive").await.unwrap();
    let path = Path::from("race/object");
    let writers = (0..50_u8).map(|nth| {
        let (store, path) = (store.clone(), path.clone());
        tokio::spawn(async move { store.put_opts(&path, PutPayload::from(vec![nth]), PutMode::Create.into()).await })
    });
    let mut won = Vec::new();
    for (nth, writer) in (0..50_u8).zip(writers.collect::<Vec<_>>()) {
        match writer.await.unwrap() {
            Ok(_) => won.push(nth),
            Err(Error::AlreadyExists { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), won);
}

async fn a_link_opens_one_object_for_a_while(config: &SdkConfig, address: &str) {
    let client = s3_client(config);
    client.put_object().bucket("archive").key("a/file name").body(b"text".to_vec().into()).send().await.unwrap();
    let link = presigned_get(&client, "archive", "a/file name", Duration::from_secs(60)).await.unwrap();
    assert_eq!(status_and_text(link.clone()).await, (200, "text".to_owned()));
    assert_eq!(status_and_text(link.replace("file%20name", "first")).await.0, 403, "signed for another");
    assert_eq!(status_and_text(format!("http://{address}/archive/first")).await.0, 403, "not signed");
    let error = presigned_get(&client, "archive", "first", Duration::from_secs(700_000)).await.unwrap_err();
    assert!(error.to_string().contains("sign a link"), "{error}");
}

async fn status_and_text(url: String) -> (u16, String) {
    let asked = tokio::task::spawn_blocking(move || {
        let request = ureq::get(url).config().http_status_as_error(false).build();
        let mut answer = request.call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    });
    asked.await.unwrap()
}

async fn faults_are_met_or_told(config: &SdkConfig, address: &str) {
    let door = FaultyDoor::before(address.to_owned()).await;
    let through = config.to_builder().endpoint_url(format!("http://{}", door.address())).build();
    let store = s3_objects(&through, "archive").await.unwrap();
    let path = Path::from("faults/object");
    // A storm is waited out.
    let slow = || HttpFault::Answered { status: 503, body: "<Error><Code>SlowDown</Code></Error>".to_owned() };
    (0..3).for_each(|_| door.plan("PUT /archive/faults", slow()));
    store.put_opts(&path, PutPayload::from("1"), PutMode::Create.into()).await.unwrap();
    assert_eq!(door.seen("PUT /archive/faults"), 4);
    // A put that took effect, and whose answer was lost, meets itself when it is repeated.
    door.plan("PUT /archive/faults", HttpFault::AnswerLost);
    let other = Path::from("faults/other");
    let error = store.put_opts(&other, PutPayload::from("2"), PutMode::Create.into()).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error:?}");
    assert_eq!(store.get(&other).await.unwrap().bytes().await.unwrap(), "2");
    let wrong = s3_objects(&crate::config(address, "wrong"), "archive").await.unwrap();
    let error = wrong.get(&path).await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error:?}");
    let missing = s3_objects(config, "no-such-bucket").await.unwrap().get(&path).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing:?}");
}
