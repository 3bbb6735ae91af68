//! The live store's contract on a real DynamoDB server, and what that server does not do by itself: answers that get lost,
//! transactions in each other's way, throttling.

mod dynamo_rig;

use aws_sdk_dynamodb::Client;
use cloudping_backend_aws::{DynamoStore, create_table_if_absent};
use cloudping_ports::{CommitError, Expect, Key, LiveStore};
use cloudping_testkit::servers::Server;
use cloudping_testkit::{FaultyDoor, HttpFault, store_contract};
use dynamo_rig::{COMMIT, client, put, table};

async fn store(client: &Client) -> DynamoStore {
    DynamoStore::new(client.clone(), table(client).await)
}

#[test]
fn keeps_the_contract_of_the_live_store() {
    let Some(server) = Server::dynamodb() else { return };
    let client = client(&server.address());
    store_contract::run(async || store(&client).await);
}

#[tokio::test]
async fn a_list_goes_on_over_pages_and_ends_before_its_end() {
    let Some(server) = Server::dynamodb() else { return };
    let client = client(&server.address());
    let store = store(&client).await;
    // A page holds 1 MB.
    for n in 0..30 {
        let key = Key::new("p", format!("{n:02}"));
        store.commit(vec![put(&key, Expect::Absent, vec![n; 100_000])]).await.unwrap();
    }
    for (range, expected) in [("".."~", 0..30), ("02".."29", 2..29), ("".."29", 0..29), ("05".."05~", 5..6)] {
        let listed = store.list("p", range.clone()).await.unwrap();
        let found: Vec<u8> = listed.iter().map(|(_, item)| item.value[99_999]).collect();
        assert_eq!(found, expected.collect::<Vec<u8>>(), "{range:?}");
    }
    // A table that is there is left as it is.
    create_table_if_absent(&client, "test-0").await.unwrap();
    assert_eq!(store.list("p", "".."~").await.unwrap().len(), 30);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_done_once_and_no_conflict() {
    let Some(server) = Server::dynamodb() else { return };
    let door = FaultyDoor::before(server.address()).await;
    let store = store(&client(&door.address())).await;
    let keys = [Key::new("p", "one"), Key::new("p", "two")];
    for (writes, times) in [(1, 1), (2, 2)] {
        let before = store.get(&keys[0]).await.unwrap();
        let expect = Expect::unchanged(before.as_ref());
        let commit = [put(&keys[0], expect, "value"), put(&keys[1], Expect::Absent, "value")];
        (0..times).for_each(|_| door.plan(COMMIT, HttpFault::AnswerLost));
        let sent = door.seen(COMMIT);
        store.commit(commit[..writes].to_vec()).await.unwrap();
        assert_eq!(door.seen(COMMIT) - sent, times + 1, "the SDK asked again");
        assert_eq!(store.get(&keys[0]).await.unwrap().map(|item| item.version), Some(expect.next_version()));
    }
    // One that is really in the way is still found.
    let refused = store.commit(vec![put(&keys[1], Expect::Absent, "again")]).await.unwrap_err();
    assert!(matches!(&refused, CommitError::Conflict(key) if *key == keys[1]), "{refused}");
}

#[tokio::test]
async fn a_commit_that_is_in_the_way_of_another_one_is_tried_again_for_a_while() {
    let Some(server) = Server::dynamodb() else { return };
    let door = FaultyDoor::before(server.address()).await;
    let store = store(&client(&door.address())).await;
    let canceled = |code: &str| HttpFault::Answered {
        status: 400,
        body: format!(
            r#"{{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"Transaction cancelled",
               "CancellationReasons":[{{"Code":"None"}},{{"Code":"{code}","Message":"told to"}}]}}"#
        ),
    };
    let keys = [Key::new("p", "one"), Key::new("p", "two")];
    let commit = |expect| keys.iter().map(|key| put(key, expect, "value")).collect::<Vec<_>>();
    for code in ["TransactionConflict", "ThrottlingError", "TransactionConflict"] {
        door.plan(COMMIT, canceled(code));
    }
    store.commit(commit(Expect::Absent)).await.unwrap();
    assert_eq!(door.seen(COMMIT), 4);
    (0..6).for_each(|_| door.plan(COMMIT, canceled("TransactionConflict")));
    let failed = store.commit(commit(Expect::Version(1))).await.unwrap_err();
    assert!(matches!(failed, CommitError::Store(_)), "{failed}");
    assert!(failed.to_string().contains("TransactionConflict"), "{failed}");
    door.plan(COMMIT, canceled("ConditionalCheckFailed"));
    let refused = store.commit(commit(Expect::Version(1))).await.unwrap_err();
    assert!(matches!(&refused, CommitError::Conflict(key) if *key == keys[1]), "{refused}");
    store.commit(commit(Expect::Version(1))).await.unwrap();
    assert_eq!(store.get(&keys[1]).await.unwrap().map(|item| item.version), Some(2));
}

#[tokio::test]
async fn a_store_that_is_away_or_has_no_table_says_so() {
    let Some(server) = Server::dynamodb() else { return };
    let door = FaultyDoor::before(server.address()).await;
    let client = client(&door.address());
    let store = store(&client).await;
    let key = Key::new("p", "s");
    let missing = DynamoStore::new(client, "no-such-table").get(&key).await.unwrap_err().to_string();
    assert!(missing.contains("ResourceNotFoundException"), "{missing}");
    door.close(true);
    assert!(store.get(&key).await.is_err());
    let failed = store.commit(vec![put(&key, Expect::Absent, "value")]).await.unwrap_err();
    assert!(matches!(failed, CommitError::Store(_)), "{failed}");
    door.close(false);
    assert_eq!(store.get(&key).await.unwrap(), None);
}
