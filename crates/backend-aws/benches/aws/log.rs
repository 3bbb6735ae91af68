//! Records a second through the event log, and through a bare loop of PutRecords or GetRecords with the same SDK against the same
//! server: the same keys, sizes and number of records in a request, a fresh stream for each run, in turns.

use std::time::Instant;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use bytes::Bytes;
use cloudping_backend_aws::KinesisLog;
use cloudping_ports::{EventLog as _, ShardId};
use cloudping_testkit::bench_report::{Bar, BenchReport};
use futures::future::try_join_all;

use crate::Failure;
use crate::servers::{Kinesis, stream};

/// Partition keys, and so the records of a full request: a bare loop can send as many at once.
const KEYS: usize = 200;
/// About a round of 35 probes.
const RECORD_BYTES: usize = 700;
const SHARDS: i32 = 4;
/// Records that one reading asks for.
const READ_AT_ONCE: i32 = 1_000;
/// How often each way is run; medians count.
const TURNS: usize = 5;

/// The two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Log,
    Bare,
}

/// Both, in turns: neither is always the first.
fn ways(turn: usize) -> [Way; 2] {
    if turn.is_multiple_of(2) { [Way::Log, Way::Bare] } else { [Way::Bare, Way::Log] }
}

/// Seconds of each turn.
#[derive(Default)]
struct Times {
    log: Vec<f64>,
    bare: Vec<f64>,
}

impl Times {
    fn push(&mut self, way: Way, begun: Instant) {
        let times = if way == Way::Log { &mut self.log } else { &mut self.bare };
        times.push(begun.elapsed().as_secs_f64());
    }

    /// The ratio is the median of the turns' ratios: what else the machine does meets both ways of a turn alike.
    fn report(self, report: &mut BenchReport, what: &str, records: usize) {
        let ratio = median(self.log.iter().zip(&self.bare).map(|(log, bare)| bare / log));
        report.plain(format!("{what} by the event log"), records as f64 / median(self.log), "/s");
        report.plain(format!("{what} by a bare loop"), records as f64 / median(self.bare), "/s");
        report.judged(format!("{what}: event log over bare loop"), ratio, "", Bar::AtLeast(0.8));
    }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Writes and reads on both servers.
///
/// # Errors
/// When a server is missing or a call fails, or when a reader does not find what was written.
pub async fn judge(report: &mut BenchReport) -> Result<(), Failure> {
    for (server, rounds) in [(Kinesis::lite()?, 50), (Kinesis::local()?, 15)] {
        let client = server.client();
        let (mut written, mut read) = (Times::default(), Times::default());
        for turn in 0..TURNS {
            for way in ways(turn) {
                let name = format!("{way:?}-{turn}");
                stream(&client, &name, SHARDS).await?;
                let begun = Instant::now();
                match way {
                    Way::Log => write_by_log(&KinesisLog::new(client.clone(), &name), rounds).await?,
                    Way::Bare => write_bare(&client, &name, rounds).await?,
                }
                written.push(way, begun);
            }
            for (writer, reader) in ways(0).into_iter().flat_map(|writer| ways(turn).map(|reader| (writer, reader))) {
                let name = format!("{writer:?}-{turn}");
                let log = KinesisLog::new(client.clone(), &name);
                let shards: Vec<ShardId> = log.shards().await?.into_iter().map(|shard| shard.id).collect();
                let begun = Instant::now();
                let found = match reader {
                    Way::Log => read_by_log(&log, &shards).await?,
                    Way::Bare => read_bare(&client, &name, &shards).await?,
                };
                read.push(reader, begun);
                if found != rounds * KEYS {
                    return Err(format!("{found} records in {name}, expected {}", rounds * KEYS).into());
                }
            }
        }
        written.report(report, &format!("{}: records written", server.name()), rounds * KEYS);
        read.report(report, &format!("{}: records read", server.name()), rounds * KEYS);
    }
    Ok(())
}

fn key(number: usize) -> String {
    format!("vantage-{number:03}")
}

/// Every key has one who appends a record after the other.
async fn write_by_log(log: &KinesisLog, rounds: usize) -> Result<(), Failure> {
    let writers = (0..KEYS).map(|number| {
        let log = log.clone();
        tokio::spawn(async move {
            let (key, data) = (key(number), Bytes::from(vec![7; RECORD_BYTES]));
            for _ in 0..rounds {
                log.append(&key, data.clone()).await?;
            }
            Ok::<_, Failure>(())
        })
    });
    try_join_all(writers).await?.into_iter().collect()
}

/// One request after the other, each with one record of every key.
async fn write_bare(client: &Client, name: &str, rounds: usize) -> Result<(), Failure> {
    let data = vec![7; RECORD_BYTES];
    for _ in 0..rounds {
        let entry = |number| {
            let entry = PutRecordsRequestEntry::builder().partition_key(key(number)).data(Blob::new(data.clone()));
            entry.build()
        };
        let entries = (0..KEYS).map(entry).collect::<Result<Vec<_>, _>>()?;
        let answer = client.put_records().stream_name(name).set_records(Some(entries)).send().await?;
        if answer.failed_record_count() != Some(0) {
            return Err(format!("{:?} records failed, expected none", answer.failed_record_count()).into());
        }
    }
    Ok(())
}

async fn read_by_log(log: &KinesisLog, shards: &[ShardId]) -> Result<usize, Failure> {
    let mut found = 0;
    for shard in shards {
        let mut last = None;
        loop {
            let records = log.read(shard, last.as_ref(), READ_AT_ONCE as usize).await?;
            let Some(record) = records.last() else { break };
            found += records.len();
            last = Some(record.sequence.clone());
        }
    }
    Ok(found)
}

async fn read_bare(client: &Client, name: &str, shards: &[ShardId]) -> Result<usize, Failure> {
    let mut found = 0;
    for shard in shards {
        let first = client.get_shard_iterator().stream_name(name).shard_id(&shard.0);
        let first = first.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await?;
        let mut iterator = first.shard_iterator;
        while let Some(from) = iterator.take() {
            let answer = client.get_records().shard_iterator(from).limit(READ_AT_ONCE).send().await?;
            if answer.records().is_empty() {
                break;
            }
            found += answer.records().len();
            iterator = answer.next_shard_iterator;
        }
    }
    Ok(found)
}
