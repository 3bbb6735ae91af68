//! Two long-running workers on a real Kinesis server and a real DynamoDB server's table: a shard is split while they read, and one of them
//! dies.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;
use cloudping_backend_aws::{DynamoStore, KinesisLog, create_stream_if_absent, create_table_if_absent};
use cloudping_model::{Round, UtcMicros};
use cloudping_ports::{EventLog, LiveStore, ShardId};
use cloudping_schemas::event;
use cloudping_schemas::stored::{LeaseItem, VantageHead, keys};
use cloudping_stream_processor::{ALLOWED_LATENESS_US, Surroundings, WorkerId, WorkerSettings, consume};
use cloudping_testkit::servers::Server;
use common::{MINUTE, START, check, copy, round};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const STREAM: &str = "events";
const TABLE: &str = "live";
/// Where the upper half of all hash keys is halved.
const THREE_QUARTERS: &str = "255211775190703847597530955573826158592";

/// The servers, and clients of them. They end when this is dropped.
struct Rig {
    kinesis: aws_sdk_kinesis::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    store: DynamoStore,
    _servers: [Server; 2],
}

impl Rig {
    /// `None` where the servers are not installed.
    async fn start() -> Option<Self> {
        let (kinesis, dynamodb) = (Server::kinesis()?, Server::dynamodb()?);
        let _servers = [kinesis, dynamodb];
        let [kinesis, dynamodb] = _servers.each_ref().map(|server| format!("http://{}", server.address()));
        let credentials = || Credentials::new("test", "test", None, None, "test");
        let region = || Region::new("eu-west-1");
        let config = aws_sdk_kinesis::Config::builder().behavior_version(BehaviorVersion::latest()).region(region());
        let config = config.credentials_provider(credentials()).endpoint_url(kinesis).build();
        let kinesis = aws_sdk_kinesis::Client::from_conf(config);
        let config = aws_sdk_dynamodb::Config::builder().behavior_version(BehaviorVersion::latest()).region(region());
        let config = config.credentials_provider(credentials()).endpoint_url(dynamodb).build();
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(config);
        until("a stream", async || create_stream_if_absent(&kinesis, STREAM, 2).await.is_ok()).await;
        until("a table", async || create_table_if_absent(&dynamodb, TABLE).await.is_ok()).await;
        let store = DynamoStore::new(dynamodb.clone(), TABLE);
        Some(Self { kinesis, dynamodb, store, _servers })
    }

    fn log(&self) -> KinesisLog {
        KinesisLog::new(self.kinesis.clone(), STREAM)
    }

    /// A worker that is found dead after two seconds.
    fn worker(&self, name: &str) -> (JoinHandle<()>, watch::Sender<bool>) {
        let (log, store) = (Arc::new(self.log()), Arc::new(DynamoStore::new(self.dynamodb.clone(), TABLE)));
        let clock = || UtcMicros(START + 400 * 24 * 60 * MINUTE);
        let surroundings = Surroundings { log, store, clock, allowed_lateness_us: ALLOWED_LATENESS_US, news: None };
        let lease = Duration::from_secs(2);
        let settings = WorkerSettings { lease, ..WorkerSettings::new(WorkerId::new(name).unwrap()) };
        let (stop, shutdown) = watch::channel(false);
        (tokio::spawn(consume(surroundings, settings, shutdown)), stop)
    }

    async fn put(&self, rounds: &[Round]) {
        let log = self.log();
        for round in rounds {
            log.append(round.id.vantage.as_str(), Bytes::from(event::encode(round))).await.unwrap();
        }
    }

    async fn split(&self) {
        let parent = self.log().shards().await.unwrap().remove(1).id;
        let request = self.kinesis.split_shard().stream_name(STREAM).shard_to_split(parent.0);
        request.new_starting_hash_key(THREE_QUARTERS).send().await.unwrap();
    }

    async fn leases(&self) -> BTreeMap<ShardId, LeaseItem> {
        let items = self.store.list(keys::LEASES, keys::ALL).await.unwrap();
        items.into_iter().map(|(key, item)| (ShardId(key.sort), LeaseItem::decode(&item.value).unwrap())).collect()
    }

    async fn owners(&self) -> Vec<String> {
        let mut owners: Vec<String> = self.leases().await.into_values().filter_map(|lease| lease.owner).collect();
        owners.sort();
        owners
    }

    async fn counted(&self) -> u64 {
        let heads = self.store.list(keys::HEADS, keys::ALL).await.unwrap();
        let heads = heads.iter().map(|(_, item)| VantageHead::decode(&item.value).unwrap());
        heads.flat_map(|head| head.ledger).map(|hour| hour.rounds).sum()
    }
}

async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    for _ in 0..300 {
        if reached().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("not within a minute: {what}");
}

/// Six vantage points, a round each every minute and a half.
fn rounds(count: u32) -> Vec<Round> {
    let mut rng = fastrand::Rng::with_seed(5);
    let round = |nth: u32| {
        let (vantage, number) = (format!("v{}", nth % 6), nth / 6);
        round(&vantage, 1, u64::from(number), START + i64::from(number) * MINUTE * 3 / 2, &mut rng)
    };
    (0..count).map(round).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_follow_a_split_and_one_survives_the_other() {
    let Some(rig) = Rig::start().await else { return };
    let rounds = rounds(240);
    let (victim, _stop) = rig.worker("a");
    let (survivor, stop) = rig.worker("b");
    rig.put(&rounds[..80]).await;
    until("a shard each", async || rig.owners().await == ["a", "b"]).await;
    rig.split().await;
    rig.put(&rounds[80..160]).await;
    until("some of the second part is counted", async || rig.counted().await > 80).await;
    victim.abort();
    rig.put(&rounds[160..]).await;
    until("all is counted", async || rig.counted().await == 240).await;
    until("three shards of the survivor", async || rig.owners().await == ["b", "b", "b"]).await;
    check(&copy(&rig.store).await, &rounds, 0).await;

    let shards = rig.log().shards().await.unwrap();
    let closed: Vec<&ShardId> = shards.iter().filter(|shard| shard.closed).map(|shard| &shard.id).collect();
    let finished: Vec<ShardId> =
        rig.leases().await.into_iter().filter(|(_, lease)| lease.finished).map(|(shard, _)| shard).collect();
    assert_eq!(finished.iter().collect::<Vec<_>>(), closed);
    assert_eq!(closed.len(), 1);

    stop.send_replace(true);
    survivor.await.unwrap();
    let signs = rig.store.list(keys::WORKERS, keys::ALL).await.unwrap();
    assert!(!signs.iter().any(|(key, _)| key.sort == "b"), "{signs:?}");
    check(&copy(&rig.store).await, &rounds, 0).await;
}
