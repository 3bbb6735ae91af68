//! The stores on AWS.

pub mod mark;
mod outside;

use std::sync::Arc;
use std::time::Duration;

use cloudping_agent::clock;
use cloudping_agent::failure::Failure;
use cloudping_backend_aws::{
    DynamoStore, KinesisLog, SnsTopics, create_bucket_if_absent, create_stream_if_absent, create_table_if_absent,
    s3_objects,
};
use cloudping_batch_rollup::Tables;
use cloudping_schemas::stored::{NetworkMark, keys};
use cloudping_stream_processor::WorkerId;
use tokio::runtime::Handle;

use super::claim;
use super::plan::Plan;
use super::stores::{ArchivePlace, Refresh, Stores};
use crate::aws::{Clients, Places, told};
use outside::Outside;

/// Each reading of the live store is paid for, once a vantage point.
const REFRESH: Refresh = Refresh { pause: Duration::from_secs(5), longest: Duration::ZERO };
/// One shard takes 1,000 rounds a second: enough for a thousand vantage points.
const SHARDS: u16 = 1;

/// Opens the stores on AWS, after making them where that was asked for.
///
/// # Errors
/// What is missing or another's, with what to do about it.
pub async fn open(plan: &Plan, places: &Places) -> Result<Stores, Failure> {
    std::fs::create_dir_all(&plan.data)
        .map_err(|error| Failure::setting(format!("--data {}: {error}", plan.data.display())))?;
    claim::directory(&plan.data, plan.network_kind())?;
    let clients = Clients::from_settings().await;
    if plan.create {
        create(&clients, places).await?;
    }
    let stream = stream_arn(&clients, &places.stream).await?;
    table_is_there(&clients, places).await?;
    bucket_is_there(&clients, places).await?;
    let store = Arc::new(DynamoStore::new(clients.dynamodb.clone(), &places.table).with_expiry(keys::expires_at));
    let mine = NetworkMark { network: plan.network_kind().to_owned(), stream };
    mark::table(store.as_ref(), places, &mine).await?;
    mark::bucket(&clients, places, &mine).await?;
    let log = Arc::new(KinesisLog::new(clients.kinesis.clone(), &places.stream));
    let url = places.archive_url();
    let storage = s3_objects(&clients.config, &places.bucket).await.map_err(Failure::setting)?;
    Ok(Stores {
        log: Arc::new(Outside::new(log, Handle::current())),
        store,
        appended: None,
        committed: None,
        refresh: REFRESH,
        trimmed: None,
        spool: Some(plan.data.join("spool")),
        notifiers: vec![Arc::new(SnsTopics::new(clients.sns.clone()))],
        place: format!("the stream {}, the table {} and {url}", places.stream, places.table),
        archive: ArchivePlace { tables: Tables::in_storage(&url, storage.clone()), url, storage: Some(storage) },
        worker: Some(worker()?),
    })
}

/// A name that no other process has, nor this one after its next start: whoever comes back from the dead must not be taken for the living.
fn worker() -> Result<WorkerId, Failure> {
    WorkerId::new(format!("up-{}-{:x}", std::process::id(), clock::now().0)).map_err(Failure::runtime)
}

async fn create(clients: &Clients, places: &Places) -> Result<(), Failure> {
    let cannot = |what: &str, name: &str, error: &dyn std::fmt::Display| {
        Failure::setting(format!("--create: the {what} {name} was not made: {error}"))
    };
    let Places { stream, table, bucket, .. } = places;
    let made = create_stream_if_absent(&clients.kinesis, stream, SHARDS).await;
    made.map_err(|error| cannot("stream", stream, &error))?;
    let made = create_table_if_absent(&clients.dynamodb, table).await;
    made.map_err(|error| cannot("table", table, &error))?;
    create_bucket_if_absent(&clients.s3, bucket).await.map_err(|error| cannot("bucket", bucket, &error))
}

/// What a mark calls the stream.
///
/// # Errors
/// When it is not there, or may not be looked at.
pub async fn stream_arn(clients: &Clients, stream: &str) -> Result<String, Failure> {
    let asked = clients.kinesis.describe_stream_summary().stream_name(stream).send().await;
    let answer = asked.map_err(|error| absent("Kinesis stream", stream, &told(&error)))?;
    let summary = answer.stream_description_summary;
    summary.map(|summary| summary.stream_arn).ok_or_else(|| absent("Kinesis stream", stream, "no description"))
}

async fn table_is_there(clients: &Clients, places: &Places) -> Result<(), Failure> {
    let asked = clients.dynamodb.describe_table().table_name(&places.table).send().await;
    asked.map(|_| ()).map_err(|error| absent("DynamoDB table", &places.table, &told(&error)))
}

async fn bucket_is_there(clients: &Clients, places: &Places) -> Result<(), Failure> {
    let asked = clients.s3.head_bucket().bucket(&places.bucket).send().await;
    asked.map(|_| ()).map_err(|error| absent("S3 bucket", &places.bucket, &told(&error)))
}

/// What cannot be used, and the ways on.
fn absent(what: &str, name: &str, error: &str) -> Failure {
    Failure::setting(format!(
        "{what} {name}: {error}; `cloudping doctor --aws …` says what is wrong, --create makes what is not there"
    ))
}
