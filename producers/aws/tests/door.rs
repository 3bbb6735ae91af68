//! The agent of a vantage point that cannot reach the stream: it sends through an ingest door.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloudping_ingest_client::Key;
use cloudping_ingest_door::{Door, Limits, Reason, registry, serve};
use cloudping_model::{Round, UtcMicros, VantageId};
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use cloudping_testkit::{MemoryLog, MemoryStore};
use tokio::net::TcpListener;

const VANTAGE: &str = "us-gov-west-1";

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn agent(door: SocketAddr, folder: &Path, vantage: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudping-producer-agent"));
    let variables = ["AWS_REGION", "CLOUDPING_STREAM"];
    variables.iter().for_each(|name| {
        command.env_remove(name);
    });
    command
        .env("CLOUDPING_INGEST_URL", format!("http://{door}"))
        .env("CLOUDPING_INGEST_KEY_FILE", folder.join("key"))
        .env("CLOUDPING_VANTAGE", vantage)
        .env("CLOUDPING_SPOOL", folder)
        .env("CLOUDPING_INTERVAL_MS", "300")
        .env("CLOUDPING_TIMEOUT_MS", "200")
        .stdout(Stdio::null());
    command
}

fn now() -> UtcMicros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UtcMicros(since.as_micros().try_into().unwrap())
}

async fn logged(log: &MemoryLog) -> Vec<Round> {
    let mut rounds = Vec::new();
    for shard in log.shards().await.unwrap() {
        let records = log.read(&shard.id, None, 1_000).await.unwrap();
        rounds.extend(records.iter().map(|record| event::decode(&record.data).unwrap()));
    }
    rounds
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), patience).await.unwrap_or_else(|_| panic!("{what} within a minute"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_wait_until_the_door_knows_the_key_and_all_get_through() {
    let (log, store) = (Arc::new(MemoryLog::default()), Arc::new(MemoryStore::new()));
    let door = Door::new(log.clone(), store.clone(), now, Limits::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, door.clone(), std::future::pending()));
    let (folder, vantage) = (tempfile::tempdir().unwrap(), VantageId::new(VANTAGE).unwrap());
    let key = Key::generate(vantage.clone()).unwrap();
    key.write_new(&folder.path().join("key")).unwrap();

    let mut agent = Agent(agent(address, folder.path(), VANTAGE).spawn().unwrap());
    until("a refusal", async || door.counters().refused(Reason::UnknownKey) > 0).await;
    assert_eq!(logged(&log).await.len(), 0);
    registry::add(&*store, &vantage, key.fingerprint(), "", now()).await.unwrap();
    until("five rounds", async || logged(&log).await.len() >= 5).await;
    let stopped = Command::new("kill").args(["-TERM", &agent.0.id().to_string()]).status();
    assert!(stopped.unwrap().success() && agent.0.wait().unwrap().success());

    let rounds = logged(&log).await;
    let numbers: Vec<u64> = rounds.iter().map(|round| round.id.number).collect();
    assert_eq!(numbers, (0..rounds.len() as u64).collect::<Vec<_>>());
    assert!(rounds.iter().all(|round| round.id.vantage == vantage));
    assert_eq!(door.counters().rounds, rounds.len() as u64);
}

#[test]
fn an_agent_with_another_vantage_points_key_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::generate(VantageId::new(VANTAGE).unwrap()).unwrap();
    key.write_new(&folder.path().join("key")).unwrap();
    let ended = agent(SocketAddr::from(([127, 0, 0, 1], 1)), folder.path(), "laptop").output();
    let Output { status, stderr, .. } = ended.unwrap();
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("is the key of us-gov-west-1, expected one of CLOUDPING_VANTAGE, laptop"), "{said}");
}
