//! How many calls of DynamoDB the stream processor makes for a thousand samples: 36 vantage points measure 35 targets each, one shard
//! brings their rounds in batches of some seconds, as Kinesis' event source gathers them, and the calls are counted at a door before the
//! server.

use std::sync::Arc;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;
use cloudping_backend_aws::{DynamoStore, create_table_if_absent};
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_ports::{Record, SequenceNumber, ShardId};
use cloudping_schemas::event;
use cloudping_stream_processor::Processor;
use cloudping_testkit::FaultyDoor;
use cloudping_testkit::bench_report::{Bar, BenchReport};
use cloudping_testkit::servers::Server;

use crate::Failure;

const VANTAGES: u64 = 36;
const TARGETS: usize = 35;
/// 2026-01-05T00:00:00Z, a full hour.
const START_US: i64 = 1_767_571_200_000_000;
const SECOND_US: u64 = 1_000_000;
/// What every call of DynamoDB says in its head.
const CALL: &str = "DynamoDB_20120810.";

/// A deployment, and how long it is watched.
struct Case {
    name: &'static str,
    /// From a round to the next of the same vantage point, in seconds.
    interval: u64,
    /// For how long a batch is gathered, in seconds.
    window: u64,
    seconds: u64,
    bar: Option<Bar>,
}

const CASES: [Case; 4] = [
    Case { name: "a round a second, batches of 1 s", interval: 1, window: 1, seconds: 120, bar: None },
    Case {
        name: "a round a second, batches of 5 s",
        interval: 1,
        window: 5,
        seconds: 600,
        bar: Some(Bar::AtMost(1.0)),
    },
    Case { name: "a round a minute, batches of 5 s", interval: 60, window: 5, seconds: 600, bar: None },
    // An hour and more: minutes are folded into the hour as well.
    Case { name: "a round a minute, batches of 300 s", interval: 60, window: 300, seconds: 5_400, bar: None },
];

/// Counts the calls of each case.
///
/// # Errors
/// When the server is missing or a batch fails, or when the processor did not count every round.
pub async fn judge(report: &mut BenchReport) -> Result<(), Failure> {
    let server = Server::dynamodb().ok_or("expected CLOUDPING_TEST_MINISTACK")?;
    for case in &CASES {
        let calls = calls(&server, case).await?;
        let rounds = VANTAGES * case.seconds / case.interval;
        let per_thousand = calls as f64 * 1e3 / (rounds as f64 * TARGETS as f64);
        let figure = format!("DynamoDB calls per 1,000 samples, {}", case.name);
        match case.bar {
            Some(bar) => report.judged(figure, per_thousand, "", bar),
            None => report.plain(figure, per_thousand, ""),
        }
    }
    report.note("a round a second: watched for minutes, so no hour is folded; 36 hours folded are some calls in 4.5 million samples");
    Ok(())
}

async fn calls(server: &Server, case: &Case) -> Result<usize, Failure> {
    let door = FaultyDoor::before(server.address()).await;
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .endpoint_url(format!("http://{}", door.address()));
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    let table = format!("calls-{}-{}", case.interval, case.window);
    for attempt in 1.. {
        match create_table_if_absent(&client, &table).await {
            Ok(()) => break,
            Err(error) if attempt == 60 => return Err(error.into()),
            Err(_not_up_yet) => tokio::time::sleep(std::time::Duration::from_millis(500)).await,
        }
    }
    let before = door.seen(CALL);
    let store = DynamoStore::new(client, table);
    let mut processor = Processor::new(Arc::new(store));
    let (shard, mut counted) = (ShardId("shardId-000000000000".to_owned()), 0);
    let mut rng = fastrand::Rng::with_seed(0xCA11);
    for second in (0..case.seconds).step_by(usize::try_from(case.window)?) {
        let records = batch(case.interval, second..second + case.window, &mut rng)?;
        let now = START_US + i64::try_from((second + case.window) * SECOND_US)?;
        counted += processor.process_batch(&shard, &records, UtcMicros(now)).await?.counted as u64;
    }
    let expected = VANTAGES * case.seconds / case.interval;
    if counted != expected {
        return Err(format!("{}: {counted} rounds counted, expected {expected}", case.name).into());
    }
    Ok(door.seen(CALL) - before)
}

/// The rounds that begin in these seconds, in the order of their beginning; the vantage points spread over the interval.
fn batch(interval: u64, seconds: std::ops::Range<u64>, rng: &mut fastrand::Rng) -> Result<Vec<Record>, Failure> {
    let mut records = Vec::new();
    for at in (seconds.start * VANTAGES)..(seconds.end * VANTAGES) {
        // In steps of a vantage point's share of a second.
        if at % interval == 0 {
            let (number, vantage) = (at / interval / VANTAGES, at / interval % VANTAGES);
            let started = START_US + i64::try_from(at * SECOND_US / VANTAGES)?;
            let data = Bytes::from(event::encode(&round(vantage, number, started, rng)?));
            records.push(Record { sequence: SequenceNumber::from(at + 1), data });
        }
    }
    Ok(records)
}

fn round(vantage: u64, number: u64, started: i64, rng: &mut fastrand::Rng) -> Result<Round, Failure> {
    let mut samples = Vec::with_capacity(TARGETS);
    for target in 0..TARGETS {
        let base = 1_000 + 5_000 * ((target as u32 * 7 + vantage as u32 * 13) % 40);
        let lost = rng.u8(0..100) == 0;
        samples.push(Sample {
            target: TargetId::new(&format!("target-{target:02}"))?,
            offset_us: rng.u32(0..900_000),
            protocol: Protocol::TcpConnect,
            outcome: if lost { Outcome::Timeout } else { Outcome::Answered },
            rtt_us: (!lost).then(|| base + rng.u32(0..base / 20)),
            connect_us: None,
            retransmits: 0,
            family: Family::V4,
            address: None,
        });
    }
    let vantage = VantageId::new(&format!("vantage-{vantage:02}"))?;
    Ok(Round { id: RoundId { vantage, epoch: 1, number }, started_at: UtcMicros(started), gap: None, samples })
}
