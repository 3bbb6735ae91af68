//! Both programs write to a real Kinesis server: the function under a real Lambda Runtime API, the agent across an outage of
//! the stream and a kill -9.

use std::process::{Child, Command};
use std::time::Duration;

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::{Client, Config};
use cloudping_backend_aws::KinesisLog;
use cloudping_model::Round;
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use cloudping_testkit::servers::Server;
use serde_json::Value;

const STREAM: &str = "events";

struct Program(Child);

impl Program {
    /// Starts a binary with the settings that both programs share.
    fn start(path: &str, kinesis: &Server, variables: &[(&str, &str)]) -> Self {
        let child = Command::new(path)
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_ENDPOINT_URL_KINESIS", format!("http://{}", kinesis.address()))
            .env("CLOUDPING_STREAM", STREAM)
            .env("CLOUDPING_INTERVAL_MS", "500")
            .env("CLOUDPING_TIMEOUT_MS", "300")
            .envs(variables.iter().copied())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn stream(kinesis: &Server) -> KinesisLog {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(format!("http://{}", kinesis.address()));
    let client = Client::from_conf(config.build());
    for _ in 0..60 {
        if client.create_stream().stream_name(STREAM).shard_count(1).send().await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            return KinesisLog::new(client, STREAM);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no stream was made in 30 s");
}

/// Invokes the function, which has no name here, as Lambda's own API does.
fn invoke(runtime: &Server) -> Value {
    let url = format!("http://{}/2015-03-31/functions/_/invocations", runtime.address());
    let mut answer = ureq::post(url).send("{}").unwrap();
    answer.body_mut().read_json().unwrap()
}

async fn logged(log: &KinesisLog) -> Vec<Round> {
    let shard = &log.shards().await.unwrap()[0].id;
    let records = log.read(shard, None, 100).await.unwrap();
    records.iter().map(|record| event::decode(&record.data).unwrap()).collect()
}

#[tokio::test]
async fn an_invocation_measures_and_logs_its_rounds() {
    let (Some(runtime), Some(kinesis)) = (Server::lambda_runtime(), Server::kinesis()) else { return };
    let log = stream(&kinesis).await;
    let api = format!("http://{}/.rt", runtime.address());
    let variables = [
        ("AWS_LAMBDA_RUNTIME_API", api.as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", "producer"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("CLOUDPING_ROUNDS", "2"),
    ];
    let _function = Program::start(env!("CARGO_BIN_EXE_cloudping-producer-lambda"), &kinesis, &variables);
    for times in 1..=2 {
        let report = invoke(&runtime);
        assert_eq!((&report["rounds"], &report["appended"]), (&2.into(), &2.into()), "{report}");
        let rounds = logged(&log).await;
        let numbers: Vec<u64> = rounds.iter().map(|round| round.id.number).collect();
        assert_eq!(numbers, (0..2 * times).collect::<Vec<_>>());
        for round in &rounds {
            assert_eq!((round.id.vantage.as_str(), round.id.epoch), ("eu-west-1", rounds[0].id.epoch));
            assert_eq!(round.samples.len(), 38);
        }
    }
}

#[tokio::test]
async fn the_agent_loses_no_finished_round_while_the_stream_is_away_and_it_is_killed() {
    let Some(kinesis) = Server::kinesis() else { return };
    let spool = tempfile::tempdir().unwrap();
    let variables = [("CLOUDPING_SPOOL", spool.path().to_str().unwrap())];
    let agent = || Program::start(env!("CARGO_BIN_EXE_cloudping-producer-agent"), &kinesis, &variables);
    let without_a_stream = agent();
    tokio::time::sleep(Duration::from_secs(5)).await;
    drop(without_a_stream); // SIGKILL
    let log = stream(&kinesis).await;
    let mut second = agent();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let stopped = Command::new("kill").args(["-TERM", &second.0.id().to_string()]).status();
    assert!(stopped.unwrap().success() && second.0.wait().unwrap().success());

    let rounds = logged(&log).await;
    let epochs: Vec<u64> = rounds.iter().map(|round| round.id.epoch).collect();
    assert!(epochs.is_sorted(), "the earlier start's rounds go first: {epochs:?}");
    let (first, last) = (epochs[0], epochs[epochs.len() - 1]);
    assert!(first < last, "rounds of both starts: {epochs:?}");
    for epoch in [first, last] {
        let numbers: Vec<u64> =
            rounds.iter().filter(|round| round.id.epoch == epoch).map(|round| round.id.number).collect();
        assert!(numbers.len() >= 4, "{numbers:?}");
        let distinct: std::collections::BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(distinct.into_iter().collect::<Vec<_>>(), (0..numbers.len() as u64).collect::<Vec<_>>());
    }
}
