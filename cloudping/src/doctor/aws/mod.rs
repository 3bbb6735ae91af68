//! What `up --aws` needs of AWS. Each service has facts, a function that asks for them, and one that judges them.

mod account;
mod bucket;
mod permission;
mod refusal;
mod stream;
mod table;

use crate::aws::{Clients, Places};
use cloudping_agent::checks::clock;
use cloudping_agent::checks::finding::Finding;
use permission::Arns;

/// Checks everything; writes only if `write`.
pub async fn check(places: &Places, write: bool) -> Vec<Finding> {
    let clients = Clients::from_settings().await;
    let account = account::gather(&clients).await;
    let mut findings = account::judge(&account);
    if !account.can_ask() {
        return findings;
    }
    let (stream, table, bucket) = tokio::join!(
        stream::gather(&clients, places, write),
        table::gather(&clients, places, write),
        bucket::gather(&clients, places, write),
    );
    findings.push(clock::judge_offset("time", "Kinesis", stream.offset.clone()));
    let identity = account.identity.as_ref().and_then(|identity| identity.as_ref().ok());
    let region = account.region.as_deref().unwrap_or_default();
    let arns = Arns::new(places, region, identity.map(String::as_str));
    findings.extend(stream::judge(&places.stream, &stream, &arns));
    findings.extend(table::judge(&places.table, &table, &arns));
    findings.extend(bucket::judge(places, &bucket, &arns));
    findings
}
