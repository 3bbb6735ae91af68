//! A bucket on a real S3 server, and doors before it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use cloudping_backend_aws::{create_bucket_if_absent, s3_client, s3_objects};
use cloudping_batch_rollup::Tables;
use cloudping_testkit::servers::{S3_KEY, S3_SECRET, Server};

pub const BUCKET: &str = "archive";

/// The settings of a client of the server at this address.
pub fn config(address: &str) -> SdkConfig {
    let credentials = Credentials::new(S3_KEY, S3_SECRET, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{address}"))
        .build()
}

/// A server with a bucket that can be written to; `None` where none is installed.
pub async fn bucket() -> Option<Server> {
    let server = Server::s3()?;
    let client = s3_client(&config(&server.address()));
    for _ in 0..120 {
        if create_bucket_if_absent(&client, BUCKET).await.is_ok()
            && client.put_object().bucket(BUCKET).key("first").send().await.is_ok()
        {
            return Some(server);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no bucket was made in 60 s");
}

/// Tables under a prefix of the bucket, at this address.
pub async fn tables(address: &str, prefix: &str) -> Tables {
    let storage = s3_objects(&config(address), BUCKET).await.unwrap();
    Tables::in_storage(&format!("s3://{BUCKET}/{prefix}"), storage)
}
