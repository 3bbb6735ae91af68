//! What `up --aws` needs of AWS. Each service has facts, a function that asks for them, and one that judges them.

mod account;
mod bucket;
mod refusal;
mod stream;
mod table;

use super::clock;
use super::finding::Finding;
use crate::aws::{Clients, Places};

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
    findings.extend(stream::judge(&places.stream, &stream));
    findings.extend(table::judge(&places.table, &table));
    findings.extend(bucket::judge(places, &bucket));
    findings
}
