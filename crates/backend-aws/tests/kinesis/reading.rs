//! How reading goes on: one call where the last reading ended, whatever became of the iterator.

use bytes::Bytes;
use cloudping_backend_aws::KinesisLog;
use cloudping_ports::{EventLog, LogError, Record, ShardId};
use cloudping_testkit::servers::Server;
use cloudping_testkit::{FaultyDoor, HttpFault};

use crate::support::{client, stream};

const ITERATOR: &str = "GetShardIterator";
const RECORDS: &str = "GetRecords";

fn refusal(code: &str) -> HttpFault {
    HttpFault::Answered { status: 400, body: format!(r#"{{"__type":"{code}","message":"by the door"}}"#) }
}

async fn read_on(log: &KinesisLog, shard: &ShardId, last: Option<&Record>) -> Result<Vec<Record>, LogError> {
    log.read(shard, last.map(|record| &record.sequence), 2).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_on_takes_one_call_whatever_becomes_of_the_iterator() {
    let Some(server) = Server::kinesis() else { return };
    let name = stream(&client(&server.address()), 1).await;
    let door = FaultyDoor::before(server.address()).await;
    let log = KinesisLog::new(client(&door.address()), &name);
    let shard = log.shards().await.unwrap().remove(0).id;
    for number in 0..12 {
        log.append("key", Bytes::from(number.to_string())).await.unwrap();
    }

    let mut read: Vec<Record> = Vec::new();
    for _ in 0..3 {
        read.extend(read_on(&log, &shard, read.last()).await.unwrap());
    }
    assert_eq!((read.len(), door.seen(ITERATOR), door.seen(RECORDS)), (6, 1, 3));

    door.plan(RECORDS, refusal("ExpiredIteratorException"));
    read.extend(read_on(&log, &shard, read.last()).await.unwrap());
    assert_eq!((read.len(), door.seen(ITERATOR), door.seen(RECORDS)), (8, 2, 5), "one refusal, one new iterator");

    door.plan(RECORDS, refusal("ProvisionedThroughputExceededException"));
    read.extend(read_on(&log, &shard, read.last()).await.unwrap());
    assert_eq!((read.len(), door.seen(ITERATOR), door.seen(RECORDS)), (10, 2, 7), "tried again by the client");

    door.plan(RECORDS, refusal("AccessDeniedException"));
    let denied = read_on(&log, &shard, read.last()).await.unwrap_err();
    assert!(denied.to_string().contains("AccessDeniedException"), "{denied}");
    read.extend(read_on(&log, &shard, read.last()).await.unwrap());
    assert_eq!((read.len(), door.seen(ITERATOR)), (12, 2), "the iterator is still good");

    for _ in 0..2 {
        assert_eq!(read_on(&log, &shard, read.last()).await.unwrap(), []);
    }
    log.append("key", Bytes::from_static(b"12")).await.unwrap();
    read.extend(read_on(&log, &shard, read.last()).await.unwrap());
    assert_eq!(door.seen(ITERATOR), 2, "also at the end");
    let texts: Vec<&[u8]> = read.iter().map(|record| &*record.data).collect();
    let expected: Vec<String> = (0..13).map(|number| number.to_string()).collect();
    assert_eq!(texts, expected.iter().map(String::as_bytes).collect::<Vec<_>>());
}
