//! Tables on a DynamoDB server.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::{Client, Config};
use bytes::Bytes;
use cloudping_backend_aws::create_table_if_absent;
use cloudping_ports::{Change, Expect, Key, Write};

/// What the requests of commits are known by.
pub const COMMIT: &str = "DynamoDB_20120810.TransactWriteItems";

pub fn client(address: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(format!("http://{address}"));
    Client::from_conf(config.build())
}

/// The name of a fresh table, ready for use.
pub async fn table(client: &Client) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    for _ in 0..60 {
        if create_table_if_absent(client, &name).await.is_ok() {
            return name;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no table was made in 30 s");
}

pub fn put(key: &Key, expect: Expect, value: impl Into<Bytes>) -> Write {
    Write { key: key.clone(), expect, change: Change::Put(value.into()) }
}
