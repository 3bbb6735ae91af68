//! What the tests share: rounds from a seed, a log of them, and the tables read back.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod contract;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use cloudping_batch_rollup::{Progress, Table, Tables};
use cloudping_model::{
    Family, Level, Outcome, Protocol, Round, RoundId, RouteChange, Sample, TargetId, UtcMicros, VantageId,
};
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use cloudping_testkit::MemoryLog;
use datafusion::prelude::SessionContext;
use deltalake_core::DeltaTable;

/// 2026-03-01T10:00:00Z.
pub const TEN: i64 = 1_772_359_200_000_000;
pub const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3_600 * SECOND;

pub const REGIONS: [&str; 4] = ["ap-south-1", "eu-west-1", "sa-east-1", "us-east-1"];

/// A round of `vantage` to all other regions.
pub fn round(random: &mut fastrand::Rng, vantage: &str, epoch: u64, number: u64, started_at: i64) -> Round {
    let targets = REGIONS.iter().filter(|target| **target != vantage);
    let samples = targets.zip(0..).map(|(target, nth)| sample(random, target, nth)).collect();
    Round {
        id: RoundId { vantage: VantageId::new(vantage).unwrap(), epoch, number },
        started_at: UtcMicros(started_at),
        gap: None,
        samples,
    }
}

fn sample(random: &mut fastrand::Rng, target: &str, nth: u32) -> Sample {
    let outcome = match random.u32(0..40) {
        0 => Outcome::Timeout,
        1 => Outcome::Retransmitted,
        2 => Outcome::NotSent,
        3 => Outcome::Refused,
        4 => Outcome::DnsFailure,
        _ => Outcome::Answered,
    };
    let rtt = (outcome == Outcome::Answered && random.u32(0..50) > 0)
        .then(|| 20_000 * (nth + 1) + random.u32(0..300) * random.u32(0..10));
    let known = !matches!(outcome, Outcome::NotSent | Outcome::DnsFailure);
    Sample {
        target: TargetId::new(target).unwrap(),
        offset_us: nth * 1_000 + random.u32(0..400),
        protocol: Protocol::TcpConnect,
        outcome,
        rtt_us: rtt,
        connect_us: (outcome == Outcome::Answered).then(|| rtt.unwrap_or(30_000) + random.u32(20..90)),
        retransmits: u32::from(outcome == Outcome::Retransmitted),
        family: if nth == 2 { Family::V6 } else { Family::V4 },
        address: known.then(|| IpAddr::V4(Ipv4Addr::from([10, 0, 0, nth as u8]))),
    }
}

/// Rounds of every region, `seconds` apart, in the order of time.
pub fn rounds(seed: u64, from: i64, count: u64, seconds: i64) -> Vec<Round> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rounds = Vec::new();
    for number in 0..count {
        for vantage in REGIONS {
            let started_at = from + number.cast_signed() * seconds * SECOND + random.i64(0..SECOND);
            rounds.push(round(&mut random, vantage, seed, number, started_at));
        }
    }
    rounds
}

/// Takes down each stage of a long work: what is done, of how many steps, and how many of them were told.
#[derive(Default)]
pub struct Told(Mutex<Vec<(String, u64, u64)>>);

impl Progress for Told {
    fn stage(&self, doing: &str, steps: u64, _unit: &'static str) {
        self.0.lock().unwrap().push((doing.to_owned(), steps, 0));
    }

    fn advance(&self, steps: u64) {
        self.0.lock().unwrap().last_mut().unwrap().2 += steps;
    }
}

impl Told {
    pub fn stages(&self) -> Vec<(String, u64, u64)> {
        self.0.lock().unwrap().clone()
    }
}

pub async fn append(log: &MemoryLog, rounds: &[Round]) {
    for round in rounds {
        let key = round.id.vantage.as_str();
        log.append(key, event::encode(round).into()).await.unwrap();
    }
}

/// A route change from eu-west-1, so many minutes after [`TEN`].
pub fn route_change(target: &str, minute: i64) -> RouteChange {
    let minute = UtcMicros(TEN + minute * 60 * SECOND);
    let ended = Level { since: UtcMicros(TEN), count: 7, percentiles_us: Some([1.0, 2.0, 3.0, 4.0]) };
    RouteChange {
        vantage: VantageId::new("eu-west-1").unwrap(),
        target: TargetId::new(target).unwrap(),
        protocol: Protocol::TcpConnect,
        family: Family::V6,
        minute,
        found_at: UtcMicros(minute.0 + 400 * SECOND),
        before_us: 20_000,
        after_us: 31_000,
        score: 1.5,
        ended,
        addresses: None,
    }
}

pub async fn append_changes(log: &MemoryLog, changes: &[RouteChange]) {
    for change in changes {
        log.append("some key", event::encode_change(change).into()).await.unwrap();
    }
}

/// A sample as the table should have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub source: String,
    pub target: String,
    pub ts: i64,
    pub epoch: i64,
    pub round: i64,
    pub family: i32,
    pub outcome: String,
    pub rtt_us: Option<i32>,
    pub connect_us: Option<i32>,
    pub address: Option<String>,
}

/// The rows that rounds make, each round once, in order.
pub fn expected_rows(rounds: &[Round]) -> Vec<Row> {
    let distinct: BTreeMap<RoundId, &Round> = rounds.iter().map(|round| (round.id.clone(), round)).collect();
    let mut rows: Vec<Row> =
        distinct.values().flat_map(|round| round.samples.iter().map(|sample| row(round, sample))).collect();
    rows.sort();
    rows
}

fn row(round: &Round, sample: &Sample) -> Row {
    Row {
        source: round.id.vantage.to_string(),
        target: sample.target.to_string(),
        ts: round.sent_at(sample).0,
        epoch: round.id.epoch.cast_signed(),
        round: round.id.number.cast_signed(),
        family: sample.family.number().into(),
        outcome: sample.outcome.name().to_owned(),
        rtt_us: sample.rtt_us.map(u32::cast_signed),
        connect_us: sample.connect_us.map(u32::cast_signed),
        address: sample.address.map(|address| address.to_string()),
    }
}

pub async fn open(tables: &Tables, table: Table) -> DeltaTable {
    tables.open(table).await.unwrap().expect("the table is there")
}

/// The answer to a query over the tables `samples` and `rollup_1h`, in one batch.
pub async fn sql(tables: &Tables, query: &str) -> RecordBatch {
    let session = SessionContext::new();
    for table in Table::ALL {
        let open = tables.open_or_create(table).await.unwrap();
        open.update_datafusion_session(&session.state()).unwrap();
        let provider = open.table_provider().build().await.unwrap();
        session.register_table(table.name(), Arc::new(provider)).unwrap();
    }
    let frame = session.sql(query).await.unwrap();
    let schema = frame.schema().inner().clone();
    concat_batches(&schema, &frame.collect().await.unwrap()).unwrap()
}

pub fn texts(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let column = cast(batch.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

pub fn ints(batch: &RecordBatch, column: &str) -> Vec<Option<i64>> {
    let column = cast(batch.column_by_name(column).unwrap(), &DataType::Int64).unwrap();
    column.as_primitive::<Int64Type>().iter().collect()
}

pub fn floats(batch: &RecordBatch, column: &str) -> Vec<Option<f64>> {
    let column = cast(batch.column_by_name(column).unwrap(), &DataType::Float64).unwrap();
    column.as_primitive::<Float64Type>().iter().collect()
}

pub fn bytes(batch: &RecordBatch, column: &str) -> Vec<Option<Vec<u8>>> {
    let column = cast(batch.column_by_name(column).unwrap(), &DataType::Binary).unwrap();
    column.as_binary::<i32>().iter().map(|bytes| bytes.map(<[u8]>::to_vec)).collect()
}

/// The rows of `samples`, in order.
pub async fn stored_rows(tables: &Tables) -> Vec<Row> {
    let found = sql(tables, "SELECT * FROM samples").await;
    let text = |column: &str| texts(&found, column);
    let int = |column: &str| -> Vec<Option<i32>> {
        found.column_by_name(column).unwrap().as_primitive::<Int32Type>().iter().collect()
    };
    let long = |column: &str| ints(&found, column);
    let times = found.column_by_name("ts").unwrap().as_primitive::<TimestampMicrosecondType>();
    let (source, target, outcome, address) = (text("source"), text("target"), text("outcome"), text("address"));
    let (family, rtt, connect) = (int("family"), int("rtt_us"), int("connect_us"));
    let (epoch, round) = (long("epoch"), long("round"));
    let mut rows: Vec<Row> = (0..found.num_rows())
        .map(|at| Row {
            source: source[at].clone().unwrap(),
            target: target[at].clone().unwrap(),
            ts: times.value(at),
            epoch: epoch[at].unwrap(),
            round: round[at].unwrap(),
            family: family[at].unwrap(),
            outcome: outcome[at].clone().unwrap(),
            rtt_us: rtt[at],
            connect_us: connect[at],
            address: address[at].clone(),
        })
        .collect();
    rows.sort();
    rows
}
