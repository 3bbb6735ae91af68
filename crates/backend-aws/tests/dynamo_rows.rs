//! What a store leaves in its table: parts of large values, expiry, and what DynamoDB charges for it.

mod dynamo_rig;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnConsumedCapacity, TimeToLiveStatus, TransactWriteItem};
use cloudping_backend_aws::{DynamoStore, create_table_if_absent, dynamo_units};
use cloudping_ports::{Change, CommitError, Expect, Key, LiveStore, Write};
use cloudping_testkit::FaultyDoor;
use cloudping_testkit::servers::Server;
use dynamo_rig::{COMMIT, client, put, table};

/// Bytes of one part.
const PART: usize = 390 * 1024;

fn text(value: Option<&AttributeValue>) -> String {
    match value {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => text.clone(),
        _ => "-".to_owned(),
    }
}

/// Partition, sort key, version and expiry of every row, in order.
async fn rows(client: &Client, table: &str) -> Vec<String> {
    let mut pages = client.scan().table_name(table).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(row) = pages.next().await {
        let row = row.unwrap();
        found.push(["p", "s", "v", "e"].map(|name| text(row.get(name))).join(" "));
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_large_value_leaves_no_part_behind() {
    let Some(server) = Server::dynamodb() else { return };
    let door = FaultyDoor::before(server.address()).await;
    let client = client(&door.address());
    let table = table(&client).await;
    let store = DynamoStore::new(client.clone(), &table);
    let key = Key::new("p", "s");
    let write = |expect, length| put(&key, expect, vec![7; length]);
    // Requests, and parts left: a second request only where there are fewer parts than before.
    for (version, (length, requests, parts)) in
        (0..).zip([(5, 1, 0), (2 * PART, 1, 2), (3 * PART, 1, 3), (2 * PART, 2, 2), (2 * PART - 9, 1, 2), (5, 2, 0)])
    {
        let expect = if version == 0 { Expect::Absent } else { Expect::Version(version) };
        let sent = door.seen(COMMIT);
        store.commit(vec![write(expect, length)]).await.unwrap();
        assert_eq!(door.seen(COMMIT) - sent, requests, "{length} bytes as version {}", version + 1);
        let version = version + 1;
        let part = |number| format!("p#parts s#00{number} {version} -");
        let expected: Vec<String> = std::iter::once(format!("p s {version} -")).chain((0..parts).map(part)).collect();
        assert_eq!(rows(&client, &table).await, expected);
    }
    store.commit(vec![write(Expect::Version(6), 3 * PART)]).await.unwrap();
    let refused = store.commit(vec![write(Expect::Version(6), 5)]).await.unwrap_err();
    assert!(matches!(refused, CommitError::Conflict(_)), "{refused}");
    store.commit(vec![Write { change: Change::Delete, ..write(Expect::Version(7), 0) }]).await.unwrap();
    assert!(rows(&client, &table).await.is_empty());
}

#[tokio::test]
async fn what_takes_more_rows_than_a_transaction_has_is_refused_and_said() {
    let Some(server) = Server::dynamodb() else { return };
    let client = client(&server.address());
    let store = DynamoStore::new(client.clone(), table(&client).await);
    let large = put(&Key::new("p", "large"), Expect::Absent, vec![7; 3 * PART]);
    store.commit(vec![large.clone()]).await.unwrap();
    // Its parts are known of only when the first attempt is refused.
    let small = |n: usize| put(&Key::new("p", n.to_string()), Expect::Absent, "small");
    let mut writes: Vec<Write> = (0..98).map(small).collect();
    writes.push(Write { change: Change::Delete, expect: Expect::Version(1), ..large });
    let refused = store.commit(writes.clone()).await.unwrap_err();
    assert!(matches!(&refused, CommitError::Invalid(text) if text.contains("99 writes and 3 parts")), "{refused}");
    assert_eq!(store.list("p", "".."~").await.unwrap().len(), 1);
    store.commit(writes.split_off(3)).await.unwrap();
    assert_eq!(store.list("p", "".."~").await.unwrap().len(), 95);
}

#[tokio::test]
async fn rows_carry_when_they_expire_and_parts_outlast_them() {
    let Some(server) = Server::dynamodb() else { return };
    let client = client(&server.address());
    let table = table(&client).await;
    let store = DynamoStore::new(client.clone(), &table).with_expiry(|partition, sort| {
        // Far in the future: the server deletes for real.
        (partition == "short").then(|| 4_000_000_000 + sort.len() as i64)
    });
    let large = put(&Key::new("short", "ab"), Expect::Absent, vec![7; PART + 20_000]);
    store.commit(vec![large.clone(), put(&Key::new("long", "a"), Expect::Absent, "value")]).await.unwrap();
    let expected =
        ["long a 1 -", "short ab 1 4000000002", "short#parts ab#000 1 4000604802", "short#parts ab#001 1 4000604802"];
    assert_eq!(rows(&client, &table).await, expected);
    let ttl = client.describe_time_to_live().table_name(&table).send().await.unwrap();
    let ttl = ttl.time_to_live_description.unwrap();
    assert_eq!((ttl.time_to_live_status, ttl.attribute_name.as_deref()), (Some(TimeToLiveStatus::Enabled), Some("e")));
    create_table_if_absent(&client, &table).await.unwrap();
    // Should DynamoDB have deleted a part first, the item counts as gone, and hides no other.
    let part = [("p", "short#parts"), ("s", "ab#001")];
    let delete = part.into_iter().fold(client.delete_item().table_name(&table), |request, (name, value)| {
        request.key(name, AttributeValue::S(value.to_owned()))
    });
    delete.send().await.unwrap();
    store.commit(vec![put(&Key::new("short", "b"), Expect::Absent, "there")]).await.unwrap();
    assert_eq!(store.get(&large.key).await.unwrap(), None);
    let listed = store.list("short", "".."~").await.unwrap();
    let found: Vec<_> = listed.iter().map(|(key, _)| key.sort.as_str()).collect();
    assert_eq!(found, ["b"]);
}

#[tokio::test]
async fn parts_that_are_missing_without_expiry_are_an_error() {
    let Some(server) = Server::dynamodb() else { return };
    let client = client(&server.address());
    let table = table(&client).await;
    let store = DynamoStore::new(client.clone(), &table);
    let large = put(&Key::new("p", "s"), Expect::Absent, vec![7; 2 * PART]);
    store.commit(vec![large.clone()]).await.unwrap();
    let delete = client.delete_item().table_name(&table).key("p", AttributeValue::S("p#parts".to_owned()));
    delete.key("s", AttributeValue::S("s#000".to_owned())).send().await.unwrap();
    let error = store.get(&large.key).await.unwrap_err().to_string();
    assert!(error.contains(r#"sort: "s""#) && error.contains("parts of another version"), "{error}");
}

/// The server counts write units as DynamoDB does. What a store has written is copied row by row, since its own commits do not ask.
#[tokio::test]
async fn writes_cost_what_the_server_counts() {
    let Some(server) = Server::dynamodb() else { return };
    let client = client(&server.address());
    let (from, to) = (table(&client).await, table(&client).await);
    let store = DynamoStore::new(client.clone(), &from).with_expiry(|_, _| Some(4_000_000_000));
    for (number, length) in [1, 900, 1_100, 30_000, 2 * PART + 5_000].into_iter().enumerate() {
        let write = put(&Key::new("partition", format!("sort-{number}")), Expect::Absent, vec![7; length]);
        store.commit(vec![write.clone()]).await.unwrap();
        let page = client.scan().table_name(&from).into_paginator().items().send();
        let rows = page.collect::<Result<Vec<_>, _>>().await.unwrap();
        let puts = rows.into_iter().filter(|row| text(row.get("s")).starts_with(&write.key.sort)).map(|row| {
            let put = Put::builder().table_name(&to).set_item(Some(row)).build().unwrap();
            TransactWriteItem::builder().put(put).build()
        });
        let request = client.transact_write_items().set_transact_items(Some(puts.collect()));
        let answer = request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
        let counted = answer.consumed_capacity().first().and_then(|capacity| capacity.capacity_units());
        let expected = dynamo_units::write_units(&[write], |_| None) as f64;
        assert_eq!(counted, Some(expected), "{length} bytes");
    }
}
